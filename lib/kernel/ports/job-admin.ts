import type { JobStatus, QueueStrategy } from '../job/states.js';
import type { StoredJob } from '../job/stored-job.js';
import type { CallId, StoreOptions } from './calls.js';

/** How the queue is recorded in the store. @publicApi */
export interface QueueRecord {
  readonly name: string;
  readonly strategy: QueueStrategy;
  readonly paused: boolean;
}

/** Jobs per state. @publicApi */
export type JobCounts = Readonly<Record<JobStatus, number>>;

/** @publicApi */
export interface FindRequest {
  readonly queue: string;
  readonly status: JobStatus;
  /** Jobs per page, 1 to 1 000. */
  readonly limit: number;
  /** Where the page before ended. */
  readonly cursor?: string;
}

/** @publicApi */
export interface FindReply {
  readonly jobs: StoredJob[];
  /** Absent on the last page. */
  readonly cursor?: string;
}

/**
 * What cancel did. `cancelled`: a tombstone stands (`owner` and `fence` where a handler was running). `finished`: the
 * job had ended before and is unchanged. `unknown`: no such job.
 * @publicApi
 */
export type CancelReply =
  | { readonly verdict: 'cancelled'; readonly from: JobStatus; readonly owner?: string; readonly fence?: number }
  | { readonly verdict: 'finished'; readonly status: JobStatus }
  | { readonly verdict: 'unknown' };

/** `refused`: the job is in a state in which this can't be done, which `status` names. @publicApi */
export type ChangeReply =
  | { readonly verdict: 'done' }
  | { readonly verdict: 'refused'; readonly status: JobStatus }
  | { readonly verdict: 'unknown' };

/** @publicApi */
export type RetryReply =
  | { readonly verdict: 'done'; readonly id: string }
  | { readonly verdict: 'refused'; readonly status: JobStatus; readonly retriedById?: string }
  | { readonly verdict: 'unknown' };

/**
 * Reads, and the transitions that people and managers ask for. Every mutation takes a {@link CallId} first and is
 * resent safely like any other call.
 * @publicApi
 */
export interface JobAdmin {
  /**
   * Records a queue. A strategy that is left out follows the store (`fifo` where nothing is recorded); a different
   * explicit one throws `StrategyMismatchError`. Jobs added before a strategy was recorded keep rank 0 and so go first.
   */
  declare(
    call: CallId,
    queue: string,
    want: { strategy?: QueueStrategy; paused?: boolean },
    opts?: StoreOptions,
  ): Promise<QueueRecord>;

  /** How the queue is recorded, or `undefined` when nobody declared it or added to it. */
  record(queue: string, opts?: StoreOptions): Promise<QueueRecord | undefined>;

  /** One job, or `undefined`. */
  get(queue: string, id: string, opts?: StoreOptions): Promise<StoredJob | undefined>;

  /**
   * One page of the jobs of one state, in that set's order: waiting in the order of claiming, delayed by due time,
   * active by lease expiry, finished newest first. A job that stays in place during a walk is listed exactly once;
   * one whose place changes meanwhile may come twice. A page may be shorter than `limit` and still have a cursor.
   */
  find(request: FindRequest, opts?: StoreOptions): Promise<FindReply>;

  counts(queue: string, opts?: StoreOptions): Promise<JobCounts>;

  /** Names of the recorded queues, sorted by their bytes, at most `limit` after `after`. */
  queues(request: { limit: number; after?: string }, opts?: StoreOptions): Promise<string[]>;

  /** Ends an unfinished job with a tombstone. Nothing settles it afterwards. */
  cancel(
    call: CallId,
    queue: string,
    id: string,
    reason: string | undefined,
    opts?: StoreOptions,
  ): Promise<CancelReply>;

  /** Deletes the record of a job that is not running. */
  remove(call: CallId, queue: string, id: string, opts?: StoreOptions): Promise<ChangeReply>;

  /** Makes a delayed job ready now, behind what waits already. */
  promote(call: CallId, queue: string, id: string, opts?: StoreOptions): Promise<ChangeReply>;

  /** Sets when a job that has not started may run, from now (ms); 0 = at once. */
  changeDelay(call: CallId, queue: string, id: string, delayMs: number, opts?: StoreOptions): Promise<ChangeReply>;

  /** Changes the priority of a job that has not started; its `ord` is kept. */
  changePriority(call: CallId, queue: string, id: string, priority: number, opts?: StoreOptions): Promise<ChangeReply>;

  /**
   * Adds a new job with the payload of a finished one; both records name each other. `from` lists the states it may
   * be in. A job that was run again already is refused, and so is a `newId` that exists.
   */
  retry(
    call: CallId,
    queue: string,
    id: string,
    as: { readonly newId: string; readonly from: readonly JobStatus[] },
    opts?: StoreOptions,
  ): Promise<RetryReply>;

  /** Stops handing out jobs of the queue, for every process, until resumed. Running jobs finish. True = changed. */
  pause(call: CallId, queue: string, opts?: StoreOptions): Promise<boolean>;

  /** True = changed. */
  resume(call: CallId, queue: string, opts?: StoreOptions): Promise<boolean>;

  /**
   * Deletes up to `limit` jobs of the queue and answers how many. Running jobs are spared unless `force`. Fences and
   * the queue's settings survive, so a frozen owner can never settle a later job of the same id.
   */
  obliterate(
    call: CallId,
    queue: string,
    request: { limit: number; force?: boolean },
    opts?: StoreOptions,
  ): Promise<number>;
}
