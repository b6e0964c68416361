import { describe, expect, it, jest } from '@jest/globals';
import { InvalidOptionsError } from 'oqronkit';
import { VirtualClock } from 'oqronkit/testing';
import { gate } from '../support/until.js';

describe('VirtualClock', () => {
  it('stands still until it is moved, and moves both clocks alike', async () => {
    const clock = new VirtualClock(1_000_000);
    await new Promise(setImmediate);
    expect([clock.now(), clock.monotonic()]).toEqual([1_000_000, 0]);
    await clock.advance('90s');
    expect([clock.now(), clock.monotonic()]).toEqual([1_090_000, 90_000]);
  });

  it('fires timers in the order of their time, then of their arming, each at its own time', async () => {
    const clock = new VirtualClock();
    const fired: [string, number][] = [];
    const at = (label: string, ms: number): void => {
      clock.timer(ms, () => fired.push([label, clock.monotonic()]));
    };
    at('c', 300);
    at('a', 100);
    at('b1', 200);
    at('b2', 200);
    at('late', 1_001);
    await clock.advance(1_000);
    expect(fired).toEqual([
      ['a', 100],
      ['b1', 200],
      ['b2', 200],
      ['c', 300],
    ]);
    expect(clock.pendingTimers).toBe(1);
    await clock.advance(1);
    expect(fired.at(-1)).toEqual(['late', 1_001]);
  });

  it('fires timers that are armed by timers, within the same advance', async () => {
    const clock = new VirtualClock();
    const at: number[] = [];
    const again = (): void => {
      at.push(clock.monotonic());
      if (at.length < 5) clock.timer(10, again);
    };
    clock.timer(10, again);
    await clock.advance(45);
    expect(at).toEqual([10, 20, 30, 40]);
  });

  it('does not fire a timer that was cancelled, also by one of the same instant', async () => {
    const clock = new VirtualClock();
    const fired: string[] = [];
    const second = clock.timer(10, () => fired.push('second'));
    const first = clock.timer(5, () => {
      fired.push('first');
      second.cancel();
    });
    await clock.advance(20);
    first.cancel();
    expect(fired).toEqual(['first']);
    expect(clock.pendingTimers).toBe(0);
  });

  it('treats a negative delay as none', async () => {
    const clock = new VirtualClock();
    let fired = false;
    clock.timer(-5, () => (fired = true));
    await clock.advance(0);
    expect(fired).toBe(true);
    expect(clock.monotonic()).toBe(0);
  });

  it('runs immediates without being moved, in order, before timers of the same instant', async () => {
    const clock = new VirtualClock();
    const ran: string[] = [];
    clock.timer(0, () => ran.push('timer'));
    clock.immediate(() => {
      ran.push('first');
      clock.immediate(() => ran.push('nested'));
    });
    clock.immediate(() => ran.push('second'));
    await new Promise(setImmediate);
    await new Promise(setImmediate);
    expect(ran).toEqual(['first', 'second', 'nested']);
    await clock.advance(0);
    expect(ran.at(-1)).toBe('timer');
  });

  it('passes years in no time, with no real timer armed', async () => {
    const timeout = jest.spyOn(globalThis, 'setTimeout');
    const interval = jest.spyOn(globalThis, 'setInterval');
    const clock = new VirtualClock();
    let days = 0;
    const daily = (): void => {
      days += 1;
      clock.timer(86_400_000, daily);
    };
    clock.timer(86_400_000, daily);
    await clock.advance('1000d');
    expect(days).toBe(1_000);
    expect(timeout).not.toHaveBeenCalled();
    expect(interval).not.toHaveBeenCalled();
    jest.restoreAllMocks();
  });

  it('waits for watched work before it moves on, however many turns that takes', async () => {
    const clock = new VirtualClock();
    const seen: [string, number][] = [];
    clock.timer(100, () => {
      void clock.watch(async () => {
        for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
        seen.push(['work', clock.monotonic()]);
      });
    });
    clock.timer(101, () => seen.push(['timer', clock.monotonic()]));
    await clock.advance(500);
    expect(seen).toEqual([
      ['work', 100],
      ['timer', 101],
    ]);
  });

  it('moves on while watched work sleeps on the clock', async () => {
    const clock = new VirtualClock();
    const at: number[] = [];
    const work = clock.watch(async () => {
      for (let nap = 0; nap < 3; nap += 1) {
        await clock.sleep('1h');
        at.push(clock.monotonic());
      }
      return 'rested';
    });
    await clock.advance('3h');
    expect(at).toEqual([3_600_000, 7_200_000, 10_800_000]);
    expect(await work).toBe('rested');
  });

  it('waits for work that hangs once, for a second, and not again', async () => {
    const clock = new VirtualClock();
    const stuck = gate();
    void clock.watch(() => stuck.opened);
    const before = performance.now();
    await clock.advance(10);
    const first = performance.now() - before;
    for (let i = 0; i < 50; i += 1) await clock.advance(10);
    const others = performance.now() - before - first;
    expect(first).toBeGreaterThan(900);
    expect(others).toBeLessThan(900);
    stuck.open();
  });

  it('hands on what watched work throws', async () => {
    const clock = new VirtualClock();
    await expect(clock.watch(() => Promise.reject(new Error('boom')))).rejects.toThrow('boom');
    await clock.advance(1);
  });

  it.each<[unknown]>([['soon'], [-1], [Number.NaN]])('refuses %p as a duration', async (duration) => {
    const clock = new VirtualClock();
    await expect(clock.advance(duration as number)).rejects.toBeInstanceOf(InvalidOptionsError);
    await expect(clock.sleep(duration as number)).rejects.toBeInstanceOf(InvalidOptionsError);
  });
});
