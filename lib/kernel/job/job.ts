import type { Codec } from './codec.js';
import type { BackoffOptions } from './backoff.js';
import type { JobStatus } from './states.js';
import type { JobMeta, LogEntry, StoredError, StoredJob, TimelineEntry } from './stored-job.js';

/**
 * A job as users read it. Times are ms since the epoch by the store's clock.
 * @publicApi
 */
export interface Job<T = unknown, R = unknown> {
  readonly id: string;
  readonly queueName: string;
  readonly name: string;
  readonly status: JobStatus;
  readonly data: T;
  /** What the job itself asked for; unset options are decided by its consumer. */
  readonly opts: { readonly attempts?: number; readonly backoff?: BackoffOptions; readonly timeout?: number };
  readonly priority: number;
  readonly attemptMade: number;
  readonly stalledCount: number;
  readonly fence: number;
  readonly workerId?: string;
  /** What the handler last passed to `progress`, or undefined. */
  readonly progress?: unknown;
  readonly progressPercent: number;
  readonly progressLabel?: string;
  readonly returnValue?: R;
  readonly error?: StoredError;
  readonly stacktrace?: string;
  /** Why it was cancelled. */
  readonly reason?: string;
  readonly tags: readonly string[];
  readonly correlationId?: string;
  readonly retriedFromId?: string;
  readonly retriedById?: string;
  readonly logs: readonly LogEntry[];
  /** What happened besides the ordinary course. */
  readonly timeline: readonly TimelineEntry[];
  readonly createdAt: number;
  readonly runAt: number;
  readonly startedAt?: number;
  readonly finishedAt?: number;
  /** From start to finish of the last attempt. */
  readonly durationMs?: number;
  /** From runnable to started. */
  readonly latencyMs?: number;
}

const NO_OPTS: Job['opts'] = {};

/** The options that the job itself set, as users wrote them. */
export function jobOpts({ job }: JobMeta): Job['opts'] {
  if (!job) return NO_OPTS;
  return {
    ...(job.attempts === undefined ? {} : { attempts: job.attempts }),
    ...(job.backoff === undefined ? {} : { backoff: job.backoff }),
    ...(job.timeoutMs === undefined ? {} : { timeout: job.timeoutMs }),
  };
}

/** Decodes a record. */
export function toJob<T, R>(stored: StoredJob, codec: Codec): Job<T, R> {
  const { meta, progress, startedAt, finishedAt, runAt } = stored;
  return {
    id: stored.id,
    queueName: stored.queue,
    name: stored.name,
    status: stored.status,
    data: (stored.data === undefined ? undefined : codec.decode(stored.data)) as T,
    opts: jobOpts(meta),
    priority: stored.priority,
    attemptMade: stored.attempt,
    stalledCount: stored.stalledCount,
    fence: stored.fence,
    workerId: stored.owner,
    progress: progress?.detail ?? progress?.percent,
    progressPercent: progress?.percent ?? 0,
    progressLabel: progress?.label,
    returnValue: stored.result === undefined ? undefined : (codec.decode(stored.result) as R),
    error: stored.error,
    stacktrace: stored.error?.stack,
    reason: stored.reason,
    tags: meta.tags ?? [],
    correlationId: meta.correlationId,
    retriedFromId: stored.retriedFromId,
    retriedById: stored.retriedById,
    logs: stored.logs,
    timeline: stored.timeline,
    createdAt: stored.createdAt,
    runAt,
    startedAt,
    finishedAt,
    durationMs: startedAt !== undefined && finishedAt !== undefined ? finishedAt - startedAt : undefined,
    latencyMs: startedAt === undefined ? undefined : Math.max(0, startedAt - runAt),
  };
}
