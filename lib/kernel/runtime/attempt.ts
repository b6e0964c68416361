import { NonRetryableError, OqronError, PayloadTooLargeError, ReleaseError, RetryLaterError } from '../errors/index.js';
import { backoffDelay, type BackoffOptions } from '../job/backoff.js';
import { MAX_DELAY_MS } from '../job/limits.js';
import { toStoredError } from '../job/stored-error.js';
import type { Random } from '../ports/clock.js';
import type { Logger } from '../ports/logger.js';
import type { Outcome } from '../ports/job-store.js';
import type { ConsumerSpec } from './consumer.js';
import type { JobRun } from './job-run.js';

/** How attempts of one job run, after precedence: the job, the consumer, the producer, the fallback. */
export interface AttemptPlan {
  readonly maxAttempts: number;
  readonly backoff: BackoffOptions;
  readonly timeoutMs: number | undefined;
}

/** How an attempt ends; address and fence are added by the loop. */
export type Ending = DistributiveOmit<Outcome, 'id' | 'fence' | 'note'>;
type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;

export function planFor({ job, spec }: JobRun): AttemptPlan {
  const own = job.meta.job;
  const producer = job.meta.producer;
  return {
    maxAttempts: own?.attempts ?? spec.own.attempts ?? producer?.attempts ?? spec.fallback.attempts,
    backoff: own?.backoff ?? spec.own.backoff ?? producer?.backoff ?? spec.fallback.backoff,
    timeoutMs: own?.timeoutMs ?? spec.own.timeoutMs ?? producer?.timeoutMs ?? spec.fallback.timeoutMs,
  };
}

/** The handler returned. */
export function endingOfValue(run: JobRun, value: unknown): Ending {
  if (run.discarded) return discarded(run);
  if (run.abortKind === 'shutdown' && value === undefined) return { kind: 'release', delayMs: 0, reason: 'shutdown' };
  try {
    return { kind: 'complete', result: encodeResult(run.spec, run.where, value) };
  } catch (error) {
    // The work is done; doing it again would give the same result that cannot be kept.
    return { kind: 'fail', error: toStoredError(error) };
  }
}

/** The handler threw. */
export function endingOfError(
  run: JobRun,
  plan: AttemptPlan,
  thrown: unknown,
  env: { random: Random; logger: Logger },
): Ending {
  if (run.discarded) return discarded(run, thrown);
  if (run.abortKind === 'shutdown') return { kind: 'release', delayMs: 0, reason: 'shutdown' };
  if (thrown instanceof ReleaseError) return { kind: 'release', delayMs: sane(thrown.delayMs, 0), reason: 'released' };
  const error = toStoredError(thrown);
  if (thrown instanceof NonRetryableError || run.job.attempt >= plan.maxAttempts) return { kind: 'fail', error };
  const backoff = backoffDelay(run.job.attempt, plan.backoff, env.random, run.spec.backoffFn, (problem) =>
    env.logger.warn(`${run.where}: backoffFn is of no use, falling back to exponential`, { problem: String(problem) }),
  );
  const delayMs = thrown instanceof RetryLaterError ? sane(thrown.delayMs, backoff) : backoff;
  return { kind: 'retry', error, delayMs: Math.min(Math.round(delayMs), MAX_DELAY_MS) };
}

function discarded(run: JobRun, thrown?: unknown): Ending {
  const reason = run.discarded?.reason ?? 'the handler discarded the job';
  const error = thrown === undefined ? new OqronError('DISCARDED', `${run.where}: ${reason}`) : thrown;
  return { kind: 'fail', error: toStoredError(error) };
}

function encodeResult(spec: ConsumerSpec, where: string, value: unknown): string | undefined {
  const text = spec.codec.encode(value);
  if (text === undefined) return undefined;
  // A text is never longer in characters than in bytes, and at most three times shorter: measure only when in doubt.
  if (text.length * 3 > spec.resultBytes) {
    const bytes = Buffer.byteLength(text);
    if (bytes > spec.resultBytes) throw new PayloadTooLargeError(where, 'result', bytes, spec.resultBytes);
  }
  return text;
}

function sane(delayMs: number, otherwise: number): number {
  return Number.isFinite(delayMs) && delayMs >= 0 ? delayMs : otherwise;
}
