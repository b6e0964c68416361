import { beforeEach, describe, expect, it } from '@jest/globals';
import { VirtualClock } from 'oqronkit/testing';
import type { Clock } from '../../../lib/kernel/ports/clock.js';
import { Alarms } from '../../../lib/kernel/runtime/alarms.js';
import { LoopSleep } from '../../../lib/kernel/runtime/loop-sleep.js';

/** Timers of real platforms come up to a millisecond early by the clock that measures deadlines. */
const EARLY_MS = 0.6;

let clock: VirtualClock;
let sleep: LoopSleep;
let woken: number[];

beforeEach(() => {
  clock = new VirtualClock();
  woken = [];
  const early: Clock = {
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    timer: (ms, run) => clock.timer(Math.max(1, ms - EARLY_MS), run),
    immediate: (run) => clock.immediate(run),
  };
  sleep = new LoopSleep(early, new Alarms(early), () => {
    expect(sleep.resting).toBe(false);
    woken.push(clock.monotonic());
  });
});

describe('a loop', () => {
  it('looks again after its rest, though its timer comes while it still rests', async () => {
    sleep.rest(5_000);
    await clock.advance('4s');
    expect(sleep.resting).toBe(true);
    await clock.advance('2s');
    expect(woken).toHaveLength(1);
    expect(woken[0]).toBeGreaterThanOrEqual(5_000);
    expect(woken[0]).toBeLessThan(5_002);
  });

  it('rests on when something is due sooner', async () => {
    sleep.rest(5_000);
    sleep.idle(100, 60_000);
    await clock.advance('10s');
    expect(woken).toHaveLength(1);
    expect(woken[0]).toBeGreaterThanOrEqual(5_000);
  });

  it('lets others look first for ten minutes after it took what was not for it', async () => {
    sleep.yield();
    sleep.idle(1_000, 60_000);
    await clock.advance('9m');
    sleep.idle(1_000, 60_000);
    await clock.advance('2m');
    sleep.idle(1_000, 60_000);
    await clock.advance('1m');
    expect(woken.map((at) => Math.round(at / 10) * 10)).toEqual([1_250, 541_250, 661_000]);
  });

  it('that has ended is woken by nothing', async () => {
    sleep.rest(1_000);
    sleep.end();
    sleep.idle(10, 1_000);
    await clock.advance('1m');
    expect(woken).toEqual([]);
  });
});
