import type { BackoffFn, BackoffOptions } from '../job/backoff.js';
import type { Codec } from '../job/codec.js';
import type { Job } from '../job/job.js';
import type { AttemptOptions } from '../job/stored-job.js';
import type { ClaimLimits, LeasePolicy, RateLimit, ReleaseReason } from '../ports/job-store.js';
import type { StandardSchema } from '../standard-schema.js';
import type { JobContext } from './job-context.js';
import type { JobRun, LeaseSpec } from './job-run.js';

/**
 * What runs a job. What it returns (or resolves to) is the job's result.
 * @publicApi
 */
export type Handler<T = unknown, R = unknown> = (ctx: JobContext<T>) => R | Promise<R>;

/**
 * What runs many jobs in one call. Each item of `ctxs` is a job of its own: with its own signal, timeout, progress and
 * outcome. It answers what became of each, in the same order, as `Promise.allSettled` does; a job that is missing from
 * the answer is retried. Nothing (`void`) completes them all, and a throw is a failed attempt of them all.
 *
 * @example
 * const processBatch: BatchHandler<Row> = async (ctxs) => {
 *   await db.insert(ctxs.map((ctx) => ctx.data));
 * };
 * @publicApi
 */
export type BatchHandler<T = unknown, R = unknown> = (
  ctxs: readonly JobContext<T>[],
) => BatchAnswer<R> | Promise<BatchAnswer<R>>;

/** What a {@link BatchHandler} answers. @publicApi */
// eslint-disable-next-line @typescript-eslint/no-invalid-void-type -- a handler that returns nothing is the common one
export type BatchAnswer<R = unknown> = readonly PromiseSettledResult<R>[] | void;

/** What a {@link RateLimiter} says of a job. `retryAfterMs` (ms) counts when it is not allowed. @publicApi */
export type LimiterAnswer = boolean | { readonly allowed: boolean; readonly retryAfterMs?: number };

/**
 * Decides before each attempt whether the job may run now. One that may not is handed back for `retryAfterMs`, or 1 s,
 * with its attempt refunded. A limiter that throws, or takes longer than 30 s, counts as having allowed it.
 *
 * @example
 * const rateLimiter: RateLimiter<{ tenant: string }> = {
 *   check: async (ctx) => {
 *     const { ok, resetMs } = await buckets.take(ctx.data.tenant);
 *     return { allowed: ok, retryAfterMs: resetMs };
 *   },
 * };
 * @publicApi
 */
export interface RateLimiter<T = unknown> {
  check(ctx: JobContext<T>): LimiterAnswer | Promise<LimiterAnswer>;
}

/**
 * Decides before each attempt whether the job may run now; with `false` it is handed back for 2 s with its attempt
 * refunded. One that throws, or takes longer than 30 s, counts as `true`.
 * @publicApi
 */
export type Condition<T = unknown> = (ctx: JobContext<T>) => boolean | Promise<boolean>;

/** How an attempt ended, as the store has it. Times in ms. @publicApi */
export type AttemptEnding<R = unknown> = { readonly durationMs: number } & (
  | { readonly outcome: 'completed'; readonly result: R }
  /** For good. */
  | { readonly outcome: 'failed'; readonly error: Error }
  /** Another attempt follows after `delayMs`. */
  | { readonly outcome: 'retried'; readonly error: Error; readonly delayMs: number }
  /** Handed back with the attempt refunded. */
  | { readonly outcome: 'released'; readonly reason: ReleaseReason; readonly delayMs: number }
);

/**
 * Called around the attempts of a definition. All but `beforeRun` come after the store confirmed the outcome, at most
 * once, in the process that made it; what they throw is logged and changes nothing.
 * @publicApi
 */
export interface JobHooks<T = unknown, R = unknown> {
  /**
   * Before each attempt, and before its `condition`. What it throws is the attempt's failure. It has 30 s.
   */
  readonly beforeRun?: (ctx: JobContext<T>) => unknown;
  readonly onSuccess?: (job: Job<T, R>, result: R) => unknown;
  /** The job failed for good; failed attempts that are retried do not come here. */
  readonly onFail?: (job: Job<T, R>, error: Error) => unknown;
  /** An attempt failed, whether or not another follows. */
  readonly onError?: (job: Job<T, R>, error: Error) => unknown;
  /** After each attempt that had begun (its `beforeRun` or handler was called), however it ended; the last of the hooks. */
  readonly afterRun?: (job: Job<T, R>, ending: AttemptEnding<R>) => unknown;
}

/** What stands before a handler. */
export interface GateSpec {
  readonly rateLimiter?: RateLimiter;
  readonly beforeRun?: NonNullable<JobHooks['beforeRun']>;
  readonly condition?: Condition;
  readonly schema?: StandardSchema;
}

/** A consumer's definition with every default filled in. */
export interface ConsumerSpec extends LeaseSpec {
  /** Calls of handlers at once: jobs, or batches. */
  readonly concurrency: number;
  /** Jobs of one call: 1 without `processBatch`. */
  readonly batchSize: number;
  /** Jobs may be claimed ahead of the slots that will run them, where that pays. */
  readonly prefetch: boolean;
  /** Longest sleep while the wake-up channel is unproven. */
  readonly pollIntervalMs: number;
  /** How long an aborted handler may keep its slot. */
  readonly abortGraceMs: number;
  readonly policy: LeasePolicy;
  /** What the store holds the whole cluster to. */
  readonly limits?: ClaimLimits;
  /** What this process holds itself to. */
  readonly throttle?: RateLimit;
  /** Absent when nothing stands before the handler. */
  readonly gates?: GateSpec;
  /** What the definition says itself; comes after the job and before the producer. */
  readonly own: AttemptOptions;
  /** What holds when nobody says anything. */
  readonly fallback: { readonly attempts: number; readonly backoff: BackoffOptions; readonly timeoutMs?: number };
  readonly backoffFn?: BackoffFn;
  readonly codec: Codec;
  readonly resultBytes: number;
  /** The handler for jobs of this name, if the process has one. */
  handlerFor(name: string): Handler | undefined;
  /** Names with a handler of their own, for messages. */
  readonly knownNames: readonly string[];
  readonly processBatch?: BatchHandler;
  readonly hooks: JobHooks;
  /** Hook: the job is a dead letter now. */
  readonly onDead?: (job: Job) => unknown;
}

/** An attempt of a consumer's job. */
export type ConsumerRun = JobRun<ConsumerSpec>;
