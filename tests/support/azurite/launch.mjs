// Serves Azurite's blob service until this process's stdin ends.
//
//   node launch.mjs <installation> <work folder> <options of azurite-blob>...
//
// Prints one line, "<port> <process id>", once the service answers; removes the work folder at the end.
//
// Two processes, because a server paused by SIGSTOP cannot notice that its test is gone: one watches, its child serves.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const [role, ...rest] = process.argv.slice(2);
if (role === 'serve') serve(...rest);
else watch(role, ...rest);

function watch(installation, workFolder, ...options) {
  const server = fork(fileURLToPath(import.meta.url), ['serve', installation, ...options], {
    cwd: workFolder,
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  server.on('exit', (code) => {
    rmSync(workFolder, { recursive: true, force: true });
    process.exit(code ?? 1);
  });

  // SIGKILL, because it is the only signal that ends a paused process.
  const end = () => server.kill('SIGKILL');
  process.stdin.on('end', end).on('error', end).resume();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, end);

  let said = '';
  server.stdout.setEncoding('utf8').on('data', (text) => {
    if (said === undefined) return;
    said += text;
    const url = said.match(/successfully listens on (\S+)\n/)?.[1];
    if (!url) return;
    said = undefined;
    answers(url).then(() => console.log(`${new URL(url).port} ${server.pid}`), end);
  });
}

async function answers(url) {
  const { get } = await import(url.startsWith('https:') ? 'node:https' : 'node:http');
  const [response] = await once(get(url, { agent: false, rejectUnauthorized: false }), 'response');
  response.resume();
}

function serve(installation, ...options) {
  // The watcher was killed: nobody else would end this process.
  process.on('disconnect', () => process.exit(1));

  const require = createRequire(join(installation, 'node_modules', 'azurite', 'package.json'));

  // Never loaded: it is telemetry, which is switched off here, and half of the time that Azurite takes to start.
  const telemetry = require.resolve('applicationinsights');
  require.cache[telemetry] = { id: telemetry, filename: telemetry, loaded: true, exports: {} };

  process.argv.splice(2, Infinity, ...options);
  require('./dist/src/blob/main.js');
}
