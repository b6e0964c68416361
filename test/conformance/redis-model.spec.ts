import { describe, expect, it } from '@jest/globals';
import { freshSubject } from '../support/redis.js';
import { againstModel } from './model-run.js';

/** `MODEL_RUNS=5000 MODEL_SEED=7` hunts for longer, or where a failure was found. */
const number = (name: string): number | undefined =>
  process.env[name] === undefined ? undefined : Number(process.env[name]);

describe('the Redis store and the model', () => {
  it(
    'answer and show the same after every command of random sequences',
    async () => {
      const runs = number('MODEL_RUNS') ?? 250;
      const seed = number('MODEL_SEED');
      const { commands } = await againstModel(freshSubject, {
        runs,
        maxCommands: number('MODEL_COMMANDS') ?? 40,
        ...(seed !== undefined && { seed }),
      });
      expect(commands).toBeGreaterThan(runs * 5);
    },
    // Two noisy cores; a hunt may take its time.
    Math.max(150_000, (number('MODEL_RUNS') ?? 0) * 600),
  );
});
