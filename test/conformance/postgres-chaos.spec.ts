import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { jobStoreConformance } from '../../lib/conformance/index.js';
import { freshSubject } from '../support/postgres.js';
import { postgresSpace } from '../support/postgres-space.js';
import { named, Nemesis, type Chaos } from './postgres-chaos.js';

const chaos: Chaos = { every: 25, calls: 0, strikes: 0, ended: 0, resends: 0 };
const victims = `oqron-chaos-${randomUUID().slice(0, 8)}`;
let nemesis: Nemesis;

describe('with pg_terminate_backend on all connections beside every 25th call', () => {
  beforeAll(async () => {
    nemesis = new Nemesis((await postgresSpace()).url, victims, chaos);
    await nemesis.open();
  });

  jobStoreConformance({ describe, it }, async () => {
    await nemesis.calm();
    return nemesis.haunt(await freshSubject(named((await postgresSpace()).url, victims)));
  });

  afterAll(async () => {
    await nemesis?.close();
    // Otherwise the whole run proved nothing.
    expect(chaos.strikes).toBeGreaterThan(100);
    expect(chaos.ended).toBeGreaterThan(100);
    expect(chaos.resends).toBeGreaterThan(20);
  });
});
