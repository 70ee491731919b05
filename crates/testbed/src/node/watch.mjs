// Runs the server of `serve.mjs`, which is beside this file, until this process's stdin ends.
//
//   node watch.mjs <installation> <work folder> <options of the server>...
//
// Prints one line, "<port> <process id>", once the server answers; removes the work folder at the end.
//
// Two processes, because a server paused by SIGSTOP cannot notice that its test is gone: one watches, its child serves.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const [role, ...rest] = process.argv.slice(2);
if (role === 'serve') await serve(...rest);
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
    const url = said.match(/listens on (\S+)\n/)?.[1];
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

async function serve(installation, ...options) {
  // The watcher was killed: nobody else would end this process.
  process.on('disconnect', () => process.exit(1));

  const server = await import('./serve.mjs');
  server.serve(installation, options);
}
