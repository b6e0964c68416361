import { NonRetryableError, OqronError, PayloadTooLargeError, ReleaseError, RetryLaterError } from '../errors/index.js';
import { backoffDelay, type BackoffOptions } from '../job/backoff.js';
import { MAX_DELAY_MS, MAX_ERROR_CHARS } from '../job/limits.js';
import { isA, textOf, toStoredError } from '../job/stored-error.js';
import type { StoredError } from '../job/stored-job.js';
import { safeText } from '../job/text.js';
import type { Random } from '../ports/clock.js';
import type { Logger } from '../ports/logger.js';
import type { Outcome, ReleaseReason } from '../ports/job-store.js';
import type { ConsumerRun } from './consumer.js';

/** What an {@link ErrorJudge} says of an error. @publicApi */
export interface ErrorVerdict {
  /** `false`: trying again cannot help, the job fails at once as with `NonRetryableError`. */
  readonly retryable?: boolean;
  /** What the job's record and the log say in place of the error's own message. Hooks still get the error itself. */
  readonly message?: string;
}

/**
 * Knows the errors of a framework around the engine. Asked once for each failed attempt; nothing = as always. What it
 * throws is ignored.
 *
 * @example
 * const judgeError: ErrorJudge = (thrown) => (thrown instanceof BadInput ? { retryable: false } : undefined);
 * @publicApi
 */
export type ErrorJudge = (thrown: unknown) => ErrorVerdict | undefined;

/** How attempts of one job run, after precedence: the job, the consumer, the producer, the fallback. */
export interface AttemptPlan {
  readonly maxAttempts: number;
  readonly backoff: BackoffOptions;
  readonly timeoutMs: number | undefined;
}

export function planFor({ job, spec }: ConsumerRun): AttemptPlan {
  const own = job.meta.job;
  const producer = job.meta.producer;
  return {
    maxAttempts: own?.attempts ?? spec.own.attempts ?? producer?.attempts ?? spec.fallback.attempts,
    backoff: own?.backoff ?? spec.own.backoff ?? producer?.backoff ?? spec.fallback.backoff,
    timeoutMs: own?.timeoutMs ?? spec.own.timeoutMs ?? producer?.timeoutMs ?? spec.fallback.timeoutMs,
  };
}

/** The handler returned. */
export function endingOfValue(run: ConsumerRun, value: unknown): Outcome {
  const { id, fence } = run.job;
  if (run.discarded) return discarded(run);
  if (run.abortKind === 'shutdown' && value === undefined) return releaseOf(run, 0, 'shutdown');
  try {
    return { kind: 'complete', id, fence, result: encodeResult(run, value) };
  } catch (error) {
    // The work is done; doing it again would give the same result that cannot be kept.
    return { kind: 'fail', id, fence, error: toStoredError(error) };
  }
}

/** The handler threw. */
export function endingOfError(
  run: ConsumerRun,
  plan: AttemptPlan,
  thrown: unknown,
  env: { random: Random; logger: Logger; judgeError?: ErrorJudge | undefined },
): Outcome {
  const { id, fence, attempt } = run.job;
  if (run.discarded) return discarded(run, thrown);
  if (run.abortKind === 'shutdown') return releaseOf(run, 0, 'shutdown');
  if (isA(thrown, ReleaseError)) return releaseOf(run, sane(thrown.delayMs, 0), 'released');
  const verdict = env.judgeError && judged(thrown, env.judgeError);
  const error = storedError(thrown, verdict);
  const final = isA(thrown, NonRetryableError) || verdict?.retryable === false;
  if (final || attempt >= plan.maxAttempts) return { kind: 'fail', id, fence, error };
  const backoff = backoffDelay(attempt, plan.backoff, env.random, run.spec.backoffFn, (problem) =>
    env.logger.warn(`${run.where}: backoffFn is of no use, falling back to exponential`, { problem: textOf(problem) }),
  );
  const delayMs = isA(thrown, RetryLaterError) ? sane(thrown.delayMs, backoff) : backoff;
  return { kind: 'retry', id, fence, error, delayMs: Math.min(Math.round(delayMs), MAX_DELAY_MS) };
}

/** Handed back, attempt refunded. */
export function releaseOf({ job }: ConsumerRun, delayMs: number, reason: ReleaseReason): Outcome {
  return { kind: 'release', id: job.id, fence: job.fence, delayMs, reason };
}

/** Failed without another attempt. */
export function failureOf({ job }: ConsumerRun, thrown: unknown): Outcome {
  return { kind: 'fail', id: job.id, fence: job.fence, error: toStoredError(thrown) };
}

/** A judge that stumbles over a hostile error must not leave its job active. */
function judged(thrown: unknown, judge: ErrorJudge): ErrorVerdict | undefined {
  try {
    return judge(thrown);
  } catch {
    return undefined;
  }
}

function storedError(thrown: unknown, verdict: ErrorVerdict | undefined): StoredError {
  const error = toStoredError(thrown);
  return verdict?.message === undefined ? error : { ...error, message: safeText(verdict.message, MAX_ERROR_CHARS) };
}

function discarded(run: ConsumerRun, thrown?: unknown): Outcome {
  const reason = run.discarded?.reason ?? 'the handler discarded the job';
  return failureOf(run, thrown === undefined ? new OqronError('DISCARDED', `${run.where}: ${reason}`) : thrown);
}

/**
 * A result as text.
 *
 * @throws PayloadTooLargeError, InvalidPayloadError
 */
export function encodeResult(run: ConsumerRun, value: unknown, where?: string): string | undefined {
  const { spec } = run;
  const text = spec.codec.encode(value);
  if (text === undefined) return undefined;
  // A text is never longer in characters than in bytes, and at most three times shorter: measure only when in doubt.
  if (text.length * 3 > spec.resultBytes) {
    const bytes = Buffer.byteLength(text);
    if (bytes > spec.resultBytes) throw new PayloadTooLargeError(where ?? run.where, 'result', bytes, spec.resultBytes);
  }
  return text;
}

function sane(delayMs: number, otherwise: number): number {
  return Number.isFinite(delayMs) && delayMs >= 0 ? delayMs : otherwise;
}
