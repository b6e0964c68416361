import { afterEach, describe, expect, it } from '@jest/globals';
import {
  defineQueue,
  JobCancelledError,
  JobFailedError,
  OqronEngine,
  queueModule,
  systemClock,
  systemRandom,
  workerModule,
  type Clock,
  type EngineParts,
  type OqronConfig,
} from 'oqronkit';
import {
  createMemoryBackend,
  createTestEngine,
  OqronTester,
  TestKitError,
  VirtualClock,
  type TestEngine,
  type TesterOptions,
} from 'oqronkit/testing';
import { failureOf, gate, thrownBy } from '../support/until.js';

const engines: OqronEngine[] = [];
afterEach(async () => {
  for (const engine of engines.splice(0)) await engine.stop();
});

const Square = defineQueue<{ n: number }, number>('square');

function world<C extends Clock = VirtualClock>(
  config: OqronConfig = {},
  parts: EngineParts & TesterOptions & { readonly clock?: C } = {},
): TestEngine<C> {
  const made = createTestEngine(config, parts);
  engines.push(made.engine);
  return made;
}

describe('createTestEngine', () => {
  it('keeps jobs in memory whatever the configuration names, and opens nothing', async () => {
    const config: OqronConfig = {
      mode: 'redis',
      redis: 'redis://127.0.0.1:1',
      liveness: { port: 1 },
      project: 'shop',
    };
    const { engine } = world(config);
    await engine.start();
    expect(engine.health()).toMatchObject({ state: 'started', backend: 'memory' });
    expect(engine.config).toMatchObject({ project: 'shop', logger: false });
    expect(engine.config).not.toHaveProperty('redis');
  });

  it('retries without jitter', async () => {
    const { engine, tester } = world();
    const attempts: number[] = [];
    const queue = engine.queue({
      name: 'mail',
      retries: { max: 2, strategy: 'exponential', baseDelay: '2s' },
      handler: () => {
        attempts.push(tester.clock?.monotonic() ?? -1);
        throw new Error('no');
      },
    });
    await engine.start();
    await queue.add({});
    await tester.advance('1m');
    expect(attempts).toEqual([0, 2_000, 6_000]);
  });
});

describe('drain', () => {
  it('runs everything that waits, and what that adds', async () => {
    const { engine, tester } = world();
    const ran: string[] = [];
    const second = engine.queue<string>({ name: 'second', handler: ({ data }) => void ran.push(`second ${data}`) });
    const first = engine.queue<string>({
      name: 'first',
      handler: async ({ data }) => {
        ran.push(`first ${data}`);
        await second.add(data);
      },
    });
    await engine.start();
    for (const name of ['a', 'b', 'c']) await first.add(name);
    await tester.drain();
    expect(ran.toSorted()).toEqual(['first a', 'first b', 'first c', 'second a', 'second b', 'second c']);
  });

  it('waits for jobs that listeners add', async () => {
    const { engine, tester } = world();
    const ran: unknown[] = [];
    const after = engine.queue({ name: 'after', handler: ({ data }) => void ran.push(data) });
    engine.queue({ name: 'first', handler: () => 1 });
    engine.on('job:success', async ({ queue }) => {
      if (queue !== 'first') return;
      for (let i = 0; i < 20; i += 1) await new Promise(setImmediate);
      await after.add('told');
    });
    await engine.start();
    await engine.producer('first').add({});
    await tester.drain();
    expect(ran).toEqual(['told']);
  });

  it('moves time for a handler that sleeps on the clock, and not for delayed jobs', async () => {
    const { engine, tester, clock } = world();
    const queue = engine.queue<string>({ name: 'slow', handler: () => clock.sleep('90s') });
    await engine.start();
    const later = await queue.addBulk([{ data: 'now' }, { data: 'now' }, { data: 'delayed', opts: { delay: '3h' } }]);
    await tester.drain();
    expect(await queue.counts()).toMatchObject({ completed: 2, delayed: 1 });
    expect(clock.monotonic()).toBeLessThan(100_000);
    await tester.advance('4h');
    expect((await queue.getJob(later[2]?.id ?? ''))?.status).toBe('completed');
  });

  it('lists what is left and why: paused, not consumed, running', async () => {
    const { engine, tester, clock } = world({ modules: [queueModule(), workerModule({ consume: false })] });
    engine.worker({ topic: 'reports', handler: () => 1 });
    const paused = engine.queue({ name: 'paused', handler: () => 1, status: 'paused' });
    await engine.start();
    await paused.add({});
    await engine.producer('reports').add({});
    await engine.producer('nobody').add({}, { delay: '1s' });
    const error = await failureOf(tester.drain());
    expect(error).toBeInstanceOf(TestKitError);
    expect(error.message).toContain('queue "paused": 1 waiting (the queue is paused)');
    expect(error.message).toContain(
      'queue "reports": 1 waiting (nothing in this engine consumes it; worker: the worker module has consume: false)',
    );
    // Nobody can help these jobs: a day need not pass to find that out.
    expect(clock.monotonic()).toBeLessThan(60_000);
    await tester.advance('1s');
    expect((await failureOf(tester.drain())).message).toContain('queue "nobody": 1 waiting (nothing in this engine');
  });

  it('gives up on a handler that never ends, and says that it runs', async () => {
    const { engine, tester } = world({ shutdown: { timeout: 1 } }, { patience: 200 });
    const stuck = gate();
    const queue = engine.queue({ name: 'stuck', abortGraceMs: 1, handler: () => stuck.opened });
    await engine.start();
    await queue.add({});
    expect((await failureOf(tester.drain())).message).toContain('queue "stuck": 1 active');
    stuck.open();
    await tester.drain();
  });

  it('works on a real clock', async () => {
    const { engine, tester } = world({}, { clock: systemClock });
    const queue = engine.queue({
      name: 'real',
      handler: () => new Promise((done) => setTimeout(done, 20)),
    });
    await engine.start();
    await queue.addBulk([{ data: 1 }, { data: 2 }, { data: 3 }]);
    await tester.drain();
    expect(await queue.counts()).toMatchObject({ completed: 3 });
  });

  it('says that the engine has not been started', async () => {
    const { tester } = world();
    expect((await failureOf(tester.drain())).message).toContain('the engine has not been started');
  });
});

describe('advance', () => {
  it('runs delayed jobs and retries at their time', async () => {
    const { engine, tester, clock } = world();
    const at: number[] = [];
    const queue = engine.queue({
      name: 'mail',
      retries: { max: 1, strategy: 'fixed', baseDelay: '10m' },
      handler: ({ attempt }) => {
        at.push(clock.monotonic());
        if (attempt === 1) throw new Error('no');
      },
    });
    await engine.start();
    await queue.add({}, { delay: '1h' });
    await tester.advance('59m');
    expect(at).toEqual([]);
    await tester.advance('1h');
    expect(at).toEqual([3_600_000, 4_200_000]);
  });

  it('is refused on a real clock', async () => {
    const { tester } = world({}, { clock: systemClock });
    expect((await failureOf(tester.advance('1h'))).message).toContain('real clock');
  });
});

describe('waitFor', () => {
  it('answers the result, typed, of a job that has ended before, whose record is gone', async () => {
    const { engine, tester } = world();
    const square = engine.queue(Square, { removeOnComplete: true, handler: ({ data }) => data.n ** 2 });
    await engine.start();
    const job = await square.add({ n: 7 });
    await tester.drain();
    expect(await square.getJob(job.id)).toBeUndefined();
    const result: number = await tester.waitFor(job, 'completed');
    expect(result).toBe(49);
  });

  it('knows states that the job has left already', async () => {
    const { engine, tester } = world();
    const queue = engine.queue({
      name: 'flaky',
      retries: { max: 1, strategy: 'fixed', baseDelay: '10m' },
      handler: ({ attempt }) => {
        if (attempt === 1) throw new Error('no');
      },
    });
    await engine.start();
    const job = await queue.add({});
    await tester.waitFor(job, 'delayed');
    await tester.advance('10m');
    expect((await tester.waitFor(job, 'delayed')).status).toBe('completed');
    expect((await tester.waitFor(job, 'active')).attemptMade).toBe(2);
  });

  it('may be asked before the clock is moved', async () => {
    const { engine, tester } = world();
    const square = engine.queue(Square, { handler: ({ data }) => data.n ** 2 });
    await engine.start();
    const result = tester.waitFor(await square.add({ n: 3 }, { delay: '3h' }), 'completed');
    await tester.advance('3h');
    expect(await result).toBe(9);
  });

  it('rejects when the job ends otherwise', async () => {
    const { engine, tester } = world();
    const queue = engine.queue<string>({
      name: 'mail',
      retries: { max: 0 },
      handler: () => {
        throw new Error('smtp is down');
      },
    });
    await engine.start();
    const failed = await queue.add('a');
    const error = await failureOf(tester.waitFor(failed, 'completed'));
    expect(error).toBeInstanceOf(JobFailedError);
    expect(error.message).toContain('smtp is down');
    const [cancelled] = await queue.addBulk([{ data: 'b', opts: { delay: '1h' } }]);
    await cancelled?.cancel('not any more');
    expect(await failureOf(tester.waitFor(cancelled as never, 'completed'))).toBeInstanceOf(JobCancelledError);
    expect((await failureOf(tester.waitFor(cancelled as never, 'failed'))).message).toContain('cancelled');
  });

  it('says what the job does instead', async () => {
    const { engine, tester } = world();
    const queue = engine.queue({ name: 'mail', handler: () => 1 });
    await engine.start();
    const job = await queue.add({}, { delay: '3h' });
    const error = await failureOf(tester.waitFor(job, 'completed', { timeout: 50 }));
    expect(error.message).toContain(`job "${job.id}" of queue "mail" is not completed after 50 ms: delayed, due in`);
    expect(error.message).toContain('tester.advance(10800000)');
  });

  it('sees the jobs that another engine runs', async () => {
    const clock = new VirtualClock();
    const backend = createMemoryBackend({ clock });
    const api = world({ modules: [queueModule({ consume: false })] }, { clock, backend });
    const workers = world({}, { clock, backend });
    workers.engine.worker(Square, { handler: ({ data }) => data.n ** 2 });
    await api.engine.start();
    await workers.engine.start();
    const job = await api.engine.queue(Square).add({ n: 5 });
    expect(await api.tester.waitFor(job, 'completed')).toBe(25);
    await api.tester.drain();
  });
});

describe('enqueued', () => {
  it('lists what was added, with data and options, done or not, by queue', async () => {
    const { engine, tester, clock } = world();
    const square = engine.queue(Square, { removeOnComplete: true, handler: ({ data }) => data.n ** 2 });
    await engine.start();
    const payload = { n: 2 };
    await square.add('first', payload, { priority: 3, delay: '1m', tags: ['eu'], correlationId: 'c-1' });
    payload.n = 99;
    await engine.producer('other').add({ any: 'thing' });
    await tester.advance('1m');
    expect(await square.count()).toBe(0);
    const jobs = tester.enqueued(Square);
    const n: number | undefined = jobs[0]?.data.n;
    expect(n).toBe(2);
    expect(jobs).toEqual([
      {
        id: jobs[0]?.id,
        queue: 'square',
        name: 'first',
        data: { n: 2 },
        options: { priority: 3, delay: 60_000 },
        status: 'delayed',
        priority: 3,
        createdAt: clock.now() - 60_000,
        runAt: clock.now(),
        tags: ['eu'],
        dependsOn: [],
        correlationId: 'c-1',
      },
    ]);
    expect(tester.enqueued().map(({ queue }) => queue)).toEqual(['square', 'other']);
    expect(tester.enqueued('other')).toMatchObject([{ data: { any: 'thing' } }]);
  });

  it('passes over adds that found a job, and has those of handlers and bulks', async () => {
    const { engine, tester } = world();
    const parent = engine.queue({
      name: 'parent',
      handler: (ctx) => ctx.spawnChild(Square, { n: 1 }).then(() => undefined),
    });
    await engine.start();
    await parent.add({}, { jobId: 'one' });
    await parent.add({}, { jobId: 'one' });
    await tester.drain().catch(() => undefined);
    await parent.addBulk([{ data: 1 }, { data: 2 }]);
    expect(tester.enqueued('parent')).toHaveLength(3);
    expect(tester.enqueued(Square)).toMatchObject([{ data: { n: 1 }, parentId: 'one' }]);
  });

  it('works before the start, for a process that only adds', async () => {
    const { engine, tester } = world({ modules: [queueModule({ consume: false })] });
    await engine.queue(Square).add({ n: 4 });
    expect(tester.enqueued(Square)).toMatchObject([{ data: { n: 4 }, status: 'waiting' }]);
  });
});

describe('run', () => {
  it('answers the result, typed', async () => {
    const { engine, tester } = world();
    engine.queue(Square, { handler: async ({ data }) => data.n ** 2 });
    await engine.start();
    const result: number = await tester.run(Square, { n: 7 });
    expect(result).toBe(49);
    expect(await tester.run('square', { n: 8 })).toBe(64);
  });

  it('throws the very error of the handler, at the first attempt', async () => {
    const { engine, tester } = world();
    const thrown = new RangeError('too large');
    let calls = 0;
    engine.queue(Square, {
      handler: () => {
        calls += 1;
        throw thrown;
      },
    });
    await engine.start();
    expect(await failureOf(tester.run(Square, { n: 7 }))).toBe(thrown);
    expect(calls).toBe(1);
    expect(await failureOf(tester.run(Square, { n: 7 }, { attempts: 3, name: 'again' }))).toBe(thrown);
    expect(calls).toBe(4);
    expect(tester.enqueued(Square).map(({ name }) => name)).toEqual(['default', 'again']);
  });

  it('lets pass what time the job needs: delays, timeouts', async () => {
    // Four virtual hours are thousands of timers, which take their real time on a busy machine.
    const { engine, tester, clock } = world({}, { patience: '25s' });
    engine.queue({ name: 'slow', timeout: '1h', handler: () => clock.sleep('2h') });
    await engine.start();
    expect(await failureOf(tester.run('slow', {}, { delay: '3h' }))).toMatchObject({ code: 'JOB_TIMEOUT' });
    expect(clock.monotonic()).toBe(4 * 3_600_000);
  }, 30_000);

  it('takes a name before the payload, and picks jobs by it', async () => {
    const Mails = defineQueue<{ welcome: { to: string }; reset: { token: string } }, string>('mails');
    const { engine, tester } = world();
    engine.queue(Mails, {
      handlers: { welcome: ({ data }) => `welcome ${data.to}`, reset: ({ data }) => `reset ${data.token}` },
    });
    await engine.start();
    expect(await tester.run(Mails, 'welcome', { to: 'ada' })).toBe('welcome ada');
    expect(await tester.run('mails', 'reset', { token: 't' }, { attempts: 2 })).toBe('reset t');
    expect(tester.enqueued(Mails, 'reset')).toMatchObject([{ data: { token: 't' }, options: { attempts: 2 } }]);
  });

  it('says why nothing runs the job', async () => {
    const { engine, tester } = world({ modules: [queueModule({ consume: false })] });
    engine.queue(Square, { handler: () => 1 });
    await engine.start();
    const error = await failureOf(tester.run(Square, { n: 1 }));
    expect(error).toBeInstanceOf(TestKitError);
    expect(error.message).toContain('queue: the queue module has consume: false');
    expect(tester.enqueued()).toEqual([]);
  });

  it('works on a real clock', async () => {
    const { engine, tester } = world({}, { clock: systemClock });
    engine.queue(Square, { handler: async ({ data }) => data.n ** 2 });
    await engine.start();
    expect(await tester.run(Square, { n: 9 })).toBe(81);
  });
});

describe('clear', () => {
  it('deletes every job and forgets what was told', async () => {
    const { engine, tester } = world();
    const queue = engine.queue<string>({ name: 'mail', handler: () => 1 });
    await engine.start();
    await queue.add('a');
    await queue.addBulk([{ data: 'b', opts: { delay: '1h' } }]);
    await tester.drain();
    await tester.clear();
    expect(await queue.count()).toBe(0);
    expect(tester.enqueued()).toEqual([]);
    await queue.add('c');
    expect(tester.enqueued()).toHaveLength(1);
  });

  it('refuses a store that is not in memory', async () => {
    const backend = createMemoryBackend({ clock: systemClock });
    const named = {
      ...backend,
      store: Object.assign(Object.create(backend.store), {
        capabilities: { ...backend.store.capabilities, backend: 'redis' },
      }),
    };
    const { tester } = world({}, { backend: named as never });
    expect((await failureOf(tester.clear())).message).toContain('"redis" store');
  });
});

describe('an OqronTester', () => {
  it('drives an engine that was made elsewhere', async () => {
    const clock = new VirtualClock();
    const engine = new OqronEngine({ logger: false }, { clock });
    engines.push(engine);
    const tester = new OqronTester(engine);
    engine.queue(Square, { handler: ({ data }) => data.n ** 2 });
    await engine.start();
    expect(await tester.run(Square, { n: 2 })).toBe(4);
    expect(tester.clock).toBe(clock);
  });

  it('gets over timers that are due at fractions of a millisecond', async () => {
    const clock = new VirtualClock();
    const engine = new OqronEngine({ logger: false }, { clock, random: { ...systemRandom, next: () => 0.1234567 } });
    engines.push(engine);
    const tester = new OqronTester(engine);
    engine.queue({ name: 'slow', handler: () => clock.sleep('5m') });
    await engine.start();
    await tester.run('slow', {});
    await engine.producer('slow').add({});
    await tester.drain();
    expect(clock.monotonic()).toBeGreaterThanOrEqual(600_000);
    expect(clock.monotonic()).toBeLessThan(601_000);
  });

  it('refuses what is no engine', () => {
    expect(thrownBy(() => new OqronTester({} as OqronEngine))).toBeInstanceOf(TestKitError);
  });
});
