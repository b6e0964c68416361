import type { JobStatus, QueueStrategy } from '../job/states.js';
import type { StoredJob } from '../job/stored-job.js';
import type { CallId, StoreOptions } from './calls.js';
import type { CascadedJob } from './new-job.js';

/**
 * What a disabled queue does with new jobs. `hold`: keeps them as `paused` until it is enabled. `skip`: drops them.
 * `reject`: refuses them.
 * @publicApi
 */
export type DisabledBehavior = 'hold' | 'skip' | 'reject';

/** How the queue is recorded in the store. @publicApi */
export interface QueueRecord {
  readonly name: string;
  readonly strategy: QueueStrategy;
  readonly paused: boolean;
  /** Switched off: nothing is handed out, and new jobs are treated by `disabledBehavior`. */
  readonly disabled: boolean;
  readonly disabledBehavior: DisabledBehavior;
  /** Jobs that it may hold while disabled. */
  readonly maxHeldJobs: number;
  /** The highest version that was declared; 0 = none. */
  readonly version: number;
}

/** What a definition says of its queue; what it leaves out stays as it is recorded. @publicApi */
export interface QueueDeclaration {
  readonly strategy?: QueueStrategy;
  /** State of a queue that nobody declared before. */
  readonly paused?: boolean;
  /** @default 'hold' */
  readonly disabledBehavior?: DisabledBehavior;
  /** @default 10_000 */
  readonly maxHeldJobs?: number;
  /** Raises the recorded version; a lower one changes nothing. */
  readonly version?: number;
}

/** The record after a declaration. @publicApi */
export interface DeclareReply extends QueueRecord {
  /** The version that was recorded before this declaration raised it. */
  readonly upgradedFrom?: number;
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
  /** A page of a filtered list inspects at most 1 000 candidates, and may be empty with a cursor. */
  readonly filter?: JobFilter;
}

/** What jobs of a list must be like; everything given must hold. @publicApi */
export interface JobFilter {
  readonly name?: string;
  readonly tag?: string;
  readonly correlationId?: string;
  readonly parentId?: string;
  /** Only dead letters that were not run again. */
  readonly dead?: boolean;
  /** Added at or after this instant (ms). */
  readonly createdFrom?: number;
  /** Added before this instant (ms). */
  readonly createdTo?: number;
}

/** @publicApi */
export interface EnableReply {
  readonly changed: boolean;
  /** Held jobs are left. */
  readonly more: boolean;
}

/** @publicApi */
export interface VerifyRequest {
  readonly queue: string;
  readonly limit: number;
  readonly cursor?: string;
}

/**
 * `orphan`: a record that no set holds. `ghost`: an entry of a set without a record. `wrong-set`: state and set
 * contradict each other. `broken-link`: parent and child do not know of each other, or one is gone. `stuck`: the job
 * waits although nothing holds it. `count`: a counter is wrong.
 * @publicApi
 */
export type VerifyProblemKind = 'orphan' | 'ghost' | 'wrong-set' | 'broken-link' | 'stuck' | 'count';

/** @publicApi */
export interface VerifyProblem {
  readonly queue: string;
  readonly id?: string;
  readonly kind: VerifyProblemKind;
  /** A sentence for people. */
  readonly detail: string;
}

/** @publicApi */
export interface VerifyReply {
  readonly problems: VerifyProblem[];
  /** Jobs that were looked at. */
  readonly checked: number;
  /** Absent on the last page. */
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
  | {
      readonly verdict: 'cancelled';
      readonly from: JobStatus;
      readonly owner?: string;
      readonly fence?: number;
      readonly cascaded: CascadedJob[];
    }
  | { readonly verdict: 'finished'; readonly status: JobStatus }
  | { readonly verdict: 'unknown' };

/** `refused`: the job is in a state in which this can't be done, which `status` names. @publicApi */
export type ChangeReply =
  | { readonly verdict: 'done'; readonly cascaded?: CascadedJob[] }
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
  declare(call: CallId, queue: string, want: QueueDeclaration, opts?: StoreOptions): Promise<DeclareReply>;

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

  /** For each id (at most 1 000) the names of the recorded queues that hold a job of it, sorted by their bytes. */
  locate(ids: readonly string[], opts?: StoreOptions): Promise<string[][]>;

  /**
   * Looks for records that no set holds, entries without a record, links that one side does not know, and jobs that
   * wait although nothing holds them: one page of a queue, at most `limit` (1 to 1 000) jobs. Changes nothing.
   */
  verify(request: VerifyRequest, opts?: StoreOptions): Promise<VerifyReply>;

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

  /** Deletes the record of a job that is not running. For its dependants it counts as failed. */
  remove(call: CallId, queue: string, id: string, opts?: StoreOptions): Promise<ChangeReply>;

  /** Makes a delayed job ready now, behind what waits already. */
  promote(call: CallId, queue: string, id: string, opts?: StoreOptions): Promise<ChangeReply>;

  /** Gives a job that has not started another payload. */
  updateData(
    call: CallId,
    queue: string,
    id: string,
    data: string | undefined,
    opts?: StoreOptions,
  ): Promise<ChangeReply>;

  /** Sets when a job that has not started may run, from now (ms); 0 = as soon as nothing else holds it. */
  changeDelay(call: CallId, queue: string, id: string, delayMs: number, opts?: StoreOptions): Promise<ChangeReply>;

  /** Changes the priority of a job that has not started; its `ord` is kept. */
  changePriority(call: CallId, queue: string, id: string, priority: number, opts?: StoreOptions): Promise<ChangeReply>;

  /**
   * Adds a new job with the payload of a finished one; both records name each other. `from` lists the states it may
   * be in. A job that was run again already is refused, and so is a `newId` that exists. Dependants that still wait
   * for the old job wait for the new one, in the same transition. The new job waits for parents of the old one that
   * have not finished, and for nothing else.
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

  /** Switches the queue off: nothing is handed out, new jobs are treated by its `disabledBehavior`. True = changed. */
  disable(call: CallId, queue: string, opts?: StoreOptions): Promise<boolean>;

  /**
   * Switches the queue on again and lets go of up to `limit` (1 to 1 000) held jobs, oldest first: each becomes
   * waiting, delayed or waiting-children. Call it again while it says `more`; claims and sweeps do the same.
   */
  enable(call: CallId, queue: string, limit: number, opts?: StoreOptions): Promise<EnableReply>;

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
