import { beforeEach, describe, expect, it } from '@jest/globals';
import { VirtualClock } from 'oqronkit/testing';
import type { ConsumerRun, ConsumerSpec } from '../../../lib/kernel/runtime/consumer.js';
import { Prefetch } from '../../../lib/kernel/runtime/prefetch.js';
import { consumerSpec } from '../../../lib/modules/queue/resolve.js';
import { makeRun } from '../../support/make-run.js';

let clock: VirtualClock;
let full: boolean;
let open: boolean;
let course: string[];
let prefetch: Prefetch;

const SPEC: ConsumerSpec = consumerSpec('worker', 'q', { concurrency: 3 }, { module: {}, job: {} });

beforeEach(() => {
  clock = new VirtualClock();
  full = true;
  open = true;
  course = [];
  const host = {
    get full() {
      return full;
    },
    mayBegin: () => open,
    begin: ({ job, startedAt }: ConsumerRun) => {
      course.push(`${job.id} begins at ${startedAt}`);
      // A handler that is not asynchronous frees its slot at once.
      if (job.id.startsWith('sync')) prefetch.begin();
      course.push(`${job.id} began`);
    },
    ended: ({ job }: ConsumerRun, outcome: object) =>
      course.push(`${job.id} ${'reason' in outcome ? String(outcome.reason) : ''} at ${clock.monotonic()}`),
  };
  prefetch = Prefetch.of(SPEC, 'fifo', clock, host) as Prefetch;
});

const run = (id: string, leaseMs = 30_000): ConsumerRun => makeRun(clock, id, { leaseMs }) as ConsumerRun;

async function ran(count: number, ms: number): Promise<void> {
  for (let i = 0; i < count; i += 1) {
    const one = run(`run ${i}`);
    one.began = true;
    if (ms > 0) await clock.advance(ms);
    prefetch.ran(one);
  }
}

function backlog(claims = 3): void {
  for (let i = 0; i < claims; i += 1) prefetch.claimed(true);
}

describe('how many are claimed ahead', () => {
  it('none before 50 runs are known, then as many as there are slots', async () => {
    backlog();
    await ran(49, 0);
    expect(prefetch.extra).toBe(0);
    await ran(1, 0);
    expect(prefetch.extra).toBe(3);
  });

  it('goes by the average of the last 50 runs: 2 ms is too slow, and what was before is forgotten', async () => {
    backlog();
    await ran(50, 2);
    expect(prefetch.extra).toBe(0);
    await ran(1, 1);
    expect(prefetch.extra).toBe(3);
    await ran(1, 100);
    expect(prefetch.extra).toBe(0);
    await ran(49, 0);
    expect(prefetch.extra).toBe(0);
    await ran(1, 0);
    expect(prefetch.extra).toBe(3);
  });

  it('does not count what never began', async () => {
    backlog();
    for (let i = 0; i < 60; i += 1) prefetch.ran(run(`refused ${i}`));
    expect(prefetch.extra).toBe(0);
  });

  it('none until three claims in a row were full, and none after one that was not', async () => {
    await ran(50, 0);
    backlog(2);
    expect(prefetch.extra).toBe(0);
    backlog(1);
    expect(prefetch.extra).toBe(3);
    prefetch.claimed(false);
    backlog(2);
    expect(prefetch.extra).toBe(0);
  });

  it('none while some wait, and none for a second after some went back', async () => {
    await ran(50, 0);
    backlog();
    const waiting = run('a');
    prefetch.hold([waiting], clock.monotonic());
    expect(prefetch.extra).toBe(0);
    await clock.advance(10);
    expect(course).toEqual(['a prefetch at 10']);
    expect([prefetch.extra, prefetch.returning]).toEqual([0, true]);
    expect(prefetch.answered([{ run: run('other') }])).toBe(false);
    expect(prefetch.answered([{ run: waiting }])).toBe(true);
    await clock.advance(999);
    expect([prefetch.extra, prefetch.returning]).toEqual([0, false]);
    await clock.advance(1);
    expect(prefetch.extra).toBe(3);
  });
});

describe('what waits', () => {
  it('goes back, all of it, when the process stood still for too long, though there is a slot now', async () => {
    const blockedSince = clock.monotonic();
    await clock.advance(11);
    full = false;
    prefetch.hold([run('a'), run('b')], blockedSince);
    expect(course).toEqual(['a prefetch at 11', 'b prefetch at 11']);
  });

  it('does not begin on a lease that may be over', async () => {
    const short = run('a', 5);
    prefetch.hold([short, run('b')], clock.monotonic());
    await clock.advance(5);
    full = false;
    prefetch.begin();
    expect(course).toEqual(['a prefetch at 5', 'b prefetch at 5']);
  });

  it('has 10 ms from the answer of its own claim, however shortly after another one', async () => {
    prefetch.hold([run('a')], clock.monotonic());
    await clock.advance(7);
    full = false;
    prefetch.begin();
    full = true;
    prefetch.hold([run('b')], clock.monotonic());
    await clock.advance(9);
    expect(course).toEqual(['a begins at 7', 'a began']);
    await clock.advance(1);
    expect(course).toEqual(['a begins at 7', 'a began', 'b prefetch at 17']);
    expect(clock.pendingTimers).toBe(0);
  });

  it('begins one after the other, not one inside the other, when handlers are not asynchronous', () => {
    full = false;
    prefetch.hold([run('sync a'), run('sync b')], clock.monotonic());
    expect(course).toEqual(['sync a begins at 0', 'sync a began', 'sync b begins at 0', 'sync b began']);
  });

  it('goes back at once when the loop has ended meanwhile', () => {
    open = false;
    prefetch.hold([run('a'), run('b')], clock.monotonic());
    expect(course).toEqual(['a shutdown at 0', 'b shutdown at 0']);
    expect(clock.pendingTimers).toBe(0);
  });

  it('is forgotten with its timer', async () => {
    const [a, b] = [run('a'), run('b')];
    prefetch.hold([a, b], clock.monotonic());
    expect(prefetch.drop(a)).toBe(true);
    expect(prefetch.drop(a)).toBe(false);
    expect(prefetch.forget()).toEqual([b]);
    expect(clock.pendingTimers).toBe(0);
    full = false;
    prefetch.begin();
    await clock.advance('1s');
    expect(course).toEqual([]);
  });
});
