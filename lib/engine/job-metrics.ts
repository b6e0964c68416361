import { MAX_BATCH_ITEMS } from '../kernel/job/limits.js';
import { JOB_STATUSES, type JobStatus } from '../kernel/job/states.js';
import type { InstrumentedEngine, OqronInstrumentation, SettledAttempt } from '../kernel/runtime/instrumentation.js';

/** Queues whose jobs are counted for a collection, unless told otherwise. */
const DEFAULT_MAX_QUEUES = 100;

/** How a job ended. */
export type JobEnd = 'completed' | 'failed' | 'cancelled';

/** Where figures of an engine go, whoever keeps them. Durations in seconds. */
export interface MetricsSink {
  added(queue: string): void;
  /** A job has ended, in a transition of this process. */
  ended(queue: string, how: JobEnd): void;
  /** An attempt of this process is over. */
  attempt(queue: string, outcome: SettledAttempt['outcome'], seconds: number): void;
  /** How long a job that was run could have run already. */
  waited(queue: string, seconds: number): void;
  /** A job has ended after so many attempts. */
  attempts(queue: string, count: number): void;
  /** An expired lease was found. */
  stalled(queue: string): void;
  leaseLost(queue: string): void;
}

/** Feeds a sink from what happens in the engines that it is given to. */
export function jobMetrics(sink: MetricsSink): Pick<OqronInstrumentation, 'onSettled'> & {
  attach(engine: InstrumentedEngine): () => void;
} {
  return {
    attach: (engine) => {
      const ends = [
        engine.on('job:added', ({ queue }) => sink.added(queue)),
        // Not by attempts: some jobs fail without one, with their parent or by their last crash.
        engine.on('job:fail', ({ queue }) => sink.ended(queue, 'failed')),
        engine.on('job:cancelled', ({ queue }) => sink.ended(queue, 'cancelled')),
        engine.on('job:stalled', ({ queue }) => sink.stalled(queue)),
        engine.on('worker:lost-lease', ({ queue }) => sink.leaseLost(queue)),
      ];
      return () => ends.forEach((end) => end());
    },
    onSettled: ({ queueName, attempt, waitDuration }, { outcome, durationMs }) => {
      sink.attempt(queueName, outcome, durationMs / 1_000);
      sink.waited(queueName, waitDuration / 1_000);
      if (outcome === 'completed') sink.ended(queueName, outcome);
      if (outcome === 'completed' || outcome === 'failed') sink.attempts(queueName, attempt);
    },
  };
}

/** The jobs of one queue in one state. */
export interface Depth {
  readonly queue: string;
  readonly state: JobStatus;
  readonly count: number;
}

/** Reads how many jobs queues have: the first ones by name, and never twice at once, however many ask. */
export class DepthReader {
  readonly #limit: number;
  #reading: Promise<Depth[]> | undefined;

  constructor(
    private readonly engine: InstrumentedEngine,
    maxQueues: number = DEFAULT_MAX_QUEUES,
  ) {
    this.#limit = Math.max(1, Math.min(MAX_BATCH_ITEMS, Math.floor(maxQueues)));
  }

  /** @throws what the store throws */
  read(): Promise<Depth[]> {
    return (this.#reading ??= this.#read().finally(() => (this.#reading = undefined)));
  }

  async #read(): Promise<Depth[]> {
    const { queues } = await this.engine.manager.listQueues({ limit: this.#limit });
    return queues.flatMap(({ name, counts }) =>
      JOB_STATUSES.map((state) => ({ queue: name, state, count: counts[state] })),
    );
  }
}
