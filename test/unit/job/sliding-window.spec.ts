import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { SlidingWindow } from '../../../lib/kernel/job/sliding-window.js';

describe('a sliding window', () => {
  it('allows max per span, and again when the first is out of it', () => {
    const window = new SlidingWindow(1_000);
    expect(window.allowance(3, 0)).toBe(3);
    window.add(2, 0);
    window.add(1, 400);
    expect(window.allowance(3, 999)).toBe(0);
    expect(window.nextFreeMs(3, 400)).toBe(610);
    expect(window.allowance(3, 1_010)).toBe(2);
    expect(window.allowance(3, 1_410)).toBe(3);
    expect(window.nextFreeMs(3, 1_410)).toBe(0);
  });

  it('never lets a span of its length, wherever it begins, see more than max, and is never late by more than 1 %', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 100, max: 100_000 }),
        fc.array(fc.tuple(fc.integer({ min: 0, max: 50_000 }), fc.integer({ min: 0, max: 30 })), { maxLength: 60 }),
        (max, durationMs, arrivals) => {
          const window = new SlidingWindow(durationMs);
          const taken: number[] = [];
          let now = 12_345.678;
          for (const [wait, wanted] of arrivals) {
            now += wait;
            const allowed = window.allowance(max, now);
            const within = taken.filter((at) => at > now - durationMs).length;
            expect(allowed).toBeLessThanOrEqual(max - within);
            const surely = taken.filter((at) => at > now - durationMs * 1.011).length;
            expect(allowed).toBeGreaterThanOrEqual(max - surely);
            const n = Math.min(wanted, allowed);
            window.add(n, now);
            for (let i = 0; i < n; i += 1) taken.push(now);
            if (wanted % 2 === 0) continue;
            now += window.nextFreeMs(max, now);
            expect(window.allowance(max, now)).toBeGreaterThan(0);
          }
        },
      ),
      { numRuns: 200, seed: 7 },
    );
  });
});
