import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  type ClaimRequest,
  type EngineEvents,
  type ExecutionOptions,
  type Handler,
  type JobContext,
  type OqronConfig,
  type Queue,
} from 'oqronkit';
import { seededRandom } from '../support/seeded-random.js';
import { FakeOwner } from '../support/fake-owner.js';
import { gate } from '../support/until.js';
import { World } from '../support/world.js';
import { wrapBackend, type Around } from '../support/wrapped-backend.js';

// Quoted are the sentences of the specification: "Prefetch is off unless it earns its place: only fifo, handlers faster
// than 2 ms on average, handed back after 10 ms unstarted with the attempt refunded (after a crash all leased jobs count
// as stalled), startedAt = handler start."

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.end());

/** Runs after which a process knows how long its handlers take. */
const WARM = 50;

interface Begun {
  readonly n: number;
  readonly at: number;
  readonly by: string;
}

/** Everything that began, by whichever process. */
let begun: Begun[];
/** What was claimed: how many jobs each claim asked for. */
let asked: number[];
beforeEach(() => {
  begun = [];
  asked = [];
});

const straight: Around = (_operation, _args, run) => run();

/** How many jobs a call of the store asks for, if it claims. */
function countOf(operation: string, args: readonly unknown[]): number | undefined {
  if (operation === 'claim') return (args[0] as ClaimRequest[])[0]?.count;
  return operation === 'settle' ? (args[1] as { claim?: ClaimRequest }).claim?.count : undefined;
}

interface ProcessOptions extends ExecutionOptions<number> {
  readonly by?: string;
  readonly handler?: Handler<number>;
  /** What a job does besides being noted. */
  readonly work?: (ctx: JobContext<number>) => unknown;
  readonly around?: Around;
  readonly config?: OqronConfig;
}

/** A process whose handlers take no time unless `work` does. */
async function processOf({ by = 'first', work, around = straight, config = {}, ...options }: ProcessOptions = {}) {
  const backend = wrapBackend(world.backend, (operation, args, run) => {
    const count = countOf(operation, args);
    if (count !== undefined) asked.push(count);
    return around(operation, args, run);
  });
  const engine = world.engine(config, { backend });
  const released: (EngineEvents['job:released'] & { at: number })[] = [];
  engine.on('job:released', (event) => released.push({ ...event, at: world.clock.monotonic() }));
  const handler = (ctx: JobContext<number>): unknown => {
    begun.push({ n: ctx.data, at: world.clock.monotonic(), by });
    return work?.(ctx);
  };
  engine.worker<number>({
    topic: 'q',
    concurrency: 1,
    ...(options.processBatch ? {} : { handler: async (ctx) => handler(ctx) }),
    ...options,
  });
  await engine.start();
  return { engine, released };
}

const queueOf = (): Queue<number> => world.engine().producer<number>('q');

/** Adds jobs that are numbers from `from` on; answers their ids. */
async function add(count: number, from = 0): Promise<string[]> {
  const ids: string[] = [];
  for (let n = from; n < from + count; n += 1) ids.push((await queueOf().add(n, { jobId: `job-${n}` })).id);
  return ids;
}

const order = (): number[] => begun.map(({ n }) => n);
const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n);

/**
 * A process at concurrency 1 that has run enough to claim ahead: job 0 of the slow ones runs, the one behind it waits in
 * the process. Slow jobs take `ms`.
 */
async function holding(ms: number, options: ProcessOptions = {}) {
  await add(WARM + 10);
  let slow = -1;
  const held = await processOf({
    work: async ({ data }) => {
      // The first job that is claimed with another behind it.
      if (slow < 0 && asked.at(-1) === 2 && data >= WARM) slow = data;
      if (slow >= 0 && data === slow) await world.hold(world.clock.sleep(ms));
    },
    ...options,
  });
  await world.clock.settle();
  const [running, waiting] = [`job-${slow}`, `job-${slow + 1}`];
  expect(order()).toEqual(upTo(slow + 1));
  expect(await queueOf().getJob(waiting)).toMatchObject({ status: 'active', attemptMade: 1 });
  expect(await queueOf().count('active')).toBe(2);
  expect(held.engine.health()).toMatchObject({ running: 1 });
  return { ...held, running, waiting, next: slow + 1 };
}

describe("prefetch | 'auto'", () => {
  it('asks for up to `concurrency` jobs more than there are free slots, once 50 handlers were faster than 2 ms', async () => {
    await add(200);
    await processOf({ concurrency: 5 });
    await world.clock.settle();
    expect(order()).toEqual(upTo(200));
    expect(asked.slice(0, WARM / 5)).toEqual(upTo(WARM / 5).map(() => 5));
    expect(Math.max(...asked)).toBe(10);
  });

  it('saves round trips: at concurrency 1 half of them', async () => {
    await add(WARM + 200);
    await processOf();
    await world.clock.settle();
    expect(order()).toEqual(upTo(WARM + 200));
    expect(asked.length).toBeLessThan(WARM + 110);
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
      begun = [];
      await add(400);
      const { engine } = await processOf({ prefetch, around });
      await world.clock.advance('1s');
      expect(order()).toEqual(upTo(400));
      await world.passUntil(engine.stop(), '100ms');
      await queueOf().obliterate();
      return (begun.at(-1)?.at ?? 0) - (begun[WARM + 10]?.at ?? 0);
    };
    expect((await took(false)) / (await took('auto'))).toBeGreaterThan(1.9);
  });

  it('goes by how the store has the queue, whether or not the definition says it: fifo', async () => {
    world.engine().queue({ name: 'q', strategy: 'fifo' });
    await add(100);
    await processOf({ strategy: 'fifo' });
    await world.clock.settle();
    expect(Math.max(...asked)).toBe(2);
  });

  it.each(['lifo', 'priority'] as const)(
    'is off on a queue that is recorded as %s by somebody else',
    async (strategy) => {
      const other = world.engine();
      other.queue({ name: 'q', strategy });
      await other.start();
      await add(150);
      await processOf();
      await world.clock.settle();
      expect(begun).toHaveLength(150);
      expect(Math.max(...asked)).toBe(1);
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
        processBatch: (ctxs) => begun.push(...ctxs.map(({ data: n }) => ({ n, at: 0, by: '' }))) as never,
      },
    ],
    ['concurrency whose claims could not bring twice as many', { concurrency: 501 }],
  ])('is off with %s', async (_name, options) => {
    const concurrency = options.concurrency ?? 1;
    await queueOf().addBulk(upTo(150 * concurrency > 3_000 ? 3_000 : 150).map((data) => ({ data })));
    await processOf(options);
    await world.clock.settle();
    expect(begun.length).toBeGreaterThanOrEqual(150);
    expect(Math.max(...asked)).toBe(concurrency);
  });

  it('is off where the module says so', async () => {
    await add(150);
    await processOf({ config: { modules: [{ module: 'worker', prefetch: false }] } });
    await world.clock.settle();
    expect(Math.max(...asked)).toBe(1);
  });

  it('is on with a schema', async () => {
    await add(150);
    await processOf({
      schema: { '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value: value as number }) } },
    });
    await world.clock.settle();
    expect(order()).toEqual(upTo(150));
    expect(Math.max(...asked)).toBe(2);
  });

  it('is off while handlers take 2 ms and more on average, and turns off when they become slow', async () => {
    await add(400);
    let ms = 3;
    await processOf({ work: () => (ms > 0 ? world.clock.sleep(ms) : undefined) });
    await world.clock.advance(WARM * 3 + 30);
    expect(Math.max(...asked)).toBe(1);
    ms = 0;
    await world.clock.advance(3);
    expect(Math.max(...asked)).toBe(2);
    expect(order()).toEqual(upTo(400));
    ms = 60;
    await add(20, 400);
    asked = [];
    await world.clock.advance('10s');
    expect(order()).toEqual(upTo(420));
    // At most one more was claimed ahead until it was known.
    expect(asked.filter((count) => count > 1).length).toBeLessThanOrEqual(2);
  });

  it('is off without a backlog: jobs that come one by one find every idle process', async () => {
    await processOf();
    for (let n = 0; n < 150; n += 1) {
      await add(1, n);
      await world.clock.settle();
    }
    expect(order()).toEqual(upTo(150));
    expect(Math.max(...asked)).toBe(1);
  });
});

describe('"handed back after 10 ms unstarted with the attempt refunded"', () => {
  it('at its place, to begin next', async () => {
    const { released, waiting, next } = await holding(60_000);
    await world.clock.advance(9);
    expect(released).toEqual([]);
    await world.clock.advance(1);
    expect(released).toMatchObject([{ id: waiting, reason: 'prefetch', delayMs: 0 }]);
    expect(await queueOf().getJob(waiting)).toMatchObject({ status: 'waiting', attemptMade: 0, stalledCount: 0 });
    await world.clock.advance('2m');
    expect(order()).toEqual(upTo(WARM + 10));
    expect(await queueOf().getJob(`job-${next}`)).toMatchObject({ status: 'completed', attemptMade: 1 });
  });

  it('another process that idles has it then', async () => {
    const { waiting, next } = await holding(60_000);
    const since = world.clock.monotonic();
    await queueOf().pause();
    await processOf({ by: 'second' });
    await queueOf().resume();
    await world.clock.advance(9);
    const others = begun.filter(({ by }) => by === 'second');
    expect(others.map(({ n }) => n)).not.toContain(next);
    await world.clock.advance(3);
    expect(begun.find(({ n }) => n === next)).toMatchObject({ by: 'second' });
    expect((begun.find(({ n }) => n === next)?.at ?? 0) - since).toBeLessThanOrEqual(12);
    expect(await queueOf().getJob(waiting)).toMatchObject({ status: 'completed', attemptMade: 1 });
  });

  it('what comes next does not overtake it, however long it is on its way', async () => {
    const around: Around = async (operation, args, run) => {
      const { outcomes } = (operation === 'settle' ? args[1] : { outcomes: [] }) as {
        outcomes: { kind: string; reason?: string }[];
      };
      if (outcomes.some(({ reason }) => reason === 'prefetch')) await world.clock.sleep(20);
      return run();
    };
    const { released } = await holding(15, { around });
    await world.clock.advance('1s');
    expect(released).toHaveLength(1);
    expect(order()).toEqual(upTo(WARM + 10));
  });

  it('then nothing is claimed ahead for a second: nothing goes back and forth', async () => {
    await add(3_000);
    // Fast on average, but now and then one takes longer than the next one waits.
    const { released } = await processOf({ work: ({ data }) => (data % 10 === 9 ? world.clock.sleep(15) : undefined) });
    await world.clock.advance('5s');
    expect(order()).toEqual(upTo(3_000));
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
    await add(WARM + 10);
    const { engine, released } = await processOf({
      timeout: 10,
      work: async (ctx) => {
        if (slow < 0 && asked.at(-1) === 2) slow = ctx.data;
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
    expect(begun.find(({ n }) => n === slow + 1)?.at).toBe((begun.find(({ n }) => n === slow)?.at ?? 0) + 8);
    expect(success).toContainEqual([`job-${slow + 1}`, 7]);
    expect(released).toEqual([]);
    expect(await queueOf().count('completed')).toBe(WARM + 10);
  });

  it('is as soon as a slot is free, without a round trip', async () => {
    const answers = gate();
    let silent = false;
    const around: Around = async (_operation, _args, run) => {
      if (silent) await answers.opened;
      return run();
    };
    const { next } = await holding(5, { around });
    silent = true;
    await world.clock.advance(5);
    expect(order()).toEqual(upTo(next + 1));
    silent = false;
    answers.open();
  });
});

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
      await add(400);
      const { released } = await processOf({
        around,
        work: ({ data }) => (some(100) < 6 ? world.clock.sleep(data % 2 === 0 ? 4 : 14) : undefined),
      });
      await world.clock.advance('20s');
      expect(order()).toEqual(upTo(400));
      expect(Math.max(...asked)).toBe(2);
      for (const { reason } of released) expect(reason).toBe('prefetch');
    },
  );

  it.each([1, 2, 3])('is kept with more slots, none of which is used twice (seed %i)', async (seed) => {
    const random = seededRandom(seed);
    let running = 0;
    let most = 0;
    await add(600);
    await processOf({
      concurrency: 4,
      work: async () => {
        running += 1;
        most = Math.max(most, running);
        await world.clock.sleep(random.next() < 0.02 ? 20 : random.next() * 2);
        running -= 1;
      },
    });
    await world.clock.advance('20s');
    expect(order()).toEqual(upTo(600));
    expect(most).toBe(4);
    expect(Math.max(...asked)).toBeGreaterThan(4);
  });

  it('does not hang on the order of replies: what is claimed ahead has no other claim beside it', async () => {
    const random = seededRandom(1);
    let running = 0;
    let claims = 0;
    const beside: number[] = [];
    const own: number[] = [];
    await add(600);
    await processOf({
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
    expect(begun).toHaveLength(600);
    expect(Math.max(...asked)).toBeGreaterThan(4);
    expect(beside.length).toBeGreaterThan(0);
    expect(Math.max(...beside)).toBeLessThan(4);
    expect(own).toEqual([]);
  });

  it('is kept by handlers that are not asynchronous, each on a fresh stack', async () => {
    const depths: number[] = [];
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = 1_000;
    try {
      await add(1_500);
      await processOf({
        concurrency: 100,
        handler: ({ data: n }) => {
          begun.push({ n, at: 0, by: '' });
          depths.push(new Error('here').stack?.split('\n').length ?? 0);
        },
      });
      await world.clock.settle();
    } finally {
      Error.stackTraceLimit = limit;
    }
    expect(order()).toEqual(upTo(1_500));
    expect(Math.max(...asked)).toBe(200);
    expect(Math.max(...depths)).toBeLessThan(50);
  });
});

describe('what waits in a process', () => {
  it('is handed back at once when the process stops claiming', async () => {
    const { engine, released, waiting, next } = await holding(60_000);
    const stopping = engine.stop();
    await world.clock.settle();
    expect(released).toMatchObject([{ id: waiting, reason: 'shutdown', delayMs: 0 }]);
    expect(await queueOf().getJob(waiting)).toMatchObject({ status: 'waiting', attemptMade: 0 });
    await processOf({ by: 'second' });
    await world.clock.settle();
    expect(begun.find(({ n }) => n === next)).toMatchObject({ by: 'second' });
    await world.passUntil(stopping, '10s');
  });

  it('comes too late when its claim is answered after the stop: it goes back as well', async () => {
    await add(WARM + 10);
    const answers = gate();
    let late = false;
    const { engine, released } = await processOf({
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
    const before = begun.length;
    const stopping = engine.stop();
    answers.open();
    await world.passUntil(stopping, '100ms');
    expect(begun).toHaveLength(before);
    expect(released.map(({ reason }) => reason)).toEqual(['shutdown', 'shutdown']);
    expect(await queueOf().counts()).toMatchObject({ active: 0, waiting: WARM + 10 - before });
  });

  it('is waited for by a stop once it has begun, as any other', async () => {
    const { engine, next } = await holding(5);
    const work = gate();
    const { engine: second } = await processOf({ by: 'second', prefetch: false });
    await second.stop();
    await world.clock.advance(5);
    void work;
    expect(begun.at(-1)?.n).toBeGreaterThanOrEqual(next);
    await world.passUntil(engine.stop(), '100ms');
  });

  it('is dropped when it is cancelled: it never begins, and is no zombie', async () => {
    const { engine, waiting, next } = await holding(8);
    expect(await (await queueOf().getJob(waiting))?.cancel()).toBeTruthy();
    await world.clock.advance('10s');
    expect(order()).toEqual(upTo(WARM + 10).filter((n) => n !== next));
    expect(await queueOf().getJob(waiting)).toMatchObject({ status: 'cancelled' });
    expect(engine.health()).toMatchObject({ running: 0, zombies: 0 });
  });

  it('is dropped when its lease is lost', async () => {
    let lost = '';
    const around: Around = async (operation, args, run) => {
      const verdicts = (await run()) as string[];
      if (operation !== 'extend') return verdicts;
      return (args[0] as { id: string }[]).map(({ id }, i) => (id === lost ? 'lost' : verdicts[i]));
    };
    const { engine, waiting, next } = await holding(9, { around, heartbeatMs: 3, lockTtlMs: 60_000 });
    lost = waiting;
    const events: string[] = [];
    engine.on('worker:lost-lease', ({ id }) => events.push(id));
    await world.clock.advance('5s');
    expect(events).toEqual([waiting]);
    expect(order()).toEqual(upTo(WARM + 10).filter((n) => n !== next));
    expect(engine.health()).toMatchObject({ running: 0, zombies: 0 });
  });

  it('is not counted on after its local deadline', async () => {
    const answers = gate();
    let silent = false;
    const around: Around = async (_operation, _args, run) => {
      if (silent) await answers.opened;
      return run();
    };
    const { engine, waiting, running, next } = await holding(9, { around, heartbeatMs: 3, lockTtlMs: 8 });
    silent = true;
    const events: string[] = [];
    engine.on('worker:lost-lease', ({ id }) => events.push(id));
    await world.clock.advance(9);
    expect(events).toEqual([running, waiting]);
    expect(order()).toEqual(upTo(next));
    silent = false;
    answers.open();
  });

  it('is renewed meanwhile', async () => {
    const { engine, waiting } = await holding(9, { heartbeatMs: 2, lockTtlMs: 6 });
    const events: string[] = [];
    engine.on('worker:lost-lease', ({ id }) => events.push(id));
    engine.on('job:stalled', ({ id }) => events.push(id));
    await world.clock.advance(8);
    expect(await new FakeOwner('thief', world.backend.store).claim('q', { count: 1 })).toMatchObject({ swept: [] });
    await world.clock.advance(1);
    expect(await queueOf().getJob(waiting)).toMatchObject({ status: 'completed', attemptMade: 1, stalledCount: 0 });
    expect(events).toEqual([]);
  });

  it('"after a crash all leased jobs count as stalled"', async () => {
    let dead = false;
    const { running, waiting } = await holding(60_000, {
      around: (_operation, _args, run) => (dead ? world.never() : run()),
    });
    dead = true;
    await processOf({ by: 'second' });
    await world.clock.advance('40s');
    for (const id of [running, waiting]) {
      expect(await queueOf().getJob(id)).toMatchObject({ status: 'completed', stalledCount: 1, attemptMade: 1 });
    }
  });

  it('lets a suspect run alone all the same', async () => {
    const suspect = 'suspect';
    await queueOf().add(-1, { jobId: suspect });
    for (let death = 1; death <= 3; death += 1) {
      const ghost = new FakeOwner(`ghost ${death}`, world.backend.store);
      while ((await ghost.claim('q')).jobs.length === 0) await world.clock.advance('1s');
      await world.clock.advance('30s');
    }
    await add(300);
    const running = new Set<number>();
    const beside: number[] = [];
    const alone: number[] = [];
    await processOf({
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
    expect(begun).toHaveLength(301);
    expect(beside).toEqual([-1]);
    expect(new Set(alone)).toEqual(new Set([1]));
    expect(await queueOf().getJob(suspect)).toMatchObject({ status: 'completed', stalledCount: 3 });
  });
});
