import { describe, expect, it } from '@jest/globals';
import { sharedSubject } from './postgres-shared.js';
import { againstModel } from './model-run.js';

/** `MODEL_RUNS=5000 MODEL_SEED=7` hunts for longer, or where a failure was found. 200 take a minute and a half. */
const number = (name: string): number | undefined =>
  process.env[name] === undefined ? undefined : Number(process.env[name]);

/** One seed for every run of the tests. */
const SEED = 1;

describe('the PostgreSQL store and the model', () => {
  it(
    'answer and show the same after every command of random sequences',
    async () => {
      const runs = number('MODEL_RUNS') ?? 80;
      const seed = number('MODEL_SEED') ?? SEED;
      const { commands } = await againstModel(sharedSubject, {
        runs,
        maxCommands: number('MODEL_COMMANDS') ?? 40,
        seed,
      });
      expect(commands).toBeGreaterThan(runs * 5);
    },
    // Two noisy cores; a hunt may take its time.
    Math.max(600_000, (number('MODEL_RUNS') ?? 0) * 2_000),
  );
});
