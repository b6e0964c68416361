import type { BackoffFn, BackoffOptions } from '../job/backoff.js';
import type { Codec } from '../job/codec.js';
import type { Job } from '../job/job.js';
import type { AttemptOptions } from '../job/stored-job.js';
import type { LeasePolicy } from '../ports/job-store.js';
import type { JobContext } from './job-context.js';
import type { JobRun, LeaseSpec } from './job-run.js';

/**
 * What runs a job. What it returns (or resolves to) is the job's result.
 * @publicApi
 */
export type Handler<T = unknown, R = unknown> = (ctx: JobContext<T>) => R | Promise<R>;

/**
 * Called after the store confirmed the outcome, at most once, in the process that made it. What a hook throws is
 * logged and changes nothing.
 * @publicApi
 */
export interface JobHooks<T = unknown, R = unknown> {
  readonly onSuccess?: (job: Job<T, R>, result: R) => unknown;
  /** The job failed for good; failed attempts that are retried do not come here. */
  readonly onFail?: (job: Job<T, R>, error: Error) => unknown;
}

/** A consumer's definition with every default filled in. */
export interface ConsumerSpec extends LeaseSpec {
  readonly concurrency: number;
  /** Longest sleep while the wake-up channel is unproven. */
  readonly pollIntervalMs: number;
  /** How long an aborted handler may keep its slot. */
  readonly abortGraceMs: number;
  readonly policy: LeasePolicy;
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
  readonly hooks: JobHooks;
}

/** An attempt of a consumer's job. */
export type ConsumerRun = JobRun<ConsumerSpec>;
