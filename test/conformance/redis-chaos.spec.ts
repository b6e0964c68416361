import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { jobStoreConformance } from '../../lib/conformance/index.js';
import { chaotic, type Chaos } from '../support/redis-chaos.js';
import { freshSubject, startServer, type RedisServer } from '../support/redis.js';

const chaos: Chaos = { every: 5, strikes: 0, resends: 0 };

describe('with SCRIPT FLUSH and CLIENT KILL beside every fifth call', () => {
  // Its own: no other test's connections are to be cut.
  let server: RedisServer;

  beforeAll(async () => {
    server = await startServer();
  });

  jobStoreConformance({ describe, it }, async () => chaotic(await freshSubject(server.url), [server.url], chaos));

  afterAll(async () => {
    await server?.stop();
    // Otherwise the whole run proved nothing.
    expect(chaos.strikes).toBeGreaterThan(500);
    expect(chaos.resends).toBeGreaterThan(500);
  });
});
