import fc from 'fast-check';
import type { ConformanceFactory } from '../../lib/conformance/index.js';
import { Real } from './model-calls.js';
import { modelCommands } from './model-commands.js';
import { Model } from './model.js';

/** A realistic epoch, so that microseconds and packed keys have their real width. */
const START = 1_700_000_000_000;

export interface ModelOptions {
  /** Sequences of commands. */
  readonly runs: number;
  readonly maxCommands?: number;
  readonly seed?: number;
  /** Where in the sequence of one seed to begin: printed with a failure. */
  readonly path?: string;
  /** `true`: stop at the first failure without looking for a smaller one. */
  readonly endOnFailure?: boolean;
}

/**
 * Runs random commands against a store and the model side by side, and compares everything that can be observed after
 * each. Rejects with the smallest sequence that fails, its seed and its path.
 */
export async function againstModel(factory: ConformanceFactory, options: ModelOptions): Promise<{ commands: number }> {
  const { runs, maxCommands = 40, seed, path, endOnFailure } = options;
  let commands = 0;
  await fc.assert(
    fc.asyncProperty(modelCommands(maxCommands), async (sequence) => {
      const subject = await factory();
      try {
        await fc.asyncModelRun(() => ({ model: new Model(START), real: new Real(subject.store) }), sequence);
        commands += [...sequence].length;
      } finally {
        await subject.close();
      }
    }),
    {
      numRuns: runs,
      ...(seed !== undefined && { seed }),
      ...(path !== undefined && { path }),
      ...(endOnFailure !== undefined && { endOnFailure }),
    },
  );
  return { commands };
}
