import { beforeEach, describe, expect, it } from '@jest/globals';
import { VirtualClock } from 'oqronkit/testing';
import { SoloGate, type Claimer } from '../../../lib/kernel/runtime/solo-gate.js';

class FakeClaimer implements Claimer {
  kicks = 0;

  constructor(readonly queue: string) {}

  kick(): void {
    this.kicks += 1;
  }
}

describe('SoloGate', () => {
  let clock: VirtualClock;
  let solo: SoloGate;
  let a: FakeClaimer;
  let b: FakeClaimer;

  beforeEach(() => {
    clock = new VirtualClock();
    solo = new SoloGate(clock);
    a = new FakeClaimer('a');
    b = new FakeClaimer('b');
    solo.join(a);
    solo.join(b);
  });

  const turns = (): string[] => [solo.turn(a), solo.turn(b)];

  it('is open while nobody has suspects, whatever runs', () => {
    solo.enter(5);
    expect(turns()).toEqual(['free', 'free']);
  });

  it('lets what runs end first, claims nothing meanwhile, then gives the claimer a turn alone', () => {
    solo.enter(2);
    solo.request(a);
    expect(turns()).toEqual(['wait', 'wait']);
    solo.leave();
    expect(turns()).toEqual(['wait', 'wait']);
    expect(a.kicks).toBe(0);
    solo.leave();
    expect(a.kicks).toBe(1);
    expect(turns()).toEqual(['alone', 'wait']);
  });

  it('gives the turn at once when nothing runs', () => {
    solo.request(a);
    expect(a.kicks).toBe(1);
    expect(turns()).toEqual(['alone', 'wait']);
  });

  it('lets nobody claim while the suspect runs, not even its own claimer', () => {
    solo.request(a);
    solo.enter();
    expect(turns()).toEqual(['wait', 'wait']);
    solo.leave();
    expect(a.kicks).toBe(2);
    expect(turns()).toEqual(['alone', 'wait']);
  });

  it('opens for all when the turn is over', () => {
    solo.request(a);
    const before = [a.kicks, b.kicks];
    solo.done(a);
    expect(turns()).toEqual(['free', 'free']);
    expect([a.kicks, b.kicks]).toEqual(before.map((kicks) => kicks + 1));
  });

  it('gives turns one after another, longest waiting first', () => {
    solo.enter();
    solo.request(b);
    solo.request(a);
    solo.leave();
    expect(turns()).toEqual(['wait', 'alone']);
    solo.done(b);
    expect(turns()).toEqual(['alone', 'wait']);
    solo.done(a);
    expect(turns()).toEqual(['free', 'free']);
  });

  it('ignores a second request and a done of somebody who had no turn', () => {
    solo.request(a);
    solo.request(a);
    solo.done(b);
    expect(turns()).toEqual(['alone', 'wait']);
    solo.done(a);
    expect(turns()).toEqual(['free', 'free']);
  });

  it('passes the turn on when its claimer quits', () => {
    solo.request(a);
    solo.request(b);
    solo.quit(a);
    expect(turns()).toEqual(['wait', 'alone']);
    solo.quit(b);
    expect(turns()).toEqual(['free', 'free']);
  });

  it('gives up after 30 s behind a job that does not end, lets everybody claim, and tries again after 30 s', async () => {
    solo.enter();
    solo.request(a);
    await clock.advance('29s');
    expect(turns()).toEqual(['wait', 'wait']);
    await clock.advance('2s');
    expect(turns()).toEqual(['free', 'free']);
    solo.request(a);
    expect(turns()).toEqual(['free', 'free']);
    await clock.advance('30s');
    solo.request(a);
    expect(turns()).toEqual(['wait', 'wait']);
    solo.leave();
    expect(turns()).toEqual(['alone', 'wait']);
  });

  it('does not cut short a suspect that runs already', async () => {
    solo.request(a);
    solo.enter();
    await clock.advance('10m');
    expect(turns()).toEqual(['wait', 'wait']);
    expect([a.kicks, b.kicks]).toEqual([1, 0]);
    solo.leave();
    expect([a.kicks, b.kicks]).toEqual([2, 0]);
    expect(turns()).toEqual(['alone', 'wait']);
  });
});
