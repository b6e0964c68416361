import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  OqronEngine,
  type Backend,
  type EngineEvents,
  type JobAbortedError,
  type JobContext,
  type OqronConfig,
} from 'oqronkit';
import { VirtualClock } from 'oqronkit/testing';
import { FakeOwner } from '../support/fake-owner.js';
import { RecordingLogger } from '../support/recording-logger.js';
import { gate, until } from '../support/until.js';
import { World } from '../support/world.js';
import { wrapBackend } from '../support/wrapped-backend.js';

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.end());

/** A process that can be killed: from then on nothing of it reaches the store. */
function mortal(config: OqronConfig = {}) {
  let dead = false;
  const kill = (): void => {
    dead = true;
  };
  const backend: Backend = wrapBackend(world.backend, (_operation, _args, run) =>
    dead ? new Promise<never>(() => undefined) : run(),
  );
  return { engine: world.engine(config, { backend }), kill };
}

describe('a process that dies', () => {
  it('its jobs are claimable elsewhere within lockTtlMs + 5 s; the attempt is refunded', async () => {
    const a = mortal();
    a.engine.worker({ topic: 'q', handler: () => world.never() });
    await a.engine.start();
    const queue = world.engine().queue<unknown, string>({ name: 'q' });
    const { id } = await queue.add(1);
    await world.clock.advance('12s');
    a.kill();
    const diedAt = world.clock.monotonic();

    const b = world.engine();
    const seen: [number, number][] = [];
    const stalled: EngineEvents['job:stalled'][] = [];
    b.on('job:stalled', (event) => stalled.push(event));
    b.worker<unknown, string>({
      topic: 'q',
      handler: (ctx) => {
        seen.push([world.clock.monotonic(), ctx.attempt]);
        return 'by b';
      },
    });
    await b.start();
    await world.clock.advance('1m');
    expect(seen).toHaveLength(1);
    expect(seen[0]?.[0]).toBeGreaterThan(diedAt);
    expect(seen[0]?.[0]).toBeLessThanOrEqual(diedAt + 35_000);
    expect(seen[0]?.[1]).toBe(1);
    expect(stalled).toEqual([{ queue: 'q', id, owner: a.engine.owner, stalledCount: 1 }]);
    const job = await queue.getJob(id);
    expect(job).toMatchObject({ status: 'completed', attemptMade: 1, stalledCount: 1, returnValue: 'by b' });
    expect(job?.timeline.map(({ event, detail }) => [event, detail])).toEqual([
      ['added', undefined],
      ['stalled', a.engine.owner],
      ['started', undefined],
      ['completed', undefined],
    ]);
  });

  it('leaves its jobs also to a process whose every slot of that queue is taken', async () => {
    const fake = new FakeOwner('ghost', world.backend.store);
    const queue = world.engine().queue<string>({ name: 'q' });
    await queue.add('orphan');
    await fake.claim('q', { leaseMs: 20_000 });
    const b = world.engine();
    const stalled: number[] = [];
    b.on('job:stalled', () => stalled.push(world.clock.monotonic()));
    b.worker({ topic: 'q', concurrency: 1, handler: () => world.clock.sleep('10m') });
    await b.start();
    await queue.add('long');
    await world.clock.advance('1m');
    expect(b.health().running).toBe(1);
    expect(stalled).toHaveLength(1);
    expect(stalled[0]).toBeLessThanOrEqual(25_000);
    expect(await queue.counts()).toMatchObject({ waiting: 1, active: 1 });
  });

  it('leaves its jobs also where nobody consumes the queue: any process sweeps it', async () => {
    const fake = new FakeOwner('ghost', world.backend.store);
    const other = world.engine();
    const queue = other.queue({ name: 'q' });
    const { id } = await queue.add('orphan');
    await fake.claim('q');
    await other.start();
    await world.clock.advance('3m');
    expect(await queue.getJob(id)).toMatchObject({ status: 'waiting', stalledCount: 1, attemptMade: 0 });
  });

  it('fails its job as crashed with guaranteedWorker: false, in the same time, with event and hook', async () => {
    const a = mortal();
    const options = { topic: 'q', guaranteedWorker: false, removeOnFail: 10 } as const;
    a.engine.worker({ ...options, handler: () => world.never() });
    await a.engine.start();
    const queue = world.engine().queue({ name: 'q' });
    const { id } = await queue.add({ n: 1 });
    await world.clock.advance('1s');
    a.kill();
    const b = world.engine();
    let runs = 0;
    const told: unknown[] = [];
    b.on('job:fail', ({ id: failed, error }) => told.push([failed, error.code]));
    const hooked: unknown[] = [];
    b.worker({
      ...options,
      handler: () => (runs += 1),
      hooks: { onFail: (job, error) => hooked.push([job.id, job.data, error.message]) },
    });
    await b.start();
    await world.clock.advance('35s');
    expect(await queue.getJob(id)).toMatchObject({
      status: 'failed',
      attemptMade: 1,
      stalledCount: 0,
      error: { name: 'StalledError', code: 'CRASHED' },
    });
    expect(told).toEqual([[id, 'CRASHED']]);
    expect(hooked).toEqual([[id, { n: 1 }, expect.stringContaining(a.engine.owner)]]);
    await world.clock.advance('10m');
    expect(runs).toBe(0);
  });

  it('can do so three times; then the job fails, with the stalls on its timeline', async () => {
    const queue = world.engine().queue({ name: 'q' });
    const { id } = await queue.add(1);
    const at: number[] = [];
    for (let death = 1; death <= 4; death += 1) {
      const fake = new FakeOwner(`ghost ${death}`, world.backend.store);
      let jobs = 0;
      while (jobs === 0) {
        ({
          jobs: { length: jobs },
        } = await fake.claim('q', { alone: true }));
        if (jobs === 0) await world.clock.advance('500ms');
      }
      at.push(world.clock.monotonic());
      await world.clock.advance('30s');
    }
    await new FakeOwner('reaper', world.backend.store).claim('q');
    // At once after the first stall, then with backoff: 2 s, 4 s.
    expect(at.map((time, i) => time - (at[i - 1] ?? 0) - (i === 0 ? 0 : 30_000))).toEqual([0, 0, 2_000, 4_000]);
    const job = await queue.getJob(id);
    expect(job).toMatchObject({ status: 'failed', stalledCount: 4, error: { code: 'STALLED_TOO_OFTEN' } });
    expect(job?.timeline.filter(({ event }) => event === 'stalled')).toHaveLength(4);
  });
});

describe('a poison job', () => {
  it('that kills every process fails at its cap; the innocents beside it all complete', async () => {
    const publisher = world.engine();
    const queue = publisher.queue<string>({ name: 'q' });
    const done: string[] = [];
    const deaths: number[] = [];
    const running = new Set<string>();
    const spawn = async (): Promise<void> => {
      const process = mortal();
      process.engine.worker<string>({
        topic: 'q',
        concurrency: 4,
        handler: async ({ data }) => {
          running.add(data);
          if (data === 'poison') {
            await world.clock.sleep(10);
            deaths.push(running.size);
            running.clear();
            process.kill();
            await world.never();
          }
          await world.clock.sleep('3s');
          if (running.delete(data)) done.push(data);
        },
      });
      await process.engine.start();
    };
    const innocents = Array.from({ length: 12 }, (_, n) => `innocent ${n}`);
    await queue.add('default', innocents[0] as string);
    const { id } = await queue.add('default', 'poison');
    await queue.addBulk(innocents.slice(1).map((data) => ({ data })));
    await spawn();
    // A supervisor that restarts what died.
    for (let second = 0; second < 900; second += 5) {
      const before = deaths.length;
      await world.clock.advance('5s');
      if (deaths.length > before) await spawn();
    }
    expect(await queue.getJob(id)).toMatchObject({
      status: 'failed',
      stalledCount: 4,
      error: { code: 'STALLED_TOO_OFTEN' },
    });
    expect(deaths).toHaveLength(4);
    // The last one, which took it past its cap, had nothing beside it.
    expect(deaths.at(-1)).toBe(1);
    expect(deaths[0]).toBeGreaterThan(1);
    expect(new Set(done)).toEqual(new Set(innocents));
    expect(await queue.counts()).toMatchObject({ completed: 12, failed: 1, waiting: 0, active: 0, delayed: 0 });
  });

  it('is run alone in its process once it stands at the cap: what runs ends first, nothing begins beside it', async () => {
    const queue = world.engine().queue<string>({ name: 'q', retries: { baseDelay: 0 } });
    const other = world.engine().queue<string>({ name: 'other' });
    const { id } = await queue.add('default', 'suspect');
    for (let death = 1; death <= 3; death += 1) {
      const ghost = new FakeOwner(`ghost ${death}`, world.backend.store);
      while ((await ghost.claim('q')).jobs.length === 0) await world.clock.advance('1s');
      await world.clock.advance('30s');
    }
    const engine = world.engine();
    const running = new Set<string>();
    const beside: string[][] = [];
    const course: string[] = [];
    const handler = async ({ data, queueName }: JobContext<string>): Promise<void> => {
      running.add(data);
      if (data === 'suspect') beside.push([...running]);
      else if (running.has('suspect')) beside.push([...running]);
      course.push(`${queueName} ${data}`);
      await world.clock.sleep('4s');
      running.delete(data);
    };
    engine.worker<string>({ topic: 'q', concurrency: 5, handler });
    engine.worker<string>({ topic: 'other', concurrency: 5, handler });
    for (const n of [1, 2, 3]) {
      await queue.add('default', `a${n}`);
      await other.add('default', `b${n}`);
    }
    await engine.start();
    await world.clock.advance('3s');
    for (const n of [4, 5]) await queue.add('default', `a${n}`);
    await other.add('default', 'b4');
    await world.clock.advance('2m');
    expect(beside).toEqual([['suspect']]);
    expect(course).toHaveLength(10);
    expect(await queue.getJob(id)).toMatchObject({ status: 'completed', stalledCount: 3 });
    expect(await queue.counts()).toMatchObject({ completed: 6, waiting: 0 });
    expect(await other.counts()).toMatchObject({ completed: 4, waiting: 0 });
  });

  it('whose claim fails is not asked for again and again, and does not hold up other queues', async () => {
    const queue = world.engine().queue<string>({ name: 'q' });
    const { id } = await queue.add('default', 'suspect');
    for (let death = 1; death <= 3; death += 1) {
      const ghost = new FakeOwner(`ghost ${death}`, world.backend.store);
      while ((await ghost.claim('q')).jobs.length === 0) await world.clock.advance('1s');
      await world.clock.advance('30s');
    }
    let broken = true;
    let refused = 0;
    const backend = wrapBackend(world.backend, (operation, args, run) => {
      const [requests] = args as [{ alone?: boolean }[]];
      if (operation !== 'claim' || !broken || !requests[0]?.alone) return run();
      refused += 1;
      return Promise.reject(new Error('the server is confused'));
    });
    const engine = world.engine({}, { backend });
    const seen: string[] = [];
    engine.worker<string>({ topic: 'q', handler: ({ data }) => seen.push(data) });
    engine.worker<string>({ topic: 'other', handler: ({ data }) => seen.push(data) });
    await engine.start();
    await world.clock.advance('5s');
    await engine.producer<string>('other').add('innocent');
    await world.clock.advance('5s');
    expect(seen).toEqual(['innocent']);
    expect(refused).toBeGreaterThan(0);
    expect(refused).toBeLessThanOrEqual(11);
    broken = false;
    await world.clock.advance('10s');
    expect(seen).toEqual(['innocent', 'suspect']);
    expect((await queue.getJob(id))?.status).toBe('completed');
  });

  it('does not stop its process for good when a neighbour never ends: others go on after 30 s', async () => {
    const queue = world.engine().queue<string>({ name: 'q' });
    await queue.add('default', 'suspect');
    for (let death = 1; death <= 3; death += 1) {
      const ghost = new FakeOwner(`ghost ${death}`, world.backend.store);
      while ((await ghost.claim('q')).jobs.length === 0) await world.clock.advance('1s');
      await world.clock.advance('30s');
    }
    const engine = world.engine();
    const course: string[] = [];
    engine.worker<string>({
      topic: 'q',
      concurrency: 2,
      handler: async ({ data }) => {
        course.push(data);
        if (data === 'endless') await world.never();
      },
    });
    await queue.add('default', 'endless');
    await engine.start();
    await world.clock.advance('10s');
    await queue.addBulk([{ data: 'x' }, { data: 'y' }]);
    await world.clock.advance('2m');
    expect(course).toEqual(['endless', 'x', 'y']);
  });
});

describe('a process that was only frozen', () => {
  /** An engine on a clock of its own: while the world's moves on, it stands still. */
  function frozen(): { engine: OqronEngine; clock: VirtualClock; log: RecordingLogger } {
    const clock = new VirtualClock();
    const log = new RecordingLogger();
    return { clock, log, engine: world.engine({ logger: log }, { clock }) };
  }

  it('cannot record anything for a job that another has taken over', async () => {
    const { engine: a, log } = frozen();
    const done = gate<string>();
    const lost: EngineEvents['worker:lost-lease'][] = [];
    const hooks: string[] = [];
    a.on('worker:lost-lease', (event) => lost.push(event));
    a.worker<unknown, string>({
      topic: 'q',
      handler: (ctx) => {
        ctx.progress(1);
        return done.opened;
      },
      hooks: { onSuccess: () => hooks.push('success'), onFail: () => hooks.push('fail') },
    });
    await a.start();
    const b = world.engine();
    const queue = b.queue<unknown, string>({
      name: 'q',
      handler: async () => {
        await world.clock.sleep('5s');
        return 'by b';
      },
    });
    const { id } = await queue.add(1);
    await until('a runs it', () => a.health().running === 1);
    const fence = (await queue.getJob(id))?.fence as number;
    await b.start();
    await world.clock.advance('32s');
    expect(await queue.getJob(id)).toMatchObject({ status: 'active', workerId: b.owner, stalledCount: 1 });
    expect((await queue.getJob(id))?.fence).toBeGreaterThan(fence);
    done.open('by a');
    await until('a has heard that it lost', () => lost.length === 1);
    await world.clock.advance('10s');
    expect(await queue.getJob(id)).toMatchObject({ status: 'completed', returnValue: 'by b', progressPercent: 0 });
    expect(hooks).toEqual([]);
    expect(log.matching('warn', /the lease was lost, the outcome of this attempt is dropped/)).toHaveLength(1);
    expect(a.health()).toMatchObject({ running: 0, zombies: 0 });
  });

  it('its handlers see the abort when it wakes up, by the next heartbeat', async () => {
    const { engine: a, clock } = frozen();
    const reasons: JobAbortedError[] = [];
    a.worker({
      topic: 'q',
      handler: async (ctx) => {
        const told = new Promise<void>((resolve) => ctx.signal.addEventListener('abort', () => resolve()));
        await Promise.race([told, clock.sleep('1h')]);
        reasons.push(ctx.signal.reason as JobAbortedError);
      },
    });
    await a.start();
    const b = world.engine();
    const queue = b.queue({ name: 'q', handler: () => 'by b' });
    await queue.add(1);
    await until('a runs it', () => a.health().running === 1);
    await b.start();
    await world.clock.advance('40s');
    expect(reasons).toEqual([]);
    await clock.advance('6s');
    expect(reasons.map(({ kind }) => kind)).toEqual(['lost']);
  });

  it('may still settle a lease that expired if nobody took the job yet', async () => {
    const { engine: a } = frozen();
    const done = gate<string>();
    a.worker<unknown, string>({ topic: 'q', handler: () => done.opened });
    await a.start();
    const queue = world.engine().queue<unknown, string>({ name: 'q' });
    const { id } = await queue.add(1);
    await until('a runs it', () => a.health().running === 1);
    await world.clock.advance('40s');
    done.open('in time after all');
    await until('it is settled', async () => (await queue.getJob(id))?.status === 'completed');
    expect(await queue.getJob(id)).toMatchObject({ returnValue: 'in time after all', stalledCount: 0 });
  });
});

describe('a lease that cannot be renewed', () => {
  it.each<[string, () => Promise<unknown>]>([
    ['hangs', () => new Promise(() => undefined)],
    ['fails', () => Promise.reject(new Error('no route'))],
  ])(
    'is given up at its local deadline when extend %s: the handler is told, its result dropped',
    async (_t, extend) => {
      const backend = wrapBackend(world.backend, (operation, _args, run) =>
        operation === 'extend' ? extend() : run(),
      );
      const a = world.engine({}, { backend });
      const told: [string, number][] = [];
      a.worker<unknown, string>({
        topic: 'q',
        handler: async (ctx) => {
          ctx.signal.addEventListener('abort', () => {
            told.push([(ctx.signal.reason as JobAbortedError).kind, world.clock.monotonic()]);
          });
          await world.clock.sleep('50s');
          return 'by a';
        },
        abortGraceMs: '10m',
      });
      await a.start();
      const queue = world.engine().queue<unknown, string>({ name: 'q' });
      const { id } = await queue.add(1);
      await world.clock.advance('10s');
      const b = world.engine();
      b.worker<unknown, string>({ topic: 'q', handler: () => 'by b' });
      await b.start();
      await world.clock.advance('50s');
      expect(told).toEqual([['lost', 29_000]]);
      expect(await queue.getJob(id)).toMatchObject({ status: 'completed', returnValue: 'by b', stalledCount: 1 });
      expect(a.health()).toMatchObject({ running: 0, zombies: 0 });
    },
  );

  it('is not renewed by a process whose job was obliterated meanwhile', async () => {
    const engine = world.engine();
    const kinds: string[] = [];
    const queue = engine.queue({
      name: 'q',
      handler: async (ctx) => {
        await world.hold(new Promise((resolve) => ctx.signal.addEventListener('abort', resolve)));
        kinds.push((ctx.signal.reason as JobAbortedError).kind);
      },
    });
    await engine.start();
    await queue.add(1);
    await world.clock.settle();
    await world.backend.store.admin.obliterate({ client: 'test', n: 1, acked: 0 }, 'q', { limit: 10, force: true });
    await world.clock.advance('5s');
    expect(kinds).toEqual(['lost']);
  });
});

describe('a handler that blocks the event loop beyond its lease', () => {
  it('has its outcome dropped; the job stalls and runs again, and the engine goes on', async () => {
    const log = new RecordingLogger();
    const engine = new OqronEngine({ logger: log });
    const runs: number[] = [];
    const queue = engine.queue<string, string>({
      name: 'q',
      concurrency: 2,
      heartbeatMs: 50,
      lockTtlMs: 200,
      pollIntervalMs: 20,
      handler: (ctx) => {
        if (ctx.data !== 'block') return 'quick';
        runs.push(ctx.attempt);
        const end = performance.now() + (runs.length === 1 ? 400 : 0);
        while (performance.now() < end);
        return `run ${runs.length}`;
      },
    });
    const lost: unknown[] = [];
    engine.on('worker:lost-lease', (event) => lost.push(event));
    await engine.start();
    try {
      const { id } = await queue.add('block');
      const other = await queue.add('quick');
      await until('both are done', async () => (await queue.count('completed')) === 2);
      expect(await queue.getJob(id)).toMatchObject({ returnValue: 'run 2', attemptMade: 1, stalledCount: 1 });
      expect(runs).toEqual([1, 1]);
      expect(lost).toHaveLength(1);
      expect((await queue.getJob(other.id))?.status).toBe('completed');
      expect(log.matching('warn', /the lease was lost/)).toHaveLength(1);
    } finally {
      await engine.stop();
    }
  });
});
