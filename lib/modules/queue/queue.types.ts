import type { BackoffFn, BackoffType } from '../../kernel/job/backoff.js';
import type { Codec } from '../../kernel/job/codec.js';
import type { Duration } from '../../kernel/job/duration.js';
import type { Job } from '../../kernel/job/job.js';
import type { JobOptions } from '../../kernel/job/job-options.js';
import type { KeepOption } from '../../kernel/job/retention.js';
import type { QueueStrategy } from '../../kernel/job/states.js';
import type { DisabledBehavior } from '../../kernel/ports/job-admin.js';
import type { BatchHandler, Condition, Handler, JobHooks, RateLimiter } from '../../kernel/runtime/consumer.js';
import type { StandardSchema } from '../../kernel/standard-schema.js';

export type { DeduplicationOptions, DefaultJobOptions, JobOptions, ParentJob } from '../../kernel/job/job-options.js';

/** How failed attempts are tried again. @publicApi */
export interface RetryOptions {
  /** Attempts after the first. @default 3 */
  max?: number;
  /** @default 'exponential' */
  strategy?: BackoffType;
  /** Delay before the first retry. @default 2_000 ms */
  baseDelay?: Duration;
  /** Upper bound of the exponential kind. @default 60_000 ms */
  maxDelay?: Duration;
  /** For `strategy: 'custom'`: ms before the next attempt, given the number of the one that failed. */
  backoffFn?: BackoffFn;
}

/** What holds for the jobs of a queue whoever adds or runs them; the place for it is the contract. @publicApi */
export interface SharedQueueOptions<T = unknown> {
  /** Order of waiting jobs. It belongs to the queue and is recorded in the store. @default 'fifo' */
  strategy?: QueueStrategy;
  retries?: RetryOptions;
  /** An attempt that runs longer fails with `JobTimeoutError` and is retried. @default none */
  timeout?: Duration;
  /** What becomes of completed jobs. @default 24 h and 10 000 per queue */
  removeOnComplete?: KeepOption;
  /** What becomes of failed and cancelled jobs. @default 7 days and 10 000 per queue */
  removeOnFail?: KeepOption;
  /** Alias: `n` keeps n, `true` keeps all, `false` removes at once. `removeOnComplete` wins. */
  keepHistory?: number | boolean;
  /** The same for failed jobs. `removeOnFail` wins. */
  keepFailedHistory?: number | boolean;
  /** Priority of jobs that name none: 0 first, 2 097 152 last. Counts on a `priority` queue. @default 0 */
  priority?: number;
  /** On every job. */
  tags?: readonly string[];
  /** How payloads and results become text. @default JSON */
  codec?: Codec;
  /**
   * Checks payloads (Standard Schema v1: Zod, Valibot, ArkType, ...) when a job is added, and again before its handler,
   * which gets what the schema answers: defaults filled in, texts parsed. The job is stored as it was added. One whose
   * payload does not match before the handler fails at once with `InvalidPayloadError`.
   */
  schema?: StandardSchema<unknown, T>;
  /**
   * What the queue does with new jobs while it is switched off: `hold` keeps them as `paused`, `skip` drops them,
   * `reject` throws `QueueDisabledError`. It belongs to the queue and is recorded in the store. @default 'hold'
   */
  disabledBehavior?: DisabledBehavior;
  /** Jobs that it may hold while it is switched off; the next `add` throws. @default 10_000 */
  maxHeldJobs?: number;
}

/** At most `max` in any span of `duration`. @publicApi */
export interface RateOptions {
  max: number;
  duration: Duration;
}

/** What becomes of jobs that failed for good. @publicApi */
export interface DeadLetterOptions<T = unknown, R = unknown> {
  /** True: they are listed as dead letters of their queue. @default true */
  enabled?: boolean;
  /** A queue that gets a copy of each, which names its origin, in the transition that fails the job. @default none */
  queue?: string;
  /**
   * Called after the store confirmed it, at most once, in the process that made the transition. What it throws is
   * logged and changes nothing; what must not get lost goes to `queue`.
   */
  onDead?: (job: Job<T, R>) => unknown;
}

/** How a process runs the jobs of a queue. @publicApi */
export interface ExecutionOptions<T = unknown, R = unknown> extends SharedQueueOptions<T> {
  /** Jobs (with `processBatch`: batches) that this process runs at once. @default 5 for a queue, 1 for a worker */
  concurrency?: number;
  /** Jobs of the queue that run at once in the whole cluster. @default no limit */
  maxActive?: number;
  /** Attempts of the queue that begin in any span of `duration` in the whole cluster. @default no limit */
  rate?: RateOptions;
  /** Attempts that this process takes in any span of `duration`. @default no limit */
  throttle?: RateOptions;
  /** Decides before each attempt whether the job may run now. */
  rateLimiter?: RateLimiter<T>;
  /** Decides before each attempt, after `beforeRun`, whether the job may run now. */
  condition?: Condition<T>;
  /** After a crash: `true` = run the job again, `false` = fail it with reason `crashed`. @default true */
  guaranteedWorker?: boolean;
  /** How often leases are renewed. @default 5_000 ms */
  heartbeatMs?: Duration;
  /** How long a lease lasts without renewal. At least 3 x heartbeatMs is wise. @default 30_000 ms */
  lockTtlMs?: Duration;
  /** Longest sleep of an idle consumer while wake-ups are unproven; then up to 10 s. @default 1_000 ms */
  pollIntervalMs?: Duration;
  /**
   * `auto` claims up to `concurrency` jobs ahead of the free slots while that pays: on a `fifo` queue with a backlog whose
   * handlers take less than 2 ms on average, without limits, gates and `processBatch`. @default 'auto'
   */
  prefetch?: 'auto' | false;
  /** Crashes of its process that a job may survive. @default 3 */
  maxStalledCount?: number;
  /** How long a handler that was told to stop may keep its slot. @default 5_000 ms */
  abortGraceMs?: Duration;
  hooks?: JobHooks<T, R>;
  deadLetter?: DeadLetterOptions<T, R>;
  /** Runs up to `batchSize` jobs in one call, instead of `handler`. */
  processBatch?: BatchHandler<T, R>;
  /** For `processBatch`: 1 to 1 000. @default 10 */
  batchSize?: number;
  /**
   * Version of this definition, from 1. The store keeps the highest: a process whose version is lower does not consume
   * the queue any more, and says so. @default none
   */
  version?: number;
}

/** Handlers by job name, typed by a payload map such as `{ welcome: Welcome; reset: Reset }`. @publicApi */
export type NamedHandlers<T, R> = { readonly [N in keyof T & string]?: Handler<T[N], R> };

/**
 * Options of `queue()`. With `handler`, `handlers` or `processBatch` it consumes; without, it only publishes.
 * @publicApi
 */
export interface QueueOptions<T = unknown, R = unknown> extends ExecutionOptions<T, R> {
  name: string;
  handler?: Handler<T, R>;
  /** Handlers by job name; `handler` takes the names that are not here. */
  handlers?: NamedHandlers<T, R>;
  /** State of a queue that nobody declared before. @default 'active' */
  status?: 'active' | 'paused';
}

/** One item of `addBulk`. @publicApi */
export interface BulkItem<T = unknown> {
  name?: string;
  data: T;
  opts?: JobOptions;
}

/**
 * What may follow the payload in `add(data, ...)`. Nothing where the payload can be a string: `add('text', options)`
 * would take the text for the job's name and the options for its payload.
 * @publicApi
 */
export type OptionsAfter<T> = 0 extends 1 & T
  ? [opts?: JobOptions]
  : [Extract<T, string>] extends [never]
    ? [opts?: JobOptions]
    : [];

/** The payload of `add(name, data)`: from the map when the contract is one, else the queue's own. @publicApi */
export type PayloadFor<T, N extends string> = N extends keyof T ? T[N] : T;
