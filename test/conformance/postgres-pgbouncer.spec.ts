import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readTarget } from '../../lib/backends/postgres/options.js';
import { PostgresPools } from '../../lib/backends/postgres/pools.js';
import { jobStoreConformance } from '../../lib/conformance/index.js';
import { systemClock } from '../../lib/kernel/ports/system-clock.js';
import { startPooler, type Pooler } from '../support/pgbouncer.js';
import { postgresSpace } from '../support/postgres-space.js';
import { againstModel } from './model-run.js';
import { subjectOn } from './postgres-shared.js';

/** Fewer than come in: statements of one connection go to several of the server. */
const SERVER_CONNECTIONS = 4;
/** The whole hunt is that of the direct connection. */
const MODEL_RUNS = 20;

let pooler: Pooler;
let pools: PostgresPools;

beforeAll(async () => {
  pooler = await startPooler(SERVER_CONNECTIONS);
  const { url, schema } = await postgresSpace();
  const target = readTarget({ connectionString: pooler.url, listenUrl: url, schema });
  pools = await PostgresPools.open(target, systemClock, () => undefined);
}, 60_000);

afterAll(async () => {
  await pools?.close();
  await pooler?.stop();
});

describe('PostgreSQL through pgbouncer in transaction mode', () => {
  jobStoreConformance({ describe, it }, () => subjectOn(pools));

  it('answers and shows the same as the model', async () => {
    const { commands } = await againstModel(() => subjectOn(pools), { runs: MODEL_RUNS, maxCommands: 40, seed: 2 });
    expect(commands).toBeGreaterThan(MODEL_RUNS * 5);
  }, 180_000);
});
