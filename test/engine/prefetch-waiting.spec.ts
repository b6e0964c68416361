import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { ClaimRequest } from 'oqronkit';
import { FakeOwner } from '../support/fake-owner.js';
import { countOf, PrefetchWorld, upTo, WARM } from '../support/prefetch-world.js';
import { seededRandom } from '../support/seeded-random.js';
import { gate } from '../support/until.js';
import type { Around } from '../support/wrapped-backend.js';

// Jobs that were claimed ahead wait in the process: they keep their order, their leases and every promise made to them.

let world: PrefetchWorld;
beforeEach(() => {
  world = new PrefetchWorld();
});
afterEach(() => world.end());

describe('order', () => {
  it.each([1, 2, 3, 4, 5, 6])(
    'is kept at concurrency 1, whatever the store takes to answer (seed %i)',
    async (seed) => {
      const random = seededRandom(seed);
      const some = (most: number): number => Math.floor(random.next() * most);
      const around: Around = async (operation, _args, run) => {
        if (operation !== 'claim' && operation !== 'settle') return run();
        await world.clock.sleep(some(4));
        const reply = await run();
        await world.clock.sleep(some(4));
        return reply;
      };
      await world.add(400);
      const { released } = await world.processOf({
        around,
        work: ({ data }) => (some(100) < 6 ? world.clock.sleep(data % 2 === 0 ? 4 : 14) : undefined),
      });
      await world.clock.advance('20s');
      expect(world.order()).toEqual(upTo(400));
      expect(Math.max(...world.asked)).toBe(2);
      for (const { reason } of released) expect(reason).toBe('prefetch');
    },
  );

  it.each([1, 2, 3])('is kept with more slots, none of which is used twice (seed %i)', async (seed) => {
    const random = seededRandom(seed);
    let running = 0;
    let most = 0;
    await world.add(600);
    await world.processOf({
      concurrency: 4,
      work: async () => {
        running += 1;
        most = Math.max(most, running);
        await world.clock.sleep(random.next() < 0.02 ? 20 : random.next() * 2);
        running -= 1;
      },
    });
    await world.clock.advance('20s');
    expect(world.order()).toEqual(upTo(600));
    expect(most).toBe(4);
    expect(Math.max(...world.asked)).toBeGreaterThan(4);
  });

  it('does not hang on the order of replies: what is claimed ahead has no other claim beside it', async () => {
    const random = seededRandom(1);
    let running = 0;
    let claims = 0;
    const beside: number[] = [];
    const own: number[] = [];
    await world.add(600);
    await world.processOf({
      concurrency: 4,
      around: async (operation, args, run) => {
        const count = countOf(operation, args);
        if (count === undefined) return run();
        claims += 1;
        if (claims > 1) beside.push(count);
        // Nor is a call made for it alone.
        if (operation === 'claim' && running === 4) own.push(count);
        await world.clock.sleep(random.next() * 3);
        const reply = await run();
        claims -= 1;
        return reply;
      },
      work: async () => {
        running += 1;
        await world.clock.sleep(random.next() * 3);
        running -= 1;
      },
    });
    await world.clock.advance('20s');
    expect(world.begun).toHaveLength(600);
    expect(Math.max(...world.asked)).toBeGreaterThan(4);
    expect(beside.length).toBeGreaterThan(0);
    expect(Math.max(...beside)).toBeLessThan(4);
    expect(own).toEqual([]);
  });

  it('is kept with many slots', async () => {
    await world.add(1_500);
    await world.processOf({ concurrency: 50 });
    await world.clock.settle();
    expect(world.order()).toEqual(upTo(1_500));
    expect(Math.max(...world.asked)).toBe(100);
  });
});

describe('what waits in a process', () => {
  it('is handed back at once when the process stops claiming', async () => {
    const { engine, released, waiting, next } = await world.holding(60_000);
    const stopping = engine.stop();
    await world.clock.settle();
    expect(released).toMatchObject([{ id: waiting, reason: 'shutdown', delayMs: 0 }]);
    expect(await world.queueOf().getJob(waiting)).toMatchObject({ status: 'waiting', attemptMade: 0 });
    await world.processOf({ by: 'second' });
    await world.clock.settle();
    expect(world.begun.find(({ n }) => n === next)).toMatchObject({ by: 'second' });
    await world.passUntil(stopping, '10s');
  });

  it('comes too late when its claim is answered after the stop: it goes back as well', async () => {
    await world.add(WARM + 10);
    const answers = gate();
    let late = false;
    const { engine, released } = await world.processOf({
      around: async (operation, args, run) => {
        const reply = await run();
        if ((countOf(operation, args) ?? 0) > 1) {
          late = true;
          await answers.opened;
        }
        return reply;
      },
    });
    await world.clock.settle();
    expect(late).toBe(true);
    const before = world.begun.length;
    const stopping = engine.stop();
    answers.open();
    await world.passUntil(stopping, '100ms');
    expect(world.begun).toHaveLength(before);
    expect(released.map(({ reason }) => reason)).toEqual(['shutdown', 'shutdown']);
    expect(await world.queueOf().counts()).toMatchObject({ active: 0, waiting: WARM + 10 - before });
  });

  it('counts as running once it has world.begun, and a stop waits for it', async () => {
    const { engine, next } = await world.holding(5, {}, 10_000);
    await world.clock.advance(5);
    expect(world.order()).toEqual(upTo(next + 1));
    expect(engine.health()).toMatchObject({ running: 1 });
    let stopped = false;
    const stopping = engine.stop().then(() => (stopped = true));
    await world.clock.advance('9s');
    expect(stopped).toBe(false);
    await world.clock.advance('1s');
    await stopping;
    expect(await world.queueOf().getJob(`job-${next}`)).toMatchObject({ status: 'completed' });
  });

  it('is dropped when it is cancelled: it never begins, and is no zombie', async () => {
    const { engine, waiting, next } = await world.holding(8);
    expect(await (await world.queueOf().getJob(waiting))?.cancel()).toBeTruthy();
    await world.clock.advance('10s');
    expect(world.order()).toEqual(upTo(WARM + 10).filter((n) => n !== next));
    expect(await world.queueOf().getJob(waiting)).toMatchObject({ status: 'cancelled' });
    expect(engine.health()).toMatchObject({ running: 0, zombies: 0 });
  });

  it('is dropped when its lease is lost', async () => {
    let lost = '';
    const around: Around = async (operation, args, run) => {
      const verdicts = (await run()) as string[];
      if (operation !== 'extend') return verdicts;
      return (args[0] as { id: string }[]).map(({ id }, i) => (id === lost ? 'lost' : verdicts[i]));
    };
    const { engine, waiting, next } = await world.holding(9, { around, heartbeatMs: 3, lockTtlMs: 60_000 });
    lost = waiting;
    const events: string[] = [];
    engine.on('worker:lost-lease', ({ id }) => events.push(id));
    await world.clock.advance('5s');
    expect(events).toEqual([waiting]);
    expect(world.order()).toEqual(upTo(WARM + 10).filter((n) => n !== next));
    expect(engine.health()).toMatchObject({ running: 0, zombies: 0 });
  });

  it('is not counted on after its local deadline', async () => {
    const answers = gate();
    let silent = false;
    const around: Around = async (_operation, _args, run) => {
      if (silent) await answers.opened;
      return run();
    };
    const { engine, waiting, running, next } = await world.holding(9, { around, heartbeatMs: 3, lockTtlMs: 8 });
    silent = true;
    const events: string[] = [];
    engine.on('worker:lost-lease', ({ id }) => events.push(id));
    await world.clock.advance(9);
    expect(events).toEqual([running, waiting]);
    expect(world.order()).toEqual(upTo(next));
    silent = false;
    answers.open();
  });

  it('is renewed meanwhile', async () => {
    const { engine, waiting } = await world.holding(9, { heartbeatMs: 2, lockTtlMs: 6 });
    const events: string[] = [];
    engine.on('worker:lost-lease', ({ id }) => events.push(id));
    engine.on('job:stalled', ({ id }) => events.push(id));
    await world.clock.advance(8);
    expect(await new FakeOwner('thief', world.backend.store).claim('q', { count: 1 })).toMatchObject({ swept: [] });
    await world.clock.advance(1);
    expect(await world.queueOf().getJob(waiting)).toMatchObject({
      status: 'completed',
      attemptMade: 1,
      stalledCount: 0,
    });
    expect(events).toEqual([]);
  });

  it('"after a crash all leased jobs count as stalled"', async () => {
    let dead = false;
    const { running, waiting } = await world.holding(60_000, {
      around: (_operation, _args, run) => (dead ? world.never() : run()),
    });
    dead = true;
    await world.processOf({ by: 'second' });
    await world.clock.advance('40s');
    for (const id of [running, waiting]) {
      expect(await world.queueOf().getJob(id)).toMatchObject({ status: 'completed', stalledCount: 1, attemptMade: 1 });
    }
  });

  it('lets a suspect run alone all the same', async () => {
    const suspect = 'suspect';
    await world.queueOf().add(-1, { jobId: suspect });
    for (let death = 1; death <= 3; death += 1) {
      const ghost = new FakeOwner(`ghost ${death}`, world.backend.store);
      while ((await ghost.claim('q')).jobs.length === 0) await world.clock.advance('1s');
      await world.clock.advance('30s');
    }
    await world.add(300);
    const running = new Set<number>();
    const beside: number[] = [];
    const alone: number[] = [];
    await world.processOf({
      concurrency: 3,
      around: (operation, args, run) => {
        const [request] = operation === 'claim' ? (args[0] as ClaimRequest[]) : [];
        if (request?.alone) alone.push(request.count);
        return run();
      },
      work: async ({ data }) => {
        running.add(data);
        if (running.has(-1)) beside.push(...running);
        await world.clock.sleep(data === -1 ? 100 : 1);
        running.delete(data);
      },
    });
    await world.clock.advance('1m');
    expect(world.begun).toHaveLength(301);
    expect(beside).toEqual([-1]);
    expect(new Set(alone)).toEqual(new Set([1]));
    expect(await world.queueOf().getJob(suspect)).toMatchObject({ status: 'completed', stalledCount: 3 });
  });
});
