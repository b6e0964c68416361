import { afterAll, describe, expect, it } from '@jest/globals';
import { MODEL_DEFECTS } from './model-defects.js';
import { againstModel } from './model-run.js';
import { SeededBackends, type Edit } from './seeded-backend.js';

/** Sequences within which a defect must show, from this seed. */
const RUNS = 1_500;
const SEED = 20_261_122;

const backends = new SeededBackends();
afterAll(() => backends.remove());

async function run(runs: number, edits: readonly Edit[]): Promise<unknown> {
  const create = await backends.load(edits);
  return againstModel(
    async () => {
      const backend = create();
      await backend.open();
      return { store: backend.store, signals: backend.signals, close: () => backend.close() };
    },
    { runs, seed: SEED, endOnFailure: true },
  );
}

describe('the model has teeth', () => {
  it('an unmodified copy of the memory store passes', async () => {
    await run(RUNS / 5, []);
  });

  it.each(MODEL_DEFECTS)('%s', async (_name, ...edits) => {
    await expect(run(RUNS, edits)).rejects.toThrow('Counterexample');
  });
});
