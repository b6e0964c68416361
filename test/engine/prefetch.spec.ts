import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { ExecutionOptions } from 'oqronkit';
import { PrefetchWorld, upTo, WARM } from '../support/prefetch-world.js';
import { gate } from '../support/until.js';
import type { Around } from '../support/wrapped-backend.js';

// Quoted are the sentences of the specification: "Prefetch is off unless it earns its place: only fifo, handlers faster
// than 2 ms on average, handed back after 10 ms unstarted with the attempt refunded (after a crash all leased jobs count
// as stalled), startedAt = handler start."

let world: PrefetchWorld;
beforeEach(() => {
  world = new PrefetchWorld();
});
afterEach(() => world.end());

describe("prefetch | 'auto'", () => {
  it('asks for up to `concurrency` jobs more than there are free slots, once 50 handlers were faster than 2 ms', async () => {
    await world.add(200);
    await world.processOf({ concurrency: 5 });
    await world.clock.settle();
    expect(world.order()).toEqual(upTo(200));
    expect(world.asked.slice(0, WARM / 5)).toEqual(upTo(WARM / 5).map(() => 5));
    expect(Math.max(...world.asked)).toBe(10);
  });

  it('saves round trips: at concurrency 1 half of them', async () => {
    await world.add(WARM + 200);
    await world.processOf();
    await world.clock.settle();
    expect(world.order()).toEqual(upTo(WARM + 200));
    expect(world.asked.length).toBeLessThan(WARM + 110);
  });

  it('nearly doubles what a store 1 ms away lets one handler at a time do', async () => {
    const around: Around = async (operation, _args, run) => {
      if (operation !== 'claim' && operation !== 'settle') return run();
      await world.clock.sleep(0.5);
      const reply = await run();
      await world.clock.sleep(0.5);
      return reply;
    };
    const took = async (prefetch: 'auto' | false): Promise<number> => {
      world.begun = [];
      await world.add(400);
      const { engine } = await world.processOf({ prefetch, around });
      await world.clock.advance('1s');
      expect(world.order()).toEqual(upTo(400));
      await world.passUntil(engine.stop(), '100ms');
      await world.queueOf().obliterate();
      return (world.begun.at(-1)?.at ?? 0) - (world.begun[WARM + 10]?.at ?? 0);
    };
    expect((await took(false)) / (await took('auto'))).toBeGreaterThan(1.9);
  });

  it('goes by how the store has the queue, whether or not the definition says it: fifo', async () => {
    world.engine().queue({ name: 'q', strategy: 'fifo' });
    await world.add(100);
    await world.processOf({ strategy: 'fifo' });
    await world.clock.settle();
    expect(Math.max(...world.asked)).toBe(2);
  });

  it.each(['lifo', 'priority'] as const)(
    'is off on a queue that is recorded as %s by somebody else',
    async (strategy) => {
      const other = world.engine();
      other.queue({ name: 'q', strategy });
      await other.start();
      await world.add(150);
      await world.processOf();
      await world.clock.settle();
      expect(world.begun).toHaveLength(150);
      expect(Math.max(...world.asked)).toBe(1);
    },
  );

  it.each<[string, ExecutionOptions<number>]>([
    ['prefetch: false', { prefetch: false }],
    ['throttle', { throttle: { max: 1_000_000, duration: '1s' } }],
    ['maxActive', { maxActive: 1_000 }],
    ['rate', { rate: { max: 1_000_000, duration: '1s' } }],
    ['rateLimiter', { rateLimiter: { check: () => true } }],
    ['condition', { condition: () => true }],
    ['beforeRun', { hooks: { beforeRun: () => undefined } }],
    [
      'processBatch',
      {
        batchSize: 1,
        processBatch: (ctxs) => world.begun.push(...ctxs.map(({ data: n }) => ({ n, at: 0, by: '' }))) as never,
      },
    ],
    ['more than 100 slots', { concurrency: 101 }],
  ])('is off with %s', async (_name, options) => {
    const concurrency = options.concurrency ?? 1;
    await world.queueOf().addBulk(upTo(20 * concurrency + 150).map((data) => ({ data })));
    await world.processOf(options);
    await world.clock.settle();
    expect(world.begun.length).toBeGreaterThanOrEqual(150);
    expect(Math.max(...world.asked)).toBe(concurrency);
  });

  it('is off where the module says so', async () => {
    await world.add(150);
    await world.processOf({ config: { modules: [{ module: 'worker', prefetch: false }] } });
    await world.clock.settle();
    expect(Math.max(...world.asked)).toBe(1);
  });

  it('is on with a schema', async () => {
    await world.add(150);
    await world.processOf({
      schema: { '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value: value as number }) } },
    });
    await world.clock.settle();
    expect(world.order()).toEqual(upTo(150));
    expect(Math.max(...world.asked)).toBe(2);
  });

  it('is off while handlers take 2 ms and more on average, and turns off when they become slow', async () => {
    await world.add(400);
    let ms = 3;
    await world.processOf({ work: () => (ms > 0 ? world.clock.sleep(ms) : undefined) });
    await world.clock.advance(WARM * 3 + 30);
    expect(Math.max(...world.asked)).toBe(1);
    ms = 0;
    await world.clock.advance(3);
    expect(Math.max(...world.asked)).toBe(2);
    expect(world.order()).toEqual(upTo(400));
    ms = 60;
    await world.add(20, 400);
    world.asked = [];
    await world.clock.advance('10s');
    expect(world.order()).toEqual(upTo(420));
    // At most one more was claimed ahead until it was known.
    expect(world.asked.filter((count) => count > 1).length).toBeLessThanOrEqual(2);
  });

  it('is off without a backlog: jobs that come one by one find every idle process', async () => {
    await world.processOf();
    for (let n = 0; n < 150; n += 1) {
      await world.add(1, n);
      await world.clock.settle();
    }
    expect(world.order()).toEqual(upTo(150));
    expect(Math.max(...world.asked)).toBe(1);
  });
});

/** A job that is handed back takes 20 ms to arrive. */
const slowWayBack: Around = async (operation, args, run) => {
  const { outcomes } = (operation === 'settle' ? args[1] : { outcomes: [] }) as { outcomes: { reason?: string }[] };
  if (outcomes.some(({ reason }) => reason === 'prefetch')) await world.clock.sleep(20);
  return run();
};

describe('"handed back after 10 ms unstarted with the attempt refunded"', () => {
  it('at its place, to begin next', async () => {
    const { released, waiting, next } = await world.holding(60_000);
    await world.clock.advance(9);
    expect(released).toEqual([]);
    await world.clock.advance(1);
    expect(released).toMatchObject([{ id: waiting, reason: 'prefetch', delayMs: 0 }]);
    expect(await world.queueOf().getJob(waiting)).toMatchObject({ status: 'waiting', attemptMade: 0, stalledCount: 0 });
    await world.clock.advance('2m');
    expect(world.order()).toEqual(upTo(WARM + 10));
    expect(await world.queueOf().getJob(`job-${next}`)).toMatchObject({ status: 'completed', attemptMade: 1 });
  });

  it('another process that idles has it then', async () => {
    const { waiting, next } = await world.holding(60_000);
    const since = world.clock.monotonic();
    await world.queueOf().pause();
    await world.processOf({ by: 'second' });
    await world.queueOf().resume();
    await world.clock.advance(9);
    const others = world.begun.filter(({ by }) => by === 'second');
    expect(others.map(({ n }) => n)).not.toContain(next);
    await world.clock.advance(3);
    expect(world.begun.find(({ n }) => n === next)).toMatchObject({ by: 'second' });
    expect((world.begun.find(({ n }) => n === next)?.at ?? 0) - since).toBeLessThanOrEqual(12);
    expect(await world.queueOf().getJob(waiting)).toMatchObject({ status: 'completed', attemptMade: 1 });
  });

  it('what comes next does not overtake it, however long it is on its way', async () => {
    const { released } = await world.holding(15, { around: slowWayBack });
    await world.clock.advance('1s');
    expect(released).toHaveLength(1);
    expect(world.order()).toEqual(upTo(WARM + 10));
  });

  it('slots that were freed meanwhile are used then, also when no hint comes', async () => {
    const total = 2 * WARM + 3;
    await world.add(total);
    const { signals } = world.backend;
    const { released } = await world.processOf({
      concurrency: 2,
      pollIntervalMs: '1h',
      around: slowWayBack,
      // Two of the last three, which no longer fill a claim, keep the third waiting.
      work: ({ data }) => (data >= total - 3 ? world.clock.sleep(15) : undefined),
      signals: {
        listen: (process, onMessage, onGap) =>
          signals.listen(process, (message) => message.kind !== 'wake' && onMessage(message), onGap),
        send: (process, message) => signals.send(process, message),
        broadcast: (message) => signals.broadcast(message),
        passOn: (queue, from) => signals.passOn(queue, from),
      },
    });
    await world.clock.advance(40);
    expect(released).toHaveLength(1);
    expect(world.begun.map(({ n, at }) => [n, at]).slice(-3)).toEqual([
      [total - 3, 0],
      [total - 2, 0],
      [total - 1, 30],
    ]);
  });

  it('then nothing is claimed ahead for a second: nothing goes back and forth', async () => {
    await world.add(3_000);
    // Fast on average, but now and then one takes longer than the next one waits.
    const { released } = await world.processOf({
      work: ({ data }) => (data % 10 === 9 ? world.clock.sleep(15) : undefined),
    });
    await world.clock.advance('5s');
    expect(world.order()).toEqual(upTo(3_000));
    const gaps = released.slice(1).map(({ at }, i) => at - (released[i]?.at ?? 0));
    expect(released.length).toBeGreaterThan(2);
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(1_000);
  });
});

describe('"startedAt = handler start"', () => {
  it('duration, timeout and deadline of a job that waited count from its handler', async () => {
    const seen: (readonly [number, number | undefined])[] = [];
    const success: [string, number][] = [];
    let slow = -1;
    await world.add(WARM + 10);
    const { engine, released } = await world.processOf({
      timeout: 10,
      work: async (ctx) => {
        if (slow < 0 && world.asked.at(-1) === 2) slow = ctx.data;
        if (slow < 0 || ctx.data > slow + 1) return;
        seen.push([ctx.duration, ctx.remainingMs]);
        await world.clock.sleep(ctx.data === slow ? 8 : 7);
      },
    });
    engine.on('job:success', ({ id, durationMs }) => success.push([id, durationMs]));
    await world.clock.settle();
    await world.clock.advance('1s');
    expect(seen).toEqual([
      [0, 10],
      [0, 10],
    ]);
    expect(world.begun.find(({ n }) => n === slow + 1)?.at).toBe(
      (world.begun.find(({ n }) => n === slow)?.at ?? 0) + 8,
    );
    expect(success).toContainEqual([`job-${slow + 1}`, 7]);
    expect(released).toEqual([]);
    expect(await world.queueOf().count('completed')).toBe(WARM + 10);
  });

  it('is as soon as a slot is free, without a round trip', async () => {
    const answers = gate();
    let silent = false;
    const around: Around = async (_operation, _args, run) => {
      if (silent) await answers.opened;
      return run();
    };
    const { next } = await world.holding(5, { around });
    silent = true;
    await world.clock.advance(5);
    expect(world.order()).toEqual(upTo(next + 1));
    silent = false;
    answers.open();
  });
});
