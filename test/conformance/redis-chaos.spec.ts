import { afterAll, describe, expect, it } from '@jest/globals';
import { jobStoreConformance } from '../../lib/conformance/index.js';
import { chaotic, type Chaos } from '../support/redis-chaos.js';
import { freshSubject, sharedServer } from '../support/redis.js';

const chaos: Chaos = { strikes: 0, resends: 0 };

describe('with SCRIPT FLUSH and CLIENT KILL at every fifth call', () => {
  jobStoreConformance({ describe, it }, async () => chaotic(await freshSubject(), (await sharedServer()).url, chaos));

  afterAll(() => {
    // Otherwise the whole run proved nothing.
    expect(chaos.strikes).toBeGreaterThan(500);
    expect(chaos.resends).toBeGreaterThan(500);
  });
});
