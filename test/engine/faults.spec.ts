import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { StoreUnreachableError, UnknownOutcomeError, type Signals } from 'oqronkit';
import { seededRandom } from '../support/seeded-random.js';
import { failureOf } from '../support/until.js';
import { World } from '../support/world.js';
import { wrapBackend, type Around, type StoreOperation } from '../support/wrapped-backend.js';

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.end());

const unreachable = (operation: StoreOperation) => new StoreUnreachableError(operation);

/** Loses `share` of the replies: the store has done what was asked, and nobody hears of it. */
function losesReplies(share: number, seed: number): Around {
  const random = seededRandom(seed);
  return async (operation, _args, run) => {
    const reply = await run();
    if (random.next() < share) throw unreachable(operation);
    return reply;
  };
}

/** Loses `share` of the calls before they arrive. */
function losesCalls(share: number, seed: number): Around {
  const random = seededRandom(seed);
  return async (operation, _args, run) => {
    if (random.next() < share) throw unreachable(operation);
    return run();
  };
}

describe('a connection that breaks again and again', () => {
  it.each<[string, (seed: number) => Around]>([
    ['replies are lost after the store has executed', (seed) => losesReplies(0.25, seed)],
    ['calls are lost before they arrive', (seed) => losesCalls(0.25, seed)],
  ])('runs 2 000 jobs exactly once each when %s', async (_title, faulty) => {
    const JOBS = 2_000;
    const engines = [1, 2].map((seed) => world.engine({}, { backend: wrapBackend(world.backend, faulty(seed)) }));
    const runs = Array.from({ length: JOBS }, () => 0);
    const told = { success: 0, retry: 0, fail: 0, lost: 0 };
    for (const engine of engines) {
      engine.on('job:success', () => (told.success += 1));
      engine.on('job:retry', () => (told.retry += 1));
      engine.on('job:fail', () => (told.fail += 1));
      engine.on('worker:lost-lease', () => (told.lost += 1));
      engine.worker<number>({
        topic: 'q',
        concurrency: 20,
        retries: { max: 1, strategy: 'fixed', baseDelay: 100 },
        handler: async ({ data, attempt }) => {
          runs[data] = (runs[data] as number) + 1;
          await world.clock.sleep(1 + (data % 50));
          if (data % 100 === 7 && attempt === 1) throw new Error('once more');
          if (data % 100 === 8) throw new Error('always');
          return data;
        },
      });
      await world.passUntil(engine.start());
    }
    const queue = engines[0]?.queue<number>({ name: 'q' });
    const adding = Array.from({ length: JOBS }, async (_, n) => queue?.add(n));
    const added = await world.passUntil(Promise.all(adding), '100ms');
    expect(new Set(added.map((job) => job?.id)).size).toBe(JOBS);
    expect(added.every((job) => job?.created)).toBe(true);
    const read = world.engine().producer('q');
    for (let second = 0; second < 300; second += 1) {
      await world.clock.advance('1s');
      const { completed, failed } = await read.counts();
      if (completed + failed === JOBS) break;
    }
    await world.clock.advance('1m');
    expect(await read.counts()).toEqual({
      waiting: 0,
      delayed: 0,
      'waiting-children': 0,
      paused: 0,
      active: 0,
      completed: JOBS - 20,
      failed: 20,
      cancelled: 0,
    });
    const expected = (n: number): number => (n % 100 === 7 || n % 100 === 8 ? 2 : 1);
    expect(runs.flatMap((count, n) => (count === expected(n) ? [] : [[n, count]]))).toEqual([]);
    expect(told).toEqual({ success: JOBS - 20, retry: 40, fail: 20, lost: 0 });
    expect(JSON.stringify((await read.getJobs({ status: 'completed' })).jobs.map((job) => job.stalledCount))).toBe(
      JSON.stringify(Array(100).fill(0)),
    );
  });

  it('adds a job once, however often its reply is lost, and answers as if nothing had happened', async () => {
    let lost = 5;
    const engine = world.engine(
      {},
      {
        backend: wrapBackend(world.backend, async (operation, _args, run) => {
          const reply = await run();
          if (operation === 'enqueue' && (lost -= 1) >= 0) throw unreachable(operation);
          return reply;
        }),
      },
    );
    const queue = engine.queue({ name: 'q' });
    const job = await world.passUntil(queue.add({ n: 1 }, { jobId: 'x' }));
    expect(job).toMatchObject({ id: 'x', created: true });
    expect(await queue.count()).toBe(1);
  });

  it('says after 30 s that it does not know whether an add arrived; adding the same id again is safe', async () => {
    let cut = true;
    const engine = world.engine(
      {},
      {
        backend: wrapBackend(world.backend, async (operation, _args, run) => {
          const reply = await run();
          if (operation === 'enqueue' && cut) throw unreachable(operation);
          return reply;
        }),
      },
    );
    const queue = engine.queue({ name: 'q' });
    const failing = failureOf<UnknownOutcomeError>(queue.add(1, { jobId: 'x' }));
    const error = await world.passUntil(failing);
    expect(error).toBeInstanceOf(UnknownOutcomeError);
    expect(error.message).toMatch(/Queue\.add \(queue "q"\): no reply from the store for 3\d{4} ms/);
    cut = false;
    expect(await queue.add(2, { jobId: 'x' })).toMatchObject({ created: false, data: 1 });
  });

  it('prefetch given back: does not begin a job whose lease may be over by the time the claim is answered', async () => {
    let slow = false;
    const engine = world.engine(
      {},
      {
        backend: wrapBackend(world.backend, async (operation, _args, run) => {
          const reply = await run();
          if (operation === 'claim' && slow) await world.clock.sleep('6s');
          return reply;
        }),
      },
    );
    const course: unknown[] = [];
    engine.on('job:released', ({ reason }) => course.push(reason));
    const queue = engine.queue({
      name: 'q',
      heartbeatMs: '1s',
      lockTtlMs: '5s',
      handler: ({ attempt, fence }) => course.push([world.clock.monotonic(), attempt, fence]),
    });
    await engine.start();
    await world.clock.advance('1s');
    slow = true;
    const { id } = await queue.add(1);
    await world.clock.settle();
    const first = (await queue.getJob(id))?.fence as number;
    await world.clock.advance('20s');
    // Claimed at 1 s for 5 s, answered at 7 s: handed back, and claimed anew with the same call.
    expect(course).toEqual(['prefetch', [7_000, 1, expect.any(Number)]]);
    const job = await queue.getJob(id);
    expect(job).toMatchObject({ status: 'completed', attemptMade: 1, stalledCount: 0 });
    expect(job?.fence).toBeGreaterThan(first);
  });

  it('reports a claim that fails, waits a second, and goes on: no loop dies', async () => {
    let broken = 0;
    const engine = world.engine(
      {},
      {
        backend: wrapBackend(world.backend, (operation, _args, run) => {
          if (operation === 'claim' && broken > 0) {
            broken -= 1;
            return Promise.reject(new Error('the server is confused'));
          }
          return run();
        }),
      },
    );
    const errors: unknown[] = [];
    engine.on('error', ({ where }) => errors.push(where));
    const at: number[] = [];
    const queue = engine.queue({ name: 'q', handler: () => at.push(world.clock.monotonic()) });
    await engine.start();
    await world.clock.settle();
    broken = 3;
    await queue.add(1);
    await world.clock.advance('1m');
    expect(at).toEqual([3_000]);
    expect(errors).toEqual(Array(3).fill('WorkerLoop (queue "q")'));
  });

  it('runs a job again whose outcome could not be recorded, and says so', async () => {
    let broken = 1;
    const engine = world.engine(
      {},
      {
        backend: wrapBackend(world.backend, (operation, _args, run) => {
          if (operation === 'settle' && (broken -= 1) >= 0) return Promise.reject(new Error('the disk is full'));
          return run();
        }),
      },
    );
    let runs = 0;
    const queue = engine.queue({ name: 'q', handler: () => (runs += 1) });
    await engine.start();
    const { id } = await queue.add(1);
    await world.clock.advance('36s');
    expect(runs).toBe(2);
    expect(await queue.getJob(id)).toMatchObject({ status: 'completed', returnValue: 2, stalledCount: 1 });
    expect(world.log.matching('error', /the outcome could not be recorded/)).toHaveLength(1);
  });
});

describe('hints', () => {
  /** Signals that drop what `drop` says. */
  const lossy = (drop: (kind: string) => boolean): Signals => {
    const { signals } = world.backend;
    return {
      listen: (process, onMessage, onGap) =>
        signals.listen(process, (message) => void (drop(message.kind) || onMessage(message)), onGap),
      send: (process, message) => signals.send(process, message),
      broadcast: (message) => signals.broadcast(message),
      passOn: (queue, from) => signals.passOn(queue, from),
    };
  };

  /** How long a job waits on an idle queue (ms) before it is started. */
  async function latency(signals: Signals, pollIntervalMs: number): Promise<number> {
    const engine = world.engine({}, { backend: { ...world.backend, signals } });
    const at: number[] = [];
    const queue = engine.queue({ name: 'q', pollIntervalMs, handler: () => at.push(world.clock.monotonic()) });
    await engine.start();
    await world.clock.advance('33333ms');
    const before = world.clock.monotonic();
    await queue.add(1);
    await world.clock.advance('1m');
    expect(at).toHaveLength(1);
    return (at[0] as number) - before;
  }

  it('start a job at once, without any poll', async () => {
    expect(
      await latency(
        lossy(() => false),
        1_000,
      ),
    ).toBe(0);
  });

  it('when all are lost, a job starts within pollIntervalMs: the channel is not proven', async () => {
    expect(
      await latency(
        lossy(() => true),
        1_500,
      ),
    ).toBeLessThanOrEqual(1_500);
  });

  it('when only wake-ups are lost, a job starts within 10 s', async () => {
    expect(
      await latency(
        lossy((kind) => kind === 'wake'),
        500,
      ),
    ).toBeLessThanOrEqual(10_000);
  });

  it('when the channel breaks later, the process notices and looks for itself again', async () => {
    let broken = false;
    const engine = world.engine({}, { backend: { ...world.backend, signals: lossy(() => broken) } });
    const at: number[] = [];
    const queue = engine.queue({ name: 'q', handler: () => at.push(world.clock.monotonic()) });
    await engine.start();
    await world.clock.advance('20s');
    expect(engine.health().signals).toBe(true);
    broken = true;
    await world.clock.advance('11s');
    expect(engine.health().signals).toBe(false);
    const before = world.clock.monotonic();
    await queue.add(1);
    await world.clock.advance('1m');
    expect((at[0] as number) - before).toBeLessThanOrEqual(1_000);
    broken = false;
    await world.clock.advance('11s');
    expect(engine.health().signals).toBe(true);
  });

  it('reach another process when the hinted one is busy', async () => {
    const busy = world.engine();
    busy.worker({ topic: 'q', concurrency: 1, pollIntervalMs: '1h', handler: () => world.clock.sleep('1h') });
    const idle = world.engine();
    const at: number[] = [];
    idle.worker({ topic: 'q', pollIntervalMs: '1h', handler: () => at.push(world.clock.monotonic()) });
    await busy.start();
    await world.clock.settle();
    const queue = world.engine().queue({ name: 'q' });
    await queue.add('for the busy one');
    await world.clock.advance('1s');
    expect(busy.health().running).toBe(1);
    await idle.start();
    await world.clock.settle();
    await queue.add('for the idle one');
    await world.clock.settle();
    expect(at).toEqual([1_000]);
  });

  it('are passed on by a process that was idle and now ends', async () => {
    const ending = world.engine({ shutdown: { timeout: '1h' } });
    ending.worker({ topic: 'q', pollIntervalMs: '1h', handler: () => 1 });
    ending.worker({ topic: 'long', handler: () => world.clock.sleep('10m') });
    await ending.start();
    await ending.producer('long').add(1);
    await world.clock.settle();
    const other = world.engine();
    const at: number[] = [];
    other.worker({ topic: 'q', pollIntervalMs: '1h', handler: () => at.push(world.clock.monotonic()) });
    await other.start();
    await world.clock.advance('1s');
    const draining = ending.drain();
    await world.clock.advance('1s');
    await other.producer('q').add(1);
    await world.clock.settle();
    expect(at).toEqual([2_000]);
    await world.passUntil(draining, '10s');
  });

  it('wake two processes for two jobs', async () => {
    const at: string[] = [];
    for (const name of ['a', 'b']) {
      const engine = world.engine();
      engine.worker({
        topic: 'q',
        concurrency: 1,
        pollIntervalMs: '1h',
        handler: async () => {
          at.push(`${name} ${world.clock.monotonic()}`);
          await world.clock.sleep('10m');
        },
      });
      await engine.start();
    }
    await world.clock.settle();
    await world
      .engine()
      .producer('q')
      .addBulk([{ data: 1 }, { data: 2 }]);
    await world.clock.settle();
    expect(at.sort()).toEqual(['a 0', 'b 0']);
  });
});

describe('an idle engine', () => {
  /** Calls to the store by an engine with idle queues, per minute; of claims each queue counts. */
  async function idleCalls(queues: number, signals: Signals): Promise<Record<string, number>> {
    const calls: Record<string, number> = {};
    const backend = wrapBackend(
      world.backend,
      (operation, args, run) => {
        const looks = operation === 'claim' ? (args[0] as unknown[]).length : 1;
        calls[operation] = (calls[operation] ?? 0) + looks;
        return run();
      },
      { signals },
    );
    const engine = world.engine({}, { backend });
    for (let n = 0; n < queues; n += 1) engine.worker({ topic: `q${n}`, handler: () => 1 });
    await engine.start();
    await world.clock.advance('1m');
    for (const operation of Object.keys(calls)) delete calls[operation];
    await world.clock.advance('3m');
    return Object.fromEntries(Object.entries(calls).map(([operation, n]) => [operation, n / 3]));
  }

  it('with 100 queues on a proven channel looks into each no more than every 10 s, and sweeps once a minute', async () => {
    const { claim = 0, sweep = 0, ...others } = await idleCalls(100, world.backend.signals);
    expect(claim).toBeLessThanOrEqual(600);
    expect(claim).toBeGreaterThan(0);
    expect(sweep).toBeLessThanOrEqual(2);
    expect(others).toEqual({});
  });

  it('without a channel looks into each no more than once a second', async () => {
    const silent: Signals = {
      listen: () => Promise.resolve(() => Promise.resolve()),
      send: () => Promise.resolve(),
      broadcast: () => Promise.resolve(),
      passOn: () => Promise.resolve(),
    };
    const { claim = 0, sweep = 0, ...others } = await idleCalls(10, silent);
    expect(claim).toBeLessThanOrEqual(600);
    expect(claim).toBeGreaterThan(300);
    expect(sweep).toBeLessThanOrEqual(2);
    expect(others).toEqual({});
  });
});
