import type { Random } from '../ports/clock.js';

/** @publicApi */
export type BackoffType = 'fixed' | 'exponential' | 'custom';

/** How long a failed attempt waits before the next. Milliseconds. @publicApi */
export interface BackoffOptions {
  readonly type: BackoffType;
  readonly delay: number;
  /** Upper bound of the exponential kind. Default 60 000. */
  readonly maxDelay?: number;
}

/** Delay (ms) before the next attempt; `attempt` is the number of the one that failed, from 1. @publicApi */
export type BackoffFn = (attempt: number, baseDelay: number) => number;

export const DEFAULT_BACKOFF: Required<BackoffOptions> = { type: 'exponential', delay: 2_000, maxDelay: 60_000 };

/** Spread of the exponential kind, so that jobs which failed together do not come back together. */
const JITTER = 0.2;

/** Beyond it 2^n is larger than any cap, and the power would end in Infinity. */
const MAX_EXPONENT = 52;

/**
 * The delay after failed attempt number `attempt`. A custom function that throws, or answers anything but a
 * finite number >= 0, falls back to the exponential kind and is reported through `onBadFunction`: a job never stays
 * active because of it.
 */
export function backoffDelay(
  attempt: number,
  options: BackoffOptions,
  random: Random,
  custom?: BackoffFn,
  onBadFunction?: (problem: unknown) => void,
): number {
  if (options.type === 'fixed') return options.delay;
  if (options.type === 'custom' && custom) {
    try {
      const answer: unknown = custom(attempt, options.delay);
      if (typeof answer === 'number' && Number.isFinite(answer) && answer >= 0) return answer;
      onBadFunction?.(new TypeError(`backoffFn answered ${String(answer)}, expected milliseconds >= 0`));
    } catch (error) {
      onBadFunction?.(error);
    }
  }
  const exact = options.delay * 2 ** Math.min(Math.max(attempt, 1) - 1, MAX_EXPONENT);
  const jittered = exact * (1 - JITTER + 2 * JITTER * random.next());
  return Math.round(Math.min(jittered, options.maxDelay ?? DEFAULT_BACKOFF.maxDelay));
}

/** Delay (ms) after stall number `stalledCount`: none after the first, then doubling, without jitter. */
export function stallDelay(stalledCount: number, policy: { delayMs: number; maxDelayMs: number }): number {
  if (stalledCount < 2) return 0;
  return Math.min(policy.delayMs * 2 ** Math.min(stalledCount - 2, MAX_EXPONENT), policy.maxDelayMs);
}
