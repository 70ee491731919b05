// Serves Azurite's blob service; the options are those of azurite-blob.

import { createRequire } from 'node:module';
import { join } from 'node:path';

export function serve(installation, options) {
  // They would give the server other accounts, or a database to write to.
  delete process.env.AZURITE_ACCOUNTS;
  delete process.env.AZURITE_DB;

  const require = createRequire(join(installation, 'node_modules', 'azurite', 'package.json'));

  // Never loaded: it is telemetry, which is switched off here, and half of the time that Azurite takes to start.
  const telemetry = require.resolve('applicationinsights');
  require.cache[telemetry] = { id: telemetry, filename: telemetry, loaded: true, exports: {} };

  process.argv.splice(2, Infinity, ...options);
  require('./dist/src/blob/main.js');
}
