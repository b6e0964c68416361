import { describe, expect, it } from '@jest/globals';
import { createMemoryBackend } from '../../lib/backends/memory/index.js';
import { againstModel } from './model-run.js';

/** `MODEL_RUNS=100000 MODEL_COMMANDS=80 MODEL_SEED=7` hunts for longer, or where a failure was found. */
const number = (name: string): number | undefined =>
  process.env[name] === undefined ? undefined : Number(process.env[name]);

describe('the memory store and the model', () => {
  it(
    'answer and show the same after every command of random sequences',
    async () => {
      const runs = number('MODEL_RUNS') ?? 2_000;
      const seed = number('MODEL_SEED');
      const { commands } = await againstModel(
        async () => {
          const backend = createMemoryBackend();
          await backend.open();
          return { store: backend.store, signals: backend.signals, close: () => backend.close() };
        },
        { runs, maxCommands: number('MODEL_COMMANDS') ?? 40, ...(seed !== undefined && { seed }) },
      );
      expect(commands).toBeGreaterThan(runs * 5);
    },
    // A hunt may take its time.
    Math.max(600_000, (number('MODEL_RUNS') ?? 0) * 60),
  );
});
