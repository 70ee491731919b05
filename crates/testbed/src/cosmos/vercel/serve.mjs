// Serves @vercel/cosmosdb-server over http on a free port, mended where it answers unlike Cosmos DB; takes no options.

import { createRequire } from 'node:module';
import { join } from 'node:path';

export function serve(installation) {
  const require = createRequire(join(installation, 'node_modules', '@vercel', 'cosmosdb-server', 'package.json'));

  // Before the server itself is loaded: its routes keep the handlers that they find.
  mendRangeIds(require);
  mendMissingDocuments(require);
  mendLocations(require);

  const { createHttpServer } = require('./lib/index.js');
  // Longer than any test's silence: a request never meets a connection that is just being closed.
  const server = createHttpServer({ keepAlive: true, keepAliveTimeout: 600_000 });
  server.listen(0, '127.0.0.1', () => console.log(`listens on http://127.0.0.1:${server.address().port}`));
}

/** Clients take a partition key range whose id is a number for a malformed answer. */
function mendRangeIds(require) {
  const { default: Ranges } = require('./lib/account/partition-key-ranges.js');
  const create = Ranges.prototype.create;
  Ranges.prototype.create = function (range) {
    return create.call(this, { ...range, id: String(range.id) });
  };
}

/** It looks into the document before it looks whether there is one, and answers 500. */
function mendMissingDocuments(require) {
  const handler = require('./lib/handler/read-document.js');
  const partition = require('./lib/utils/get-partition-from-header.js');
  const read = handler.default;
  handler.default = (account, request, response, names) => {
    const collection = account.database(names.dbId).collection(names.collId);
    const key = partition.parsePartitionKey(partition.default(request), names.docId);
    if (collection.read() && !collection.document(names.docId, key).read()) {
      response.statusCode = 404;
      return { code: 'NotFound', message: 'Resource Not Found' };
    }
    return read(account, request, response, names);
  };
}

/** It tells every client to go on over https, also when it serves http. */
function mendLocations(require) {
  const account = require('./lib/account/index.js');
  account.default = class extends account.default {
    constructor(host, port) {
      super(host, port);
      const { readableLocations, writableLocations } = this.read();
      for (const location of [...readableLocations, ...writableLocations]) {
        location.databaseAccountEndpoint = `http://${host}:${port}/`;
      }
    }
  };
}
