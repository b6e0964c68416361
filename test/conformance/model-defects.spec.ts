import { afterAll, describe, expect, it } from '@jest/globals';
import { collectConformance, type ConformanceFactory } from '../../lib/conformance/index.js';
import type { Backend } from '../../lib/kernel/ports/backend.js';
import { DAG_DEFECTS, MODEL_DEFECTS } from './model-defects.js';
import { againstModel } from './model-run.js';
import { SeededBackends, type Edit } from './seeded-backend.js';

/** Sequences within which a defect must show, from this seed. */
const RUNS = 1_500;
const SEED = 20_261_122;

const backends = new SeededBackends();
afterAll(() => backends.remove());

const subject =
  (create: () => Backend): ConformanceFactory =>
  async () => {
    const backend = create();
    await backend.open();
    return { store: backend.store, signals: backend.signals, close: () => backend.close() };
  };

async function run(runs: number, edits: readonly Edit[]): Promise<unknown> {
  const create = await backends.load(edits);
  return againstModel(subject(create), { runs, seed: SEED, endOnFailure: true });
}

describe('the model has teeth', () => {
  it('an unmodified copy of the memory store passes', async () => {
    await expect(run(RUNS / 5, [])).resolves.toBeDefined();
  });

  it.each(MODEL_DEFECTS)('%s', async (_name, ...edits) => {
    await expect(run(RUNS, edits)).rejects.toThrow('Counterexample');
  });
});

describe('the kit notices, too, that', () => {
  it.each([...new Map([...MODEL_DEFECTS, ...DAG_DEFECTS].map((one) => [one[0], one])).values()])(
    '%s',
    async (_name, ...edits) => {
      const create = await backends.load(edits);
      const cases = collectConformance(subject(create), { signals: false });
      const red: string[] = [];
      for (const one of cases) await one.run().catch(() => red.push(one.name));
      expect(red).not.toEqual([]);
      expect(red.length).toBeLessThan(cases.length / 2);
    },
  );
});
