import fc from 'fast-check';
import type { Real } from './model-calls.js';
import { look } from './model-look.js';
import { type MJob, type Model, type QueueName } from './model.js';

export type Command = fc.AsyncCommand<Model, Real>;

/** Mostly the first queues, so that jobs meet. */
export const queue = fc.constantFrom(0, 0, 0, 0, 1, 1, 2, 3);
export const pick = fc.nat(1_000);
export const delay = fc.constantFrom(0, 0, 0, 1, 100, 1_000, 5_000);

/** A command whose arguments are drawn and whose effect is compared with the model's, wherever it may be seen. */
export function command<T>(
  label: string,
  args: fc.Arbitrary<T>,
  run: (args: T) => (model: Model, real: Real) => Promise<void>,
): fc.Arbitrary<Command> {
  return args.map((drawn) => ({
    check: () => true,
    toString: () => `${label}(${JSON.stringify(drawn)})`,
    async run(model, real) {
      model.cascaded = [];
      model.ended = [];
      model.swept = false;
      // What follows from one transition comes before what follows from the next.
      model.state.tail = false;
      await run(drawn)(model, real);
      await look(model, real.store);
    },
  }));
}

/** One of the jobs of the queue, or now and then none. */
export function someJob(model: Model, name: QueueName, n: number): MJob | undefined {
  const all = model.jobsOf(name);
  return n % 20 === 0 ? undefined : all[n % all.length];
}
