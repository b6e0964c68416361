import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { backoffDelay, DEFAULT_BACKOFF, stallDelay, type BackoffFn } from '../../../lib/kernel/job/backoff.js';
import { constantRandom, seededRandom } from '../../support/seeded-random.js';

const MIDDLE = constantRandom(0.5);
const exponential = { type: 'exponential', delay: 1_000, maxDelay: 60_000 } as const;
const custom = { type: 'custom', delay: 1_000, maxDelay: 60_000 } as const;

describe('backoffDelay', () => {
  it('fixed = delay, every time, without jitter or cap', () => {
    const fixed = { type: 'fixed', delay: 90_000, maxDelay: 1_000 } as const;
    expect([1, 2, 50].map((n) => backoffDelay(n, fixed, seededRandom(n)))).toEqual([90_000, 90_000, 90_000]);
  });

  it('exponential = delay x 2^(n-1), capped by maxDelay', () => {
    const delays = [1, 2, 3, 4, 5, 6, 7, 8].map((n) => backoffDelay(n, exponential, MIDDLE));
    expect(delays).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
  });

  it('exponential has +-20 % jitter', () => {
    const third = (value: number) => backoffDelay(3, exponential, constantRandom(value));
    expect([third(0), third(0.25), third(0.5), third(1 - 1e-9)]).toEqual([3_200, 3_600, 4_000, 4_800]);
  });

  it('stays within 20 % of the exact value and below the cap, for any attempt up to 10 000', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 10_000 }),
        fc.integer({ min: 0, max: 100_000 }),
        fc.integer({ min: 0, max: 10_000_000 }),
        fc.integer(),
        (attempt, delay, maxDelay, seed) => {
          const answer = backoffDelay(attempt, { type: 'exponential', delay, maxDelay }, seededRandom(seed));
          const exact = Math.min(delay * 2 ** Math.min(attempt - 1, 1_000), Number.MAX_VALUE);
          expect(Number.isInteger(answer)).toBe(true);
          expect(answer).toBeLessThanOrEqual(Math.min(exact * 1.2 + 1, maxDelay));
          expect(answer).toBeGreaterThanOrEqual(Math.min(exact * 0.8 - 1, maxDelay));
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it('maxDelay: default 60 s', () => {
    expect(backoffDelay(40, { type: 'exponential', delay: 2_000 }, MIDDLE)).toBe(60_000);
    expect(DEFAULT_BACKOFF).toEqual({ type: 'exponential', delay: 2_000, maxDelay: 60_000 });
  });

  it('custom = backoffFn(attempt, baseDelay)', () => {
    const calls: [number, number][] = [];
    const fn: BackoffFn = (attempt, base) => {
      calls.push([attempt, base]);
      return attempt * 7;
    };
    expect(backoffDelay(3, custom, MIDDLE, fn)).toBe(21);
    expect(calls).toEqual([[3, 1_000]]);
  });

  it.each<[string, () => unknown]>([
    ['answers undefined', () => undefined],
    ['answers NaN', () => Number.NaN],
    ['answers Infinity', () => Infinity],
    ['answers a negative number', () => -1],
    ['answers text', () => '5000'],
    ['answers a promise', () => Promise.resolve(1)],
    ['answers an object without a text', () => Object.create(null) as unknown],
    [
      'throws',
      () => {
        throw new Error('no idea');
      },
    ],
  ])('falls back to exponential and says so when the custom function %s', (_title, fn) => {
    const problems: unknown[] = [];
    const answer = backoffDelay(3, custom, MIDDLE, fn as BackoffFn, (problem) => problems.push(problem));
    expect(answer).toBe(4_000);
    expect(problems).toHaveLength(1);
  });

  it('falls back to exponential when a job asks for custom and its consumer has no function', () => {
    expect(backoffDelay(2, custom, MIDDLE)).toBe(2_000);
  });

  it('ignores a function when the type is another', () => {
    expect(backoffDelay(2, exponential, MIDDLE, () => 1)).toBe(2_000);
  });
});

describe('stallDelay', () => {
  const policy = { delayMs: 2_000, maxDelayMs: 60_000 };

  it('is nothing after the first stall, then doubles up to the cap without jitter', () => {
    expect([0, 1, 2, 3, 4, 5, 6, 7, 8, 10_000].map((n) => stallDelay(n, policy))).toEqual([
      0, 0, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000,
    ]);
  });
});
