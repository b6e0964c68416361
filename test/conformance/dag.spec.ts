import { afterAll, describe, expect, it } from '@jest/globals';
import { createMemoryBackend } from '../../lib/backends/memory/index.js';
import type { Backend } from '../../lib/kernel/ports/backend.js';
import { randomDags } from './dag.js';
import { DAG_DEFECTS } from './model-defects.js';
import { SeededBackends } from './seeded-backend.js';

/** `DAG_RUNS=20000 DAG_SEED=7` hunts for longer, or where a failure was found. */
const number = (name: string): number | undefined =>
  process.env[name] === undefined ? undefined : Number(process.env[name]);

const subject = (create: () => Backend) => async () => {
  const backend = create();
  await backend.open();
  return { store: backend.store, signals: backend.signals, close: () => backend.close() };
};

const backends = new SeededBackends();
afterAll(() => backends.remove());

describe('random graphs of jobs', () => {
  it(
    'end as the graph says: nothing is stuck that could run, nothing runs that should not',
    async () => {
      const runs = number('DAG_RUNS') ?? 2_000;
      const seed = number('DAG_SEED');
      const { jobs } = await randomDags(subject(createMemoryBackend), { runs, ...(seed !== undefined && { seed }) });
      expect(jobs).toBeGreaterThan(runs * 10);
    },
    Math.max(60_000, (number('DAG_RUNS') ?? 0) * 60),
  );

  it.each(DAG_DEFECTS)('show that %s', async (_name, ...edits) => {
    const create = await backends.load(edits);
    const run = randomDags(subject(create), { runs: 400, seed: 20_261_122, endOnFailure: true });
    await expect(run).rejects.toThrow('Counterexample');
  });
});
