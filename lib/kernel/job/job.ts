import type { DeduplicationMode, ParentFailurePolicy } from '../ports/new-job.js';
import type { Codec } from './codec.js';
import type { BackoffOptions } from './backoff.js';
import type { KeepOption } from './retention.js';
import { isFinal, type FinalStatus, type JobStatus } from './states.js';
import type { JobMeta, JobRef, LogEntry, StoredError, StoredJob, TimelineEntry } from './stored-job.js';

/** Names a job; what `dependsOn` takes. @publicApi */
export interface JobAddress {
  readonly queueName: string;
  readonly id: string;
}

/**
 * What the job itself asked for, durations in ms. Unset options are decided by its consumer. What is a field of the
 * job (`id`, `name`, `tags`, `correlationId`, `dependsOn`) stands there.
 * @publicApi
 */
export interface JobOwnOptions {
  readonly priority?: number;
  readonly delay?: number;
  readonly attempts?: number;
  readonly backoff?: BackoffOptions;
  readonly timeout?: number;
  readonly removeOnComplete?: KeepOption;
  readonly removeOnFail?: KeepOption;
  readonly parentFailurePolicy?: ParentFailurePolicy;
  readonly deduplication?: { readonly key: string; readonly mode: DeduplicationMode; readonly ttl?: number };
}

/**
 * One step of a job's life. `added`, `started` (of the last attempt) and the state that it ended in come from its
 * timestamps, the rest was written down as it happened.
 * @publicApi
 */
export interface JobTimelineEntry extends Omit<TimelineEntry, 'event'> {
  readonly event: TimelineEntry['event'] | 'added' | 'started' | FinalStatus;
}

/**
 * A job as users read it. Times are ms since the epoch by the store's clock.
 * @publicApi
 */
export interface Job<T = unknown, R = unknown> {
  readonly id: string;
  /** Which module runs it. */
  readonly type: 'queue';
  readonly queueName: string;
  readonly name: string;
  readonly project: string;
  readonly environment: string;
  readonly status: JobStatus;
  readonly data: T;
  readonly opts: JobOwnOptions;
  readonly priority: number;
  readonly attemptMade: number;
  /** Total runs that the job itself asked for; without it its consumer decides. */
  readonly maxAttempts?: number;
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
  /** Why it is `paused`: its queue was disabled as it was added. */
  readonly pausedReason?: string;
  readonly tags: readonly string[];
  readonly correlationId?: string;
  /** What made somebody add it, as far as that is known. */
  readonly triggeredBy?: string;
  /** The job whose handler added this one (`ctx.spawnChild`). */
  readonly parentId?: string;
  /** Jobs that depend on it, or that its handler added: the first 1 000. */
  readonly childrenIds: readonly string[];
  /** The jobs that it waits for or waited for, each by its last run. */
  readonly dependsOn: readonly JobAddress[];
  /** The schedule that fired it. */
  readonly scheduleId?: string;
  readonly deduplicationKey?: string;
  /** It failed for good, and is listed by `deadLetters()`. */
  readonly dead: boolean;
  /** On a copy in a dead-letter queue: the job that failed; `error` is then that job's. */
  readonly origin?: JobAddress;
  readonly retriedFromId?: string;
  readonly retriedById?: string;
  readonly logs: readonly LogEntry[];
  /** What happened to it, in order. */
  readonly timeline: readonly JobTimelineEntry[];
  readonly createdAt: number;
  readonly runAt: number;
  readonly startedAt?: number;
  readonly finishedAt?: number;
  /** From start to finish of the last attempt. */
  readonly durationMs?: number;
  /** From runnable to started. */
  readonly latencyMs?: number;
}

/** Where an engine keeps its jobs: part of every key. */
export interface JobHome {
  readonly project: string;
  readonly environment: string;
}

const NO_OPTS: JobOwnOptions = {};
const NONE: readonly never[] = [];

/** The options that the job itself set, as users wrote them. */
export function jobOpts({ job }: JobMeta): JobOwnOptions {
  if (!job) return NO_OPTS;
  const { deduplication } = job;
  const opts: { -readonly [K in keyof JobOwnOptions]: JobOwnOptions[K] } = {};
  if (job.priority !== undefined) opts.priority = job.priority;
  if (job.delayMs !== undefined) opts.delay = job.delayMs;
  if (job.attempts !== undefined) opts.attempts = job.attempts;
  if (job.backoff) opts.backoff = job.backoff;
  if (job.timeoutMs !== undefined) opts.timeout = job.timeoutMs;
  if (job.removeOnComplete !== undefined) opts.removeOnComplete = job.removeOnComplete;
  if (job.removeOnFail !== undefined) opts.removeOnFail = job.removeOnFail;
  if (job.parentFailurePolicy) opts.parentFailurePolicy = job.parentFailurePolicy as ParentFailurePolicy;
  if (deduplication) opts.deduplication = dedupOf(deduplication);
  return opts;
}

function dedupOf({ key, mode, ttlMs }: StoredDedup): NonNullable<JobOwnOptions['deduplication']> {
  return { key, mode: mode as DeduplicationMode, ...(ttlMs === undefined ? {} : { ttl: ttlMs }) };
}

type StoredDedup = NonNullable<NonNullable<JobMeta['job']>['deduplication']>;

/** The public form of a reference. */
export function addressOf({ queue, id }: JobRef): JobAddress {
  return { queueName: queue, id };
}

/** Decodes a record. */
export function toJob<T, R>(stored: StoredJob, codec: Codec, { project, environment }: JobHome): Job<T, R> {
  const { meta, progress, startedAt, finishedAt, runAt, status, reason } = stored;
  const held = status === 'paused';
  return {
    id: stored.id,
    type: 'queue',
    queueName: stored.queue,
    name: stored.name,
    project,
    environment,
    status,
    data: (stored.data === undefined ? undefined : codec.decode(stored.data)) as T,
    opts: jobOpts(meta),
    priority: stored.priority,
    attemptMade: stored.attempt,
    maxAttempts: meta.job?.attempts,
    stalledCount: stored.stalledCount,
    fence: stored.fence,
    workerId: stored.owner,
    progress: progress?.detail ?? progress?.percent,
    progressPercent: progress?.percent ?? 0,
    progressLabel: progress?.label,
    returnValue: stored.result === undefined ? undefined : (codec.decode(stored.result) as R),
    error: stored.error,
    stacktrace: stored.error?.stack,
    reason: held ? undefined : reason,
    pausedReason: held ? reason : undefined,
    tags: meta.tags ?? NONE,
    correlationId: meta.correlationId,
    triggeredBy: meta.triggeredBy,
    parentId: meta.parentId,
    childrenIds: stored.children ? stored.children.map(({ id }) => id) : NONE,
    dependsOn: stored.parents ? stored.parents.map(addressOf) : NONE,
    deduplicationKey: stored.dedupKey,
    dead: stored.dead ?? false,
    origin: stored.origin && addressOf(stored.origin),
    retriedFromId: stored.retriedFromId,
    retriedById: stored.retriedById,
    logs: stored.logs,
    timeline: timelineOf(stored),
    createdAt: stored.createdAt,
    runAt,
    startedAt,
    finishedAt,
    durationMs: startedAt !== undefined && finishedAt !== undefined ? finishedAt - startedAt : undefined,
    latencyMs: startedAt === undefined ? undefined : Math.max(0, startedAt - runAt),
  };
}

/**
 * The ordinary course from the timestamps, and between it what was written down. Only the last start is known.
 */
function timelineOf(stored: StoredJob): JobTimelineEntry[] {
  const { createdAt, startedAt, finishedAt, status, attempt, reason, timeline } = stored;
  const all: JobTimelineEntry[] = [{ at: createdAt, event: 'added' }];
  if (startedAt === undefined) all.push(...timeline);
  else {
    const after = timeline.findIndex((entry) => !isBefore(entry, startedAt, stored));
    const cut = after < 0 ? timeline.length : after;
    const next = timeline[cut];
    // A release or a stall gave the attempt back, so the record counts one less.
    const refunded = next?.event === 'released' || next?.event === 'stalled';
    all.push(...timeline.slice(0, cut), { at: startedAt, event: 'started', attempt: refunded ? attempt + 1 : attempt });
    all.push(...timeline.slice(cut));
  }
  if (isFinal(status) && finishedAt !== undefined) {
    const detail = status === 'cancelled' && reason !== undefined ? { detail: reason } : {};
    all.push({ at: finishedAt, event: status, ...detail });
  }
  return all;
}

/** Did it happen before the last start? Of one instant, that depends on the attempt that it is about. */
function isBefore({ at, event, attempt }: TimelineEntry, startedAt: number, job: StoredJob): boolean {
  if (at !== startedAt) return at < startedAt;
  if (attempt !== undefined) return attempt < job.attempt;
  // Whoever was handed back and runs, or has ended, was started again.
  return event !== 'released' && event !== 'stalled' ? true : job.status === 'active' || isFinal(job.status);
}
