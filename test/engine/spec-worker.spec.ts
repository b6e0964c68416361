import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type {
  Backend,
  EngineEvents,
  ExecutionOptions,
  ExtendVerdict,
  OqronConfig,
  OqronEngine,
  SettleReply,
} from 'oqronkit';
import { VirtualClock } from 'oqronkit/testing';
import { until } from '../support/until.js';
import { World } from '../support/world.js';
import { wrapBackend } from '../support/wrapped-backend.js';

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.end());

const items = (n: number) => Array.from({ length: n }, (_, data) => ({ data }));
const fail = (): never => {
  throw new Error('broken');
};

/** A process that can be killed: from then on nothing of it reaches the store. */
function mortal(config: OqronConfig = {}): { engine: OqronEngine; kill: () => void } {
  let dead = false;
  const backend: Backend = wrapBackend(world.backend, (_operation, _args, run) => (dead ? world.never() : run()));
  return { engine: world.engine(config, { backend }), kill: () => void (dead = true) };
}

describe('`worker<T, R>({ topic, handler, ... })`', () => {
  it('takes every execution option of the queue', async () => {
    const every: Required<Omit<ExecutionOptions, 'processBatch' | 'batchSize' | 'schema' | 'codec'>> = {
      strategy: 'fifo',
      concurrency: 2,
      maxActive: 4,
      rate: { max: 100, duration: '1s' },
      throttle: { max: 100, duration: '1s' },
      rateLimiter: { check: () => true },
      condition: () => true,
      guaranteedWorker: true,
      heartbeatMs: 1_000,
      lockTtlMs: 10_000,
      pollIntervalMs: 500,
      prefetch: 'auto',
      maxStalledCount: 1,
      abortGraceMs: 10,
      hooks: {},
      deadLetter: { enabled: true },
      version: 1,
      retries: { max: 1, strategy: 'fixed', baseDelay: 5 },
      timeout: '1m',
      removeOnComplete: 5,
      removeOnFail: 5,
      keepHistory: 5,
      keepFailedHistory: 5,
      priority: 3,
      tags: ['t'],
      disabledBehavior: 'reject',
      maxHeldJobs: 7,
    };
    const engine = world.engine();
    engine.worker({ topic: 'q', ...every, handler: ({ data }) => (data === 0 ? fail() : 1) });
    await engine.start();
    await engine.producer('q').addBulk(items(10));
    await world.clock.advance('5s');
    expect(await engine.producer('q').counts()).toMatchObject({ completed: 5, failed: 1, waiting: 0 });
    expect(await engine.manager.getQueueInfo('q')).toMatchObject({
      version: 1,
      disabledBehavior: 'reject',
      maxHeldJobs: 7,
    });
  });

  it('concurrency default **1**', async () => {
    const engine = world.engine();
    let most = 0;
    let active = 0;
    engine.worker({
      topic: 'q',
      handler: async () => {
        most = Math.max(most, (active += 1));
        await world.clock.sleep('1s');
        active -= 1;
      },
    });
    await engine.start();
    await engine.producer('q').addBulk(items(5));
    await world.clock.advance('1m');
    expect(most).toBe(1);
    expect(await engine.producer('q').count('completed')).toBe(5);
  });

  it('no `add`', () => {
    const worker = world.engine().worker({ topic: 'q', handler: () => 1 });
    expect(worker).toEqual({ topic: 'q' });
    expect('add' in worker).toBe(false);
  });

  it('Publisher and worker share only the name and the isolation prefix', async () => {
    const ran: string[] = [];
    const spawn = async (project: string, environment: string): Promise<void> => {
      const engine = world.engine({ project, environment }, { backend: undefined });
      engine.worker<string>({ topic: 'q', handler: ({ data }) => ran.push(`${project}/${environment} ${data}`) });
      await engine.start();
      await engine.producer<string>('q').add(`of ${project}`);
    };
    await spawn('shop', 'live');
    await spawn('shop', 'test');
    await spawn('bank', 'live');
    // One store, and nothing in common but the name.
    const api = world.engine();
    const worker = world.engine();
    worker.worker<string>({ topic: 'q', handler: ({ data }) => ran.push(`worker ${data}`) });
    worker.worker<string>({ topic: 'other', handler: ({ data }) => ran.push(`other ${data}`) });
    await worker.start();
    await api.queue<string>({ name: 'q' }).add('published');
    await world.clock.advance('1s');
    expect(ran.sort()).toEqual(['bank/live of bank', 'shop/live of shop', 'shop/test of shop', 'worker published']);
  });

  it('A queue with its own handler on the same topic in the same process = warning', () => {
    const engine = world.engine();
    const warned = () => world.log.matching('warn', /has both a queue with a handler and a worker/).length;
    engine.queue({ name: 'published' });
    engine.worker({ topic: 'published', handler: () => 1 });
    expect(warned()).toBe(0);
    engine.queue({ name: 'q', handler: () => 1 });
    engine.worker({ topic: 'q', handler: () => 1 });
    expect(warned()).toBe(1);
  });
});

describe('Named handlers', () => {
  interface Mails {
    welcome: { to: string };
    reset: { token: string };
  }

  it('a worker may map job names to handlers', async () => {
    const engine = world.engine();
    const seen: string[] = [];
    engine.worker<Mails>({
      topic: 'mail',
      handlers: { welcome: ({ data }) => seen.push(data.to), reset: ({ data }) => seen.push(data.token) },
    });
    await engine.start();
    const mail = engine.producer<Mails>('mail');
    await mail.add('welcome', { to: 'ada' });
    await mail.add('reset', { token: 't' });
    await world.clock.settle();
    expect(seen).toEqual(['ada', 't']);
  });

  it('a name that this process does not know is released (attempt refunded, 5 s) for up to 10 minutes from its first such release, with an error each time that lists the known names, then failed', async () => {
    const engine = world.engine();
    engine.worker<Mails>({ topic: 'mail', handlers: { welcome: () => 1 } });
    const released: number[] = [];
    engine.on('job:released', ({ reason, delayMs }) => {
      expect([reason, delayMs]).toEqual(['unknown-name', 5_000]);
      released.push(world.clock.monotonic());
    });
    await engine.start();
    const mail = engine.producer<Mails>('mail');
    const { id } = await mail.add('reset', { token: 't' });
    await world.clock.advance(599_999);
    expect(await mail.getJob(id)).toMatchObject({ status: 'delayed', attemptMade: 0 });
    await world.clock.advance('5s');
    expect(await mail.getJob(id)).toMatchObject({ status: 'failed', error: { code: 'UNKNOWN_JOB_NAME' } });
    // It looks 250 ms after a job came due: others, who may know the name, look first.
    expect(released).toEqual(Array.from({ length: 115 }, (_, n) => n * 5_250));
    const lines = world.log.matching('error', /no handler for the name "reset"/);
    expect(lines).toHaveLength(116);
    for (const { message } of lines) expect(message).toContain('known names: "welcome"');
  });

  it('the first release is kept on the record: 10 minutes over restarts and several processes', async () => {
    const spawn = async (): Promise<OqronEngine> => {
      const engine = world.engine();
      engine.worker<Mails>({ topic: 'mail', handlers: { welcome: () => 1 } });
      await engine.start();
      return engine;
    };
    const first = await spawn();
    const mail = world.engine().producer<Mails>('mail');
    const { id } = await mail.add('reset', { token: 't' });
    await world.clock.advance('4m');
    await first.stop();
    const second = await spawn();
    await world.clock.advance('4m');
    await second.stop();
    await spawn();
    await world.clock.advance('119s');
    expect((await mail.getJob(id))?.status).toBe('delayed');
    await world.clock.advance('10s');
    expect((await mail.getJob(id))?.status).toBe('failed');
  });

  it('a rolling deploy gets through', async () => {
    const old = world.engine();
    old.worker<Mails>({ topic: 'mail', handlers: { welcome: () => 'old' } });
    await old.start();
    const mail = world.engine().producer<Mails>('mail');
    const { id } = await mail.add('reset', { token: 't' });
    await world.clock.advance('9m');
    const next = world.engine();
    next.worker<Mails>({ topic: 'mail', handlers: { welcome: () => 'new', reset: () => 'new' } });
    await next.start();
    await old.stop();
    await world.clock.advance('10s');
    expect(await mail.getJob(id)).toMatchObject({ status: 'completed', returnValue: 'new', attemptMade: 1 });
  });
});

describe('Crash recovery', () => {
  it.each([
    [30_000, 5_000],
    [6_000, 1_000],
    [90_000, 10_000],
  ])(
    'SIGKILL or OOM of a process = its jobs are claimable elsewhere within `lockTtlMs` + 5 s, with no option to switch on: lockTtlMs %d',
    async (lockTtlMs, heartbeatMs) => {
      for (const busy of [false, true]) {
        const topic = busy ? 'busy' : 'idle';
        const a = mortal();
        a.engine.worker({ topic, lockTtlMs, heartbeatMs, concurrency: 3, handler: () => world.never() });
        await a.engine.start();
        const queue = world.engine().queue<string>({ name: topic });
        await queue.addBulk(Array.from({ length: 3 }, () => ({ data: 'orphan' })));
        await world.clock.advance('20s');
        const b = world.engine();
        const at: number[] = [];
        b.on('job:stalled', () => at.push(world.clock.monotonic()));
        const handler = ({ data }: { data: string }) => (data === 'long' ? world.never() : 'by b');
        b.worker<string, unknown>({ topic, lockTtlMs, heartbeatMs, handler });
        await b.start();
        // Its only slot is taken: the jobs are taken back all the same.
        if (busy) await queue.add('default', 'long');
        await world.clock.settle();
        const diedAt = world.clock.monotonic();
        a.kill();
        await world.clock.advance(lockTtlMs + 5_000);
        expect(at).toHaveLength(3);
        expect(Math.max(...at) - diedAt).toBeLessThanOrEqual(lockTtlMs + 5_000);
        expect(await queue.counts()).toMatchObject(busy ? { waiting: 3, active: 1 } : { completed: 3, active: 0 });
      }
    },
  );

  it('`guaranteedWorker: false`: failed with `crashed` in that time', async () => {
    const a = mortal();
    const options = { topic: 'q', guaranteedWorker: false } as const;
    a.engine.worker({ ...options, handler: () => world.never() });
    await a.engine.start();
    const queue = world.engine().queue({ name: 'q' });
    const { id } = await queue.add(1);
    await world.clock.advance('20s');
    a.kill();
    let runs = 0;
    const b = world.engine();
    b.worker({ ...options, handler: () => (runs += 1) });
    await b.start();
    await world.clock.advance('35s');
    expect(await queue.getJob(id)).toMatchObject({ status: 'failed', attemptMade: 1, error: { code: 'CRASHED' } });
    await world.clock.advance('10m');
    expect(runs).toBe(0);
  });

  it('A process that was only frozen (or blocked) and wakes up later cannot record anything: its writes answer `lost`, and its handlers see the abort', async () => {
    const clock = new VirtualClock();
    const verdicts: string[] = [];
    const backend = wrapBackend(world.backend, async (operation, _args, run) => {
      const reply = await run();
      if (operation === 'extend') verdicts.push(...(reply as ExtendVerdict[]));
      if (operation === 'settle') verdicts.push(...(reply as SettleReply).verdicts);
      return reply;
    });
    const frozen = world.engine({}, { backend, clock });
    const course: unknown[] = [];
    const lost: EngineEvents['worker:lost-lease'][] = [];
    frozen.on('worker:lost-lease', (event) => lost.push(event));
    frozen.worker<string>({
      topic: 'q',
      concurrency: 2,
      handler: async (ctx) => {
        const told = new Promise<void>((resolve) => ctx.signal.addEventListener('abort', () => resolve()));
        // One of them is told by the heartbeat; the other one returns before it could be.
        await (ctx.data === 'waits' ? Promise.race([told, clock.sleep('1h')]) : clock.sleep(1));
        ctx.progress(99);
        ctx.log.error('from the grave');
        course.push([ctx.data, ctx.abortReason?.kind]);
        return 'by the frozen one';
      },
    });
    await frozen.start();
    const other = world.engine();
    const queue = other.queue<string, string>({ name: 'q', handler: () => 'by the other' });
    const jobs = [await queue.add('waits'), await queue.add('returns')];
    await until('both run there', () => frozen.health().running === 2);
    await other.start();
    await world.clock.advance('40s');
    const final = await Promise.all(jobs.map(({ id }) => queue.getJob(id)));
    expect(final).toMatchObject([1, 2].map(() => ({ status: 'completed', returnValue: 'by the other' })));
    verdicts.length = 0;
    await clock.advance('6s');
    await until('both have ended there', () => course.length === 2 && frozen.health().running === 0);
    expect(course).toEqual(
      expect.arrayContaining([
        ['waits', 'lost'],
        ['returns', undefined],
      ]),
    );
    expect(lost).toHaveLength(2);
    expect(new Set(verdicts)).toEqual(new Set(['lost']));
    expect(await Promise.all(jobs.map(({ id }) => queue.getJob(id)))).toEqual(final);
  });
});
