import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { EngineParts, ExecutionOptions, OqronEngine } from 'oqronkit';
import { FakeOwner } from '../support/fake-owner.js';
import { World } from '../support/world.js';
import { wrapBackend } from '../support/wrapped-backend.js';

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.end());

/** A process that notes when (ms since the start) it began a job. */
async function consumer(
  options: ExecutionOptions,
  at: number[],
  ms = 0,
  parts: EngineParts = {},
): Promise<OqronEngine> {
  const engine = world.engine({}, parts);
  engine.worker({
    topic: 'q',
    concurrency: 100,
    handler: async () => {
      at.push(world.clock.monotonic());
      if (ms > 0) await world.clock.sleep(ms);
    },
    ...options,
  });
  await engine.start();
  return engine;
}

const jobs = (n: number) => Array.from({ length: n }, (_, data) => ({ data }));

/** The most that began in any span of `ms`. */
function most(at: readonly number[], ms: number): number {
  return Math.max(0, ...at.map((from) => at.filter((time) => time >= from && time < from + ms).length));
}

describe('throttle', () => {
  it('is sliding: no span of its duration, wherever it begins, sees more than max', async () => {
    const at: number[] = [];
    const engine = await consumer({ throttle: { max: 10, duration: '10s' } }, at);
    const queue = engine.producer('q');
    // Half of it just before the end of a second, so that fixed windows would let twice as many through.
    await world.clock.advance('9900ms');
    await queue.addBulk(jobs(6));
    await world.clock.advance('200ms');
    await queue.addBulk(jobs(100));
    await world.clock.advance('5m');
    expect(at).toHaveLength(106);
    expect(most(at, 10_000)).toBe(10);
    // And it is used: not much more time than it must take.
    expect(at.at(-1)).toBeLessThanOrEqual(9_900 + 11 * 10_100);
  });

  it('is per process: two of them take twice as many', async () => {
    const first: number[] = [];
    const second: number[] = [];
    const throttle = { max: 5, duration: '10s' } as const;
    const engine = await consumer({ throttle }, first);
    await consumer({ throttle }, second);
    await engine.producer('q').addBulk(jobs(20));
    await world.clock.advance('9s');
    expect([first.length, second.length]).toEqual([5, 5]);
    await world.clock.advance('11s');
    expect(first.length + second.length).toBe(20);
  });

  it('holds however many claims are under way', async () => {
    const held: (() => void)[] = [];
    let hold = false;
    const backend = wrapBackend(world.backend, async (operation, _args, run) => {
      if (operation === 'claim' && hold) await new Promise<void>((go) => held.push(go));
      return run();
    });
    const at: number[] = [];
    const engine = await consumer({ throttle: { max: 3, duration: '10s' } }, at, 0, { backend });
    await world.clock.advance('1s');
    hold = true;
    // One claim is on its way because time has passed; the jobs would be reason for another.
    await world.clock.advance('10s');
    expect(held).toHaveLength(1);
    await engine.producer('q').addBulk(jobs(10));
    await world.clock.advance('1s');
    hold = false;
    for (const go of held) go();
    await world.clock.advance('8s');
    expect(at).toHaveLength(3);
  });

  it('counts attempts, also those of one job', async () => {
    const at: number[] = [];
    const engine = world.engine();
    const queue = engine.queue({
      name: 'q',
      throttle: { max: 2, duration: '1m' },
      retries: { max: 5, strategy: 'fixed', baseDelay: '1s' },
      handler: () => {
        at.push(world.clock.monotonic());
        throw new Error('x');
      },
    });
    await engine.start();
    await queue.add(1);
    await world.clock.advance('50s');
    expect(at).toEqual([0, 1_000]);
    await world.clock.advance('20s');
    expect(at.length).toBeGreaterThan(2);
  });

  it('does not cost a poll while it holds: the next claim comes when the next job may begin', async () => {
    const at: number[] = [];
    const engine = await consumer({ throttle: { max: 1, duration: '1h' } }, at);
    await engine.producer('q').addBulk(jobs(3));
    await world.clock.advance('3h');
    expect(at).toHaveLength(3);
    expect(most(at, 3_600_000)).toBe(1);
  });

  it('does not keep a process from taking back what a dead one held, within 5 s', async () => {
    const at: number[] = [];
    const engine = await consumer({ throttle: { max: 1, duration: '1h' } }, at);
    const stalled: number[] = [];
    engine.on('job:stalled', () => stalled.push(world.clock.monotonic()));
    const queue = engine.producer('q');
    await queue.addBulk(jobs(2));
    await world.clock.advance('1s');
    await new FakeOwner('dead', world.backend.store).claim('q', { leaseMs: 10_000 });
    await world.clock.advance('1m');
    expect(at).toHaveLength(1);
    expect(stalled).toHaveLength(1);
    expect(stalled[0]).toBeLessThanOrEqual(16_000);
  });
});

describe('maxActive', () => {
  it('holds in the whole cluster, whatever each process could take', async () => {
    let active = 0;
    let peak = 0;
    let done = 0;
    for (let n = 0; n < 3; n += 1) {
      const engine = world.engine();
      engine.worker({
        topic: 'q',
        concurrency: 10,
        maxActive: 4,
        handler: async () => {
          active += 1;
          peak = Math.max(peak, active);
          await world.clock.sleep('1s');
          active -= 1;
          done += 1;
        },
      });
      await engine.start();
    }
    await world.engine().producer('q').addBulk(jobs(40));
    await world.clock.advance('1m');
    expect(done).toBe(40);
    expect(peak).toBe(4);
  });
});

describe('rate', () => {
  it('holds in the whole cluster, in any span of its duration', async () => {
    const at: number[] = [];
    for (let n = 0; n < 3; n += 1) await consumer({ rate: { max: 10, duration: '10s' } }, at);
    const queue = world.engine().producer('q');
    await queue.addBulk(jobs(50));
    await world.clock.advance('2m');
    expect(at).toHaveLength(50);
    expect(most(at, 10_000)).toBeLessThanOrEqual(10);
    expect(at.at(-1)).toBeLessThanOrEqual(45_000);
  });
});

describe('a rest', () => {
  it('ends, also when a reply comes meanwhile that says to look again sooner', async () => {
    let hold = false;
    const held: (() => void)[] = [];
    const backend = wrapBackend(world.backend, async (operation, _args, run) => {
      const reply = await run();
      if (operation === 'claim' && hold) await new Promise<void>((go) => held.push(go));
      return reply;
    });
    const engine = world.engine({}, { backend });
    const ran: [number, unknown][] = [];
    const queue = engine.queue({
      name: 'q',
      concurrency: 2,
      condition: (ctx) => ctx.data !== 'denied' || world.clock.monotonic() > 60_000,
      rateLimiter: {
        check: async (ctx) => {
          await world.clock.sleep('1s');
          return ctx.data === 'denied' && world.clock.monotonic() < 60_000
            ? { allowed: false, retryAfterMs: 60_000 }
            : true;
        },
      },
      handler: (ctx) => ran.push([world.clock.monotonic(), ctx.data]),
    });
    await engine.start();
    await queue.add('denied');
    await world.clock.advance('500ms');
    hold = true;
    // The claim that this wakes answers after the denial, and names the time at which the job is due.
    await queue.add('default', 'later', { delay: '5s' });
    await world.clock.advance('1s');
    hold = false;
    expect(held).toHaveLength(1);
    for (const go of held) go();
    await world.clock.advance('30s');
    expect(ran).toEqual([]);
    await world.clock.advance('35s');
    expect(ran.map(([, data]) => data).sort()).toEqual(['denied', 'later']);
  });

  it('that another reply shortens or prolongs still ends', async () => {
    const at: number[] = [];
    const engine = await consumer({ rate: { max: 2, duration: '30s' }, concurrency: 50 }, at, 500);
    const queue = engine.producer('q');
    for (let n = 0; n < 8; n += 1) {
      await queue.add(n);
      await queue.add(n, { delay: n * 300 });
      await world.clock.advance('700ms');
    }
    await world.clock.advance('10m');
    expect(at).toHaveLength(16);
  });
});
