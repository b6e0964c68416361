import type { JobKeep } from '../job/retention.js';
import type { JobStatus } from '../job/states.js';
import type { JobMeta, JobRef, StoredError } from '../job/stored-job.js';

/**
 * What becomes of a job when a parent does not complete (it failed, was cancelled or was removed). `block`: the job
 * goes on waiting, until a retry of the parent completes. `cascade-fail`: it fails at once, and so do its own
 * dependants by their policies. `ignore`: the parent counts as done.
 * @publicApi
 */
export type ParentFailurePolicy = 'block' | 'cascade-fail' | 'ignore';

/** All policies. @publicApi */
export const PARENT_FAILURE_POLICIES: readonly ParentFailurePolicy[] = ['block', 'cascade-fail', 'ignore'];

/** The jobs that a new job waits for. @publicApi */
export interface ParentLinks {
  /**
   * 1 to 1 000, each once, in any queue. One that did not complete and was run again is meant by its last run. An
   * earlier job of the same group may be a parent.
   */
  readonly refs: readonly JobRef[];
  readonly policy: ParentFailurePolicy;
}

/**
 * A job that failed because a parent did not complete and its policy is `cascade-fail`. A call reports at most 1 000;
 * the transition itself has no such bound.
 * @publicApi
 */
export interface CascadedJob {
  readonly queue: string;
  readonly id: string;
  readonly name: string;
  readonly error: StoredError;
}

/**
 * How adds of one key are taken for one. `while-unfinished`: the first stands until it has finished. `throttle`: the
 * first stands for `ttlMs`, whatever becomes of it. `debounce`: the last wins; a job that has not started gets its
 * content and its delay anew. `replace`: a job that has not started gets its content and keeps its place and delay.
 * In both, while the job runs, the next add makes a new one, which then stands for the key. `keep-last`: like
 * `replace`, and while one runs, the newest waits until that one has ended.
 * @publicApi
 */
export type DeduplicationMode = 'while-unfinished' | 'throttle' | 'debounce' | 'replace' | 'keep-last';

/** @publicApi */
export const DEDUPLICATION_MODES: readonly DeduplicationMode[] = [
  'while-unfinished',
  'throttle',
  'debounce',
  'replace',
  'keep-last',
];

/** @publicApi */
export interface Deduplication {
  /** At most 256 bytes; unique within the queue. */
  readonly key: string;
  readonly mode: DeduplicationMode;
  /** `throttle`: how long the first stands. The other modes: forget the key this long (ms) after its job was added;
   * `debounce` counts anew with each add. */
  readonly ttlMs?: number;
}

/** A job to add. Everything but `data` is small. @publicApi */
export interface NewJob {
  readonly id: string;
  /** True when the caller chose the id: only such ids can collide. */
  readonly idGiven: boolean;
  readonly name: string;
  /** Encoded payload; absent = `undefined`. */
  readonly data?: string;
  readonly meta: JobMeta;
  /** 0 (served first) to 2 097 152. */
  readonly priority: number;
  /** Not before this many ms of store time from now; 0 = at once. */
  readonly delayMs: number;
  /** Absolute instant (ms) where the user gave one; wins over `delayMs`. One that has passed means now. */
  readonly runAt?: number;
  readonly keep?: JobKeep;
  readonly parents?: ParentLinks;
  readonly dedup?: Deduplication;
}

/** A job to add to a queue in the transition that ends another one. @publicApi */
export interface ThenJob {
  readonly queue: string;
  readonly job: NewJob;
}

/**
 * What became of one job of a group.
 *
 * A job of a group that was refused has `refused`, every one of it the same, and nothing of the group was added.
 * @publicApi
 */
export interface EnqueueResult {
  /** The job that stands. */
  readonly id: string;
  /** False when a job with this id, or one that stands for its deduplication key, was there already. */
  readonly created: boolean;
  /** The state of the job that stands. */
  readonly status: JobStatus;
  /** Store time (ms) at which the job that stands was added. */
  readonly createdAt: number;
  /** When it may run (ms, store time). */
  readonly runAt: number;
  /** The queue is disabled and drops what is added: there is no job. */
  readonly skipped?: true;
  readonly refused?: EnqueueRefusal;
}

/**
 * Why a group was not added. `unknown-parent`: no such job (or the job itself). `disabled`: the queue is disabled and
 * rejects. `held-full`: the queue is disabled and holds as many jobs as it may.
 * @publicApi
 */
export type EnqueueRefusal =
  | { readonly why: 'unknown-parent'; readonly parent: JobRef }
  | { readonly why: 'disabled' }
  | { readonly why: 'held-full'; readonly limit: number };
