import type { BackoffOptions } from './backoff.js';
import type { KeepOption } from './retention.js';
import type { JobStatus } from './states.js';

/** How attempts of a job run, as far as somebody said so. Unset values stay unset. */
export interface AttemptOptions {
  /** Total runs; 1 = no retry. */
  readonly attempts?: number;
  readonly backoff?: BackoffOptions;
  readonly timeoutMs?: number;
}

/**
 * What the job itself asked for. Only `attempts`, `backoff` and `timeoutMs` count at run time; the rest was turned into
 * what the store keeps when the job was added, and is here for whoever looks at the job.
 */
export interface OwnOptions extends AttemptOptions {
  readonly priority?: number;
  readonly delayMs?: number;
  readonly removeOnComplete?: KeepOption;
  readonly removeOnFail?: KeepOption;
  readonly parentFailurePolicy?: string;
  readonly deduplication?: { readonly key: string; readonly mode: string; readonly ttlMs?: number };
}

/** What instrumentations send along with a job, such as a trace context. @publicApi */
export type JobHeaders = Readonly<Record<string, string>>;

/**
 * What travels with a job and no store looks into: plain JSON data, written once.
 */
export interface JobMeta {
  /** What the job itself asks for. */
  readonly job?: OwnOptions;
  /** What its producer's definition asks for; a consumer's definition comes before it. */
  readonly producer?: AttemptOptions;
  readonly correlationId?: string;
  readonly tags?: readonly string[];
  readonly triggeredBy?: string;
  /** The job whose handler added this one. */
  readonly parentId?: string;
  /** Bounded by whoever writes them. */
  readonly headers?: JobHeaders;
}

/** Names a job. @publicApi */
export interface JobRef {
  readonly queue: string;
  readonly id: string;
}

/** How far a running job has come. @publicApi */
export interface Progress {
  /** 0 to 100. */
  readonly percent: number;
  readonly label?: string;
  /** What the handler passed when it was not a label; plain JSON data. */
  readonly detail?: unknown;
}

/** @publicApi */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** One line of a job's log. @publicApi */
export interface LogEntry {
  /** When the handler wrote it (ms, the worker's wall clock). */
  readonly at: number;
  readonly level: LogLevel;
  readonly message: string;
  readonly meta?: unknown;
}

/** An error as the record keeps it: cut to size, safe for every store. @publicApi */
export interface StoredError {
  readonly name: string;
  readonly message: string;
  readonly code?: string;
  readonly stack?: string;
}

/**
 * What happened to a job besides the ordinary course (which the timestamps tell).
 * @publicApi
 */
export interface TimelineEntry {
  readonly at: number;
  readonly event: 'attempt-failed' | 'stalled' | 'released' | 'promoted' | 'rescheduled' | 'updated' | 'held';
  readonly attempt?: number;
  readonly detail?: string;
}

/** A job as a store returns it: payload and result still encoded. */
export interface StoredJob {
  readonly queue: string;
  readonly id: string;
  readonly name: string;
  readonly status: JobStatus;
  readonly data?: string;
  readonly meta: JobMeta;
  readonly priority: number;
  readonly attempt: number;
  readonly stalledCount: number;
  /** 0 before the first claim. */
  readonly fence: number;
  readonly owner?: string;
  readonly createdAt: number;
  readonly runAt: number;
  readonly startedAt?: number;
  readonly finishedAt?: number;
  readonly result?: string;
  readonly error?: StoredError;
  /** Why it was cancelled, or why it is held. */
  readonly reason?: string;
  readonly progress?: Progress;
  readonly logs: readonly LogEntry[];
  readonly timeline: readonly TimelineEntry[];
  readonly retriedFromId?: string;
  readonly retriedById?: string;
  /** The jobs that it waits for or waited for, as they are called now (see `retriedById`). */
  readonly parents?: readonly JobRef[];
  /** The jobs that depend on it or were added by its handler: the first 1 000. */
  readonly children?: readonly JobRef[];
  /** It failed under a policy with dead letters. */
  readonly dead?: boolean;
  /** The job of which this one is the dead letter's copy; `error` is then that job's. */
  readonly origin?: JobRef;
  readonly dedupKey?: string;
}
