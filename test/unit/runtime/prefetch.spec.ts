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
/** Over a store that answers claims in the order in which they were made. */
let ordered: Prefetch;

const SPEC: ConsumerSpec = consumerSpec('worker', 'q', { concurrency: 3 }, { module: {}, job: {} });

beforeEach(() => {
  clock = new VirtualClock();
  full = true;
  open = true;
  course = [];
  const host = {
    get occupied() {
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
  prefetch = Prefetch.of(SPEC, 'fifo', {}, clock, host) as Prefetch;
  ordered = Prefetch.of(SPEC, 'fifo', { ordered: true }, clock, host) as Prefetch;
});

const run = (id: string, leaseMs = 30_000): ConsumerRun => makeRun(clock, id, { leaseMs }) as ConsumerRun;

async function ran(count: number, ms: number, by = prefetch): Promise<void> {
  for (let i = 0; i < count; i += 1) {
    const one = run(`run ${i}`);
    one.began = true;
    if (ms > 0) await clock.advance(ms);
    by.ran(one);
  }
}

function backlog(claims = 3, by = prefetch): void {
  for (let i = 0; i < claims; i += 1) by.claimed(true);
}

describe('how many are claimed ahead', () => {
  it('none before 50 runs are known, then as many as there are slots', async () => {
    backlog();
    await ran(49, 0);
    expect(prefetch.extra(0)).toBe(0);
    await ran(1, 0);
    expect(prefetch.extra(0)).toBe(3);
  });

  it('goes by the average of the last 50 runs: 2 ms is too slow, and what was before is forgotten', async () => {
    backlog();
    await ran(50, 2);
    expect(prefetch.extra(0)).toBe(0);
    await ran(1, 1);
    expect(prefetch.extra(0)).toBe(3);
    await ran(1, 100);
    expect(prefetch.extra(0)).toBe(0);
    await ran(49, 0);
    expect(prefetch.extra(0)).toBe(0);
    await ran(1, 0);
    expect(prefetch.extra(0)).toBe(3);
  });

  it('does not count what never began', async () => {
    backlog();
    for (let i = 0; i < 60; i += 1) prefetch.ran(run(`refused ${i}`));
    expect(prefetch.extra(0)).toBe(0);
  });

  it('none until three claims in a row were full, and none after one that was not', async () => {
    await ran(50, 0);
    backlog(2);
    expect(prefetch.extra(0)).toBe(0);
    backlog(1);
    expect(prefetch.extra(0)).toBe(3);
    prefetch.claimed(false);
    backlog(2);
    expect(prefetch.extra(0)).toBe(0);
  });

  it('none while some wait, and none for a second after some went back', async () => {
    await ran(50, 0);
    backlog();
    const waiting = run('a');
    prefetch.hold([waiting]);
    expect(prefetch.extra(0)).toBe(0);
    await clock.advance(10);
    expect(course).toEqual(['a prefetch at 10']);
    expect([prefetch.extra(0), prefetch.returning]).toEqual([0, true]);
    expect(prefetch.answered([{ run: run('other') }])).toBe(false);
    expect(prefetch.answered([{ run: waiting }])).toBe(true);
    await clock.advance(999);
    expect([prefetch.extra(0), prefetch.returning]).toEqual([0, false]);
    await clock.advance(1);
    expect(prefetch.extra(0)).toBe(3);
  });
});

describe('over a store that answers claims in order', () => {
  it('so many are claimed ahead as begin within 5 ms at the pace of the last 50 runs, up to 32', async () => {
    backlog(3, ordered);
    await ran(50, 0, ordered);
    expect(ordered.extra(0)).toBe(32);
    await ran(50, 1, ordered);
    expect(ordered.extra(0)).toBe(15);
    await ran(25, 1, ordered);
    await ran(25, 2, ordered);
    expect(ordered.extra(0)).toBe(10);
    await ran(50, 2, ordered);
    expect(ordered.extra(0)).toBe(0);
  });

  it('more are claimed while some wait, and they begin behind those', async () => {
    backlog(3, ordered);
    await ran(50, 0, ordered);
    ordered.hold([run('a'), run('b')]);
    expect(ordered.extra(7)).toBe(30);
    ordered.hold([run('c')]);
    full = false;
    ordered.begin();
    expect(course.filter((line) => line.endsWith('began'))).toEqual(['a began', 'b began', 'c began']);
  });

  it('what a claim brings that was sent before others went back, goes back too: it would overtake them', async () => {
    const first = run('a');
    ordered.hold([first]);
    await clock.advance(10);
    full = false;
    expect(ordered.mustWait(2, 3)).toBe(2);
    ordered.hold([run('b'), run('c')]);
    expect(course).toEqual(['a prefetch at 10', 'b prefetch at 10', 'c prefetch at 10']);
  });

  it('those that wait too long go back with all that came behind them', async () => {
    ordered.hold([run('a')]);
    await clock.advance(6);
    ordered.hold([run('b')]);
    await clock.advance(4);
    expect(course).toEqual(['a prefetch at 10', 'b prefetch at 10']);
    expect(clock.pendingTimers).toBe(0);
  });
});

describe('over a store whose calls should carry more', () => {
  const over = (concurrency: number): Prefetch | undefined =>
    Prefetch.of({ ...SPEC, concurrency }, 'fifo', { batch: 300 }, clock, {
      ended: () => undefined,
      mayBegin: () => true,
      begin: () => undefined,
      get occupied() {
        return full;
      },
    });

  const fast = async (concurrency: number): Promise<Prefetch> => {
    const one = over(concurrency) as Prefetch;
    backlog(3, one);
    await ran(50, 0, one);
    return one;
  };

  /** So many wait for so long, and then all of them begin. */
  async function waited(jobs: number, ms: number, by: Prefetch): Promise<void> {
    full = true;
    by.hold(Array.from({ length: jobs }, (_, i) => run(`waits ${i}`)));
    await clock.advance(ms);
    full = false;
    by.begin();
  }

  it('as many as there are slots, until it is known how fast those that wait begin', async () => {
    const wide = await fast(100);
    expect(wide.extra(0)).toBe(100);
    await waited(1_999, 1, wide);
    expect(wide.extra(0)).toBe(100);
    await waited(1, 1, wide);
    // 1 000 in a ms: more than a call should carry.
    expect(wide.extra(0)).toBe(300);
    expect(over(301)).toBeUndefined();
  });

  it('as many as begin within 5 ms by those that waited', async () => {
    const wide = await fast(100);
    await waited(250, 5, wide);
    expect(wide.extra(0)).toBe(250);
    await waited(120, 5, wide);
    expect(wide.extra(0)).toBe(120);
    await waited(5, 5, wide);
    expect(wide.extra(0)).toBe(100);
  });

  it('as many as begin within 5 ms by the last runs', async () => {
    const wide = await fast(32);
    await waited(1_000, 1, wide);
    await ran(50, 1, wide);
    expect(wide.extra(0)).toBe(160);
  });

  it('all that is asked for at once begins within 10 ms', async () => {
    const wide = await fast(32);
    await waited(100, 5, wide);
    expect([wide.extra(0), wide.extra(99), wide.extra(100), wide.extra(150), wide.extra(200)]).toEqual([
      100, 100, 100, 50, 0,
    ]);
    await waited(10, 5, wide);
    expect([wide.extra(0), wide.extra(20), wide.extra(32)]).toEqual([32, 12, 0]);
  });

  it('what goes back says how few began', async () => {
    const wide = await fast(100);
    await waited(2_000, 1, wide);
    full = true;
    wide.hold(Array.from({ length: 200 }, (_, i) => run(`waits ${i}`)));
    await clock.advance(1_009);
    expect(wide.extra(0)).toBe(0);
    await clock.advance(1);
    expect(wide.extra(0)).toBe(100);
  });

  it('others may ask at the same time where jobs begin side by side, and not where one order is seen', async () => {
    const wide = await fast(32);
    const narrow = await fast(31);
    expect([wide.overlaps, narrow.overlaps]).toEqual([true, false]);
    for (const one of [wide, narrow]) await waited(1_000, 1, one);
    expect([wide.extra(100), narrow.extra(0), narrow.extra(100)]).toEqual([300, 300, 0]);
  });
});

describe('what waits', () => {
  it('goes back, all of it, when the process stood still for too long, though there is a slot now', async () => {
    const waiting = [run('a'), run('b')];
    await clock.advance(11);
    full = false;
    prefetch.hold(waiting);
    expect(course).toEqual(['a prefetch at 11', 'b prefetch at 11']);
  });

  it('does not begin on a lease that may be over', async () => {
    const short = run('a', 5);
    prefetch.hold([short, run('b')]);
    await clock.advance(5);
    full = false;
    prefetch.begin();
    expect(course).toEqual(['a prefetch at 5', 'b prefetch at 5']);
  });

  it('has 10 ms from the answer of its own claim, however shortly after another one', async () => {
    prefetch.hold([run('a')]);
    await clock.advance(7);
    full = false;
    prefetch.begin();
    full = true;
    prefetch.hold([run('b')]);
    await clock.advance(9);
    expect(course).toEqual(['a begins at 7', 'a began']);
    await clock.advance(1);
    expect(course).toEqual(['a begins at 7', 'a began', 'b prefetch at 17']);
    expect(clock.pendingTimers).toBe(0);
  });

  it('begins one after the other, not one inside the other, when handlers are not asynchronous', () => {
    full = false;
    prefetch.hold([run('sync a'), run('sync b')]);
    expect(course).toEqual(['sync a begins at 0', 'sync a began', 'sync b begins at 0', 'sync b began']);
  });

  it('goes back at once when the loop has ended meanwhile', () => {
    open = false;
    prefetch.hold([run('a'), run('b')]);
    expect(course).toEqual(['a shutdown at 0', 'b shutdown at 0']);
    expect(clock.pendingTimers).toBe(0);
  });

  it('is forgotten with its timer', async () => {
    const [a, b] = [run('a'), run('b')];
    prefetch.hold([a, b]);
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

describe('after a process stood still', () => {
  it('more is claimed ahead as soon as what waited is back: its handlers are not slow', async () => {
    await ran(50, 0);
    backlog();
    const waiting = run('a');
    prefetch.hold([waiting]);
    await clock.advance(9);
    // Nothing was looked at for a while, the timer included.
    const slow = clock.monotonic.bind(clock);
    clock.monotonic = () => slow() + 20;
    full = false;
    prefetch.begin();
    expect(course).toEqual(['a prefetch at 29']);
    prefetch.answered([{ run: waiting }]);
    expect(prefetch.extra(0)).toBe(3);
  });

  it('the same when its look at them came late', async () => {
    const late = 20;
    const timer = clock.timer.bind(clock);
    clock.timer = (ms, action) => timer(ms + late, action);
    await ran(50, 0);
    backlog();
    const waiting = run('a');
    prefetch.hold([waiting]);
    await clock.advance(30);
    expect(course).toEqual(['a prefetch at 30']);
    prefetch.answered([{ run: waiting }]);
    expect(prefetch.extra(0)).toBe(3);
  });
});
