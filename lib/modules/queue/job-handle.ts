import type { Job } from '../../kernel/job/job.js';
import type { JobStatus } from '../../kernel/job/states.js';

/** What cancelling did: the job was stopped, had ended before, or is not known. @publicApi */
export type CancelOutcome = 'cancelled' | 'finished' | 'unknown';

const NO_ENTRIES: readonly never[] = [];

/**
 * A job as `add`, `addBulk` and `getJob` answer it: its fields as they were then, and what can be done with it.
 * @publicApi
 */
export class JobHandle<T = unknown, R = unknown> implements Job<T, R> {
  readonly id: string;
  /** False when `add` found a job of this id and added nothing. */
  readonly created: boolean;
  readonly queueName: string;
  readonly name: string;
  readonly status: JobStatus;
  readonly data: T;
  readonly opts: Job['opts'];
  readonly priority: number;
  readonly createdAt: number;
  readonly runAt: number;
  readonly tags: readonly string[];
  readonly attemptMade: number = 0;
  readonly stalledCount: number = 0;
  readonly fence: number = 0;
  readonly progressPercent: number = 0;
  readonly logs: Job['logs'] = NO_ENTRIES;
  readonly timeline: Job['timeline'] = NO_ENTRIES;
  declare readonly workerId?: string;
  declare readonly progress?: unknown;
  declare readonly progressLabel?: string;
  declare readonly returnValue?: R;
  declare readonly error?: Job['error'];
  declare readonly stacktrace?: string;
  declare readonly reason?: string;
  declare readonly correlationId?: string;
  declare readonly retriedFromId?: string;
  declare readonly retriedById?: string;
  declare readonly startedAt?: number;
  declare readonly finishedAt?: number;
  declare readonly durationMs?: number;
  declare readonly latencyMs?: number;

  readonly #cancel: (id: string, reason?: string) => Promise<CancelOutcome>;

  constructor(
    job: Pick<
      Job<T, R>,
      'id' | 'queueName' | 'name' | 'status' | 'data' | 'opts' | 'priority' | 'createdAt' | 'runAt' | 'tags'
    >,
    created: boolean,
    cancel: (id: string, reason?: string) => Promise<CancelOutcome>,
  ) {
    this.id = job.id;
    this.created = created;
    this.queueName = job.queueName;
    this.name = job.name;
    this.status = job.status;
    this.data = job.data;
    this.opts = job.opts;
    this.priority = job.priority;
    this.createdAt = job.createdAt;
    this.runAt = job.runAt;
    this.tags = job.tags;
    this.#cancel = cancel;
  }

  /** The handle of a job whose record was read. */
  static of<T, R>(
    job: Job<T, R>,
    created: boolean,
    cancel: (id: string, reason?: string) => Promise<CancelOutcome>,
  ): JobHandle<T, R> {
    return Object.assign(new JobHandle(job, created, cancel), job);
  }

  /**
   * Ends the job with a tombstone that names the reason. A running handler gets the abort signal wherever it runs;
   * whatever it returns later is ignored.
   */
  cancel(reason?: string): Promise<CancelOutcome> {
    return this.#cancel(this.id, reason);
  }
}
