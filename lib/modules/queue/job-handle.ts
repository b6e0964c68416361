import type { Duration } from '../../kernel/job/duration.js';
import type { Job } from '../../kernel/job/job.js';
import type { JobStatus } from '../../kernel/job/states.js';

/** What cancelling did: the job was stopped, had ended before, or is not known. @publicApi */
export type CancelOutcome = 'cancelled' | 'finished' | 'unknown';

/** @publicApi */
export interface WaitOptions {
  /** Give up after this long. @default waits until the job has ended, or the engine stops */
  readonly timeout?: Duration;
}

/** What a handle can do with its job; one object for all handles of a queue. */
export interface JobActions {
  cancel(id: string, reason?: string): Promise<CancelOutcome>;
  wait(job: Job & { readonly skipped: boolean }, options: WaitOptions | undefined): Promise<unknown>;
}

/** What is known of a job that was just added. */
export type FreshJob<T, R> = Pick<
  Job<T, R>,
  | 'id'
  | 'queueName'
  | 'name'
  | 'project'
  | 'environment'
  | 'status'
  | 'data'
  | 'opts'
  | 'priority'
  | 'createdAt'
  | 'runAt'
  | 'tags'
>;

const NO_ENTRIES: readonly never[] = [];

/**
 * A job as `add`, `addBulk` and `getJob` answer it: its fields as they were then, and what can be done with it.
 * @publicApi
 */
export class JobHandle<T = unknown, R = unknown> implements Job<T, R> {
  readonly id: string;
  /** False when `add` found a job of this id, or of this deduplication key, and added nothing. */
  readonly created: boolean;
  /** True when the queue is disabled and drops what is added (`disabledBehavior: 'skip'`): there is no job. */
  readonly skipped: boolean = false;
  readonly type = 'queue';
  readonly queueName: string;
  readonly name: string;
  readonly project: string;
  readonly environment: string;
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
  readonly dead: boolean = false;
  readonly childrenIds: readonly string[] = NO_ENTRIES;
  readonly dependsOn: Job['dependsOn'] = NO_ENTRIES;
  readonly logs: Job['logs'] = NO_ENTRIES;
  readonly timeline: Job['timeline'] = NO_ENTRIES;
  declare readonly maxAttempts?: number;
  declare readonly workerId?: string;
  declare readonly progress?: unknown;
  declare readonly progressLabel?: string;
  declare readonly returnValue?: R;
  declare readonly error?: Job['error'];
  declare readonly stacktrace?: string;
  declare readonly reason?: string;
  declare readonly pausedReason?: string;
  declare readonly correlationId?: string;
  declare readonly triggeredBy?: string;
  declare readonly parentId?: string;
  declare readonly scheduleId?: string;
  declare readonly deduplicationKey?: string;
  declare readonly origin?: Job['origin'];
  declare readonly retriedFromId?: string;
  declare readonly retriedById?: string;
  declare readonly startedAt?: number;
  declare readonly finishedAt?: number;
  declare readonly durationMs?: number;
  declare readonly latencyMs?: number;

  readonly #actions: JobActions;

  constructor(job: FreshJob<T, R>, created: boolean, actions: JobActions) {
    this.id = job.id;
    this.created = created;
    this.queueName = job.queueName;
    this.name = job.name;
    this.project = job.project;
    this.environment = job.environment;
    this.status = job.status;
    this.data = job.data;
    this.opts = job.opts;
    this.priority = job.priority;
    this.createdAt = job.createdAt;
    this.runAt = job.runAt;
    this.tags = job.tags;
    this.#actions = actions;
  }

  /** @internal The handle of a job of which more is known, for instance of one whose record was read. */
  static of<T, R>(
    job: FreshJob<T, R> & Partial<Job<T, R>> & { readonly skipped?: boolean },
    created: boolean,
    actions: JobActions,
  ): JobHandle<T, R> {
    return Object.assign(new JobHandle<T, R>(job, created, actions), job);
  }

  /**
   * Ends the job with a tombstone that names the reason. A running handler gets the abort signal wherever it runs;
   * whatever it returns later is ignored.
   */
  cancel(reason?: string): Promise<CancelOutcome> {
    return this.#actions.cancel(this.id, reason);
  }

  /**
   * Waits until the job has ended, wherever it runs, and answers its result. Works before the engine is started too.
   * A job whose record is removed as it ends (`removeOnComplete: true`) may have ended unseen: keep it for a while.
   *
   * @throws InvalidOptionsError for a `timeout` that is no duration above zero
   * @throws JobFailedError when it failed for good, with the error of its last attempt
   * @throws JobCancelledError when it was cancelled, with the reason
   * @throws WaitTimeoutError after `timeout`; the job goes on
   * @throws JobNotFoundError when its record is gone and its end was not seen
   * @throws EngineStateError when the engine is stopped meanwhile
   * @example
   * const job = await videos.add({ file: 'cat.mov' });
   * const url = await job.waitUntilFinished({ timeout: '30s' });
   */
  waitUntilFinished(options?: WaitOptions): Promise<R> {
    return this.#actions.wait(this, options) as Promise<R>;
  }
}
