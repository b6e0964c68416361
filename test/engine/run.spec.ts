import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { defineQueue, type JobContext, type Progress } from 'oqronkit';
import { World } from '../support/world.js';

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.end());

describe('running a job', () => {
  it('runs what was added once and keeps its result', async () => {
    const engine = world.engine();
    const seen: unknown[] = [];
    const double = engine.queue<{ n: number }, number>({
      name: 'double',
      handler: (ctx) => {
        seen.push(ctx.data);
        return ctx.data.n * 2;
      },
    });
    await engine.start();
    const added = await double.add({ n: 21 });
    expect(added).toMatchObject({ created: true, status: 'waiting', queueName: 'double', name: 'default' });
    await world.clock.settle();
    const job = await double.getJob(added.id);
    expect(job).toMatchObject({
      id: added.id,
      status: 'completed',
      data: { n: 21 },
      returnValue: 42,
      attemptMade: 1,
      stalledCount: 0,
      createdAt: world.clock.now(),
      startedAt: world.clock.now(),
      finishedAt: world.clock.now(),
    });
    expect(job?.fence).toBeGreaterThan(0);
    expect(seen).toEqual([{ n: 21 }]);
    await world.clock.advance('1h');
    expect(seen).toHaveLength(1);
  });

  it('gives the handler everything that the context promises', async () => {
    const engine = world.engine({ project: 'shop', environment: 'test' });
    let told: Record<string, unknown> = {};
    const queue = engine.queue<{ to: string }>({
      name: 'mail',
      retries: { max: 2 },
      handler: async (ctx) => {
        await world.clock.sleep('2s');
        const { id, name, queueName, data, attempt, maxAttempts, priority, createdAt, duration } = ctx;
        const { project, environment, correlationId, aborted, deadline, remainingMs, timeoutMs } = ctx;
        told = { id, name, queueName, data, attempt, maxAttempts, priority, createdAt, duration };
        Object.assign(told, { project, environment, correlationId, aborted, deadline, remainingMs, timeoutMs });
      },
    });
    await engine.start();
    const at = world.clock.now();
    const { id } = await queue.add({ to: 'ada' }, { priority: 9, correlationId: 'order-7', timeout: '10s' });
    await world.clock.advance('3s');
    expect(told).toEqual({
      id,
      name: 'default',
      queueName: 'mail',
      data: { to: 'ada' },
      attempt: 1,
      maxAttempts: 3,
      priority: 9,
      createdAt: at,
      duration: 2_000,
      project: 'shop',
      environment: 'test',
      correlationId: 'order-7',
      aborted: false,
      deadline: at + 10_000,
      remainingMs: 8_000,
      timeoutMs: 10_000,
    });
  });

  it('knows no deadline without a timeout', async () => {
    const engine = world.engine();
    const seen: unknown[] = [];
    const queue = engine.queue({ name: 'q', handler: (ctx) => seen.push(ctx.deadline, ctx.remainingMs) });
    await engine.start();
    await queue.add(1);
    await world.clock.settle();
    expect(seen).toEqual([undefined, undefined]);
  });

  it.each<[string, unknown]>([
    ['null', null],
    ['false', false],
    ['zero', 0],
    ['an empty text', ''],
    ['an empty list', []],
    ['a large integer', Number.MAX_SAFE_INTEGER],
    ['text of every kind', 'ü\u0000\u2028🚀"\\'],
    ['nothing at all', undefined],
  ])('carries %s as payload and as result', async (_title, value) => {
    const engine = world.engine();
    const seen: unknown[] = [];
    const queue = engine.queue<unknown, unknown>({
      name: 'echo',
      handler: ({ data }) => {
        seen.push(data);
        return data;
      },
    });
    await engine.start();
    const { id } = await queue.add(value);
    await world.clock.settle();
    expect(seen).toEqual([value]);
    expect((await queue.getJob(id))?.returnValue).toEqual(value);
  });

  it('runs nothing before it is started, and then what waits', async () => {
    const engine = world.engine();
    let runs = 0;
    const queue = engine.queue({ name: 'q', handler: () => (runs += 1) });
    const { id } = await queue.add(1);
    await world.clock.advance('1h');
    expect(runs).toBe(0);
    await engine.start();
    await world.clock.settle();
    expect((await queue.getJob(id))?.status).toBe('completed');
  });

  it('delayed -> waiting when due: runs a delayed job then, not before', async () => {
    const engine = world.engine();
    const at: number[] = [];
    const queue = engine.queue({ name: 'q', handler: () => at.push(world.clock.monotonic()) });
    await engine.start();
    const job = await queue.add(1, { delay: '90m' });
    expect(job).toMatchObject({ status: 'delayed', runAt: world.clock.now() + 5_400_000 });
    await world.clock.advance('89m');
    expect(at).toEqual([]);
    await world.clock.advance('1m');
    expect(at).toEqual([5_400_000]);
  });

  it('goes through three delayed retries over hours on the virtual clock with no real timer armed', async () => {
    const timeout = jest.spyOn(globalThis, 'setTimeout');
    const interval = jest.spyOn(globalThis, 'setInterval');
    const engine = world.engine();
    const at: number[] = [];
    const queue = engine.queue<{ file: string }, string>({
      name: 'nightly',
      retries: { max: 3, strategy: 'exponential', baseDelay: '1h', maxDelay: '24h' },
      handler: (ctx) => {
        at.push(world.clock.monotonic());
        if (ctx.attempt < 4) throw new Error(`attempt ${ctx.attempt}`);
        return `done at ${ctx.attempt}`;
      },
    });
    await engine.start();
    const { id } = await queue.add({ file: 'a' }, { delay: '2h' });
    await world.clock.advance('24h');
    expect(timeout).not.toHaveBeenCalled();
    expect(interval).not.toHaveBeenCalled();
    jest.restoreAllMocks();
    expect(await queue.getJob(id)).toMatchObject({
      status: 'completed',
      attemptMade: 4,
      returnValue: 'done at 4',
      error: undefined,
    });
    const gaps = at.map((time, i) => (time - (at[i - 1] ?? 0)) / 3_600_000);
    expect(gaps).toHaveLength(4);
    for (const [i, hours] of [2, 1, 2, 4].entries()) {
      expect(gaps[i]).toBeGreaterThanOrEqual(i === 0 ? hours : hours * 0.8 - 0.001);
      expect(gaps[i]).toBeLessThanOrEqual(hours * 1.2 + 0.001);
    }
    const timeline = (await queue.getJob(id))?.timeline.map(({ event, attempt }) => [event, attempt]);
    expect(timeline).toEqual([
      ['added', undefined],
      ['attempt-failed', 1],
      ['attempt-failed', 2],
      ['attempt-failed', 3],
      ['started', 4],
      ['completed', undefined],
    ]);
  });

  it('failed with attempts left: error kept while it waits for the next attempt', async () => {
    const engine = world.engine();
    const queue = engine.queue({
      name: 'q',
      retries: { strategy: 'fixed', baseDelay: '10m' },
      handler: () => {
        throw Object.assign(new Error('no route'), { code: 'EHOSTUNREACH' });
      },
    });
    await engine.start();
    const { id } = await queue.add(1);
    await world.clock.settle();
    expect(await queue.getJob(id)).toMatchObject({
      status: 'delayed',
      attemptMade: 1,
      runAt: world.clock.now() + 600_000,
      error: { name: 'Error', message: 'no route', code: 'EHOSTUNREACH' },
      stacktrace: expect.stringContaining('run.spec'),
    });
  });
});

describe('named handlers', () => {
  interface Mails {
    welcome: { to: string };
    reset: { token: string };
  }

  it('get the jobs of their name; the plain handler gets the others', async () => {
    const engine = world.engine();
    const seen: string[] = [];
    const mail = engine.queue(defineQueue<Mails>('mail'), {
      handlers: {
        welcome: (ctx) => seen.push(`welcome ${ctx.data.to}`),
        reset: (ctx) => seen.push(`reset ${ctx.data.token}`),
      },
      handler: (ctx: JobContext) => seen.push(`other ${ctx.name}`),
    });
    await engine.start();
    await mail.add('welcome', { to: 'ada' });
    await mail.add('reset', { token: 't' });
    await mail.add('constructor', { welcome: { to: '' }, reset: { token: '' } });
    await world.clock.settle();
    expect(seen.sort()).toEqual(['other constructor', 'reset t', 'welcome ada']);
  });

  it('release a job of an unknown name for 5 s with the attempt refunded, and fail it after 10 minutes', async () => {
    const engine = world.engine();
    const mail = engine.queue(defineQueue<Mails>('mail'), {
      handlers: { welcome: () => undefined, reset: () => undefined },
    });
    const released: number[] = [];
    engine.on('job:released', ({ reason, delayMs }) => {
      expect([reason, delayMs]).toEqual(['unknown-name', 5_000]);
      released.push(world.clock.monotonic());
    });
    await engine.start();
    const { id } = await mail.add('goodbye', { welcome: { to: '' }, reset: { token: '' } });
    await world.clock.advance('4s');
    expect(await mail.getJob(id)).toMatchObject({ status: 'delayed', attemptMade: 0 });
    await world.clock.advance('9m');
    expect(await mail.getJob(id)).toMatchObject({ attemptMade: 0 });
    await world.clock.advance('2m');
    expect(await mail.getJob(id)).toMatchObject({ status: 'failed', error: { code: 'UNKNOWN_JOB_NAME' } });
    // Others are let go first, each time for a moment.
    expect(released).toEqual(Array.from({ length: 115 }, (_, i) => i * 5_250));
    const errors = world.log.matching('error', /no handler for the name "goodbye"/);
    expect(errors.length).toBe(released.length + 1);
    expect(errors[0]?.message).toContain('known names: "welcome", "reset"');
  });

  it('run a released job as soon as somebody who knows its name appears: a rolling deploy gets through', async () => {
    const old = world.engine();
    const queue = old.queue<Mails>({ name: 'mail', handlers: { welcome: () => undefined } });
    await old.start();
    const { id } = await queue.add('reset', { token: 't' });
    await world.clock.advance('2m');
    const next = world.engine();
    next.queue<Mails, string>({ name: 'mail', handlers: { reset: ({ data }) => `reset ${data.token}` } });
    await next.start();
    await world.clock.advance('1m');
    await old.stop();
    await world.clock.advance('20s');
    const read = next.producer<Mails, string>('mail');
    expect(await read.getJob(id)).toMatchObject({ status: 'completed', attemptMade: 1, returnValue: 'reset t' });
  });

  it('go to who knows their name, however near to the store those are who do not', async () => {
    const queue = { name: 'mail', pollIntervalMs: 4_000 };
    const old = world.engine();
    const oldMail = old.queue<Mails>({ ...queue, handlers: { welcome: () => undefined } });
    await old.start();
    const { id } = await oldMail.add('reset', { token: 't' });
    await world.clock.advance('1s');
    // Its timers come behind those of the first one, for the same instants.
    const next = world.engine();
    next.queue<Mails, string>({ ...queue, handlers: { reset: ({ data }) => `reset ${data.token}` } });
    await next.start();
    await world.clock.advance('15s');
    expect(await oldMail.getJob(id)).toMatchObject({ status: 'completed', returnValue: 'reset t' });
  });

  it('count the 10 minutes from the first such release, not over the whole life of a job', async () => {
    const engine = world.engine();
    let known = false;
    const queue = engine.queue<Mails>({ name: 'mail', handlers: { welcome: () => undefined } });
    await engine.start();
    const { id } = await queue.add('reset', { token: 't' });
    await world.clock.advance('8m');
    engine.queue<Mails>({
      name: 'mail',
      handlers: {
        reset: () => {
          known = true;
          throw new Error('not now');
        },
      },
      retries: { strategy: 'fixed', baseDelay: '1s' },
    });
    await world.passUntil(
      (async () => {
        while (!known) await world.clock.sleep('100ms');
      })(),
    );
    engine.queue<Mails>({ name: 'mail', handlers: { welcome: () => undefined } });
    await world.clock.advance('8m');
    expect((await queue.getJob(id))?.status).toBe('delayed');
    await world.clock.advance('3m');
    expect((await queue.getJob(id))?.status).toBe('failed');
  });
});

describe('progress', () => {
  it('clamps to 0..100, is kept on the record, and told as it happens', async () => {
    const engine = world.engine();
    const told: Progress[] = [];
    engine.on('job:progress', ({ progress }) => told.push(progress));
    const queue = engine.queue({
      name: 'q',
      handler: (ctx) => {
        ctx.progress(-5);
        ctx.progress(33.3, 'thinking');
        ctx.progress(Number.NaN);
        ctx.progress(1e9, { files: 3 });
        expect(ctx.getProgress()).toEqual({ percent: 100, detail: { files: 3 } });
      },
    });
    await engine.start();
    const { id } = await queue.add(1);
    await world.clock.settle();
    expect(told).toEqual([
      { percent: 0 },
      { percent: 33.3, label: 'thinking' },
      { percent: 0 },
      { percent: 100, detail: { files: 3 } },
    ]);
    expect(await queue.getJob(id)).toMatchObject({
      status: 'completed',
      progress: { files: 3 },
      progressPercent: 100,
      progressLabel: undefined,
    });
  });

  it('is on the record while the job runs, at most 100 ms late', async () => {
    const engine = world.engine();
    const queue = engine.queue({
      name: 'q',
      handler: async (ctx) => {
        ctx.progress(40, 'half way');
        await world.clock.sleep('10s');
      },
    });
    await engine.start();
    const { id } = await queue.add(1);
    await world.clock.advance(100);
    expect(await queue.getJob(id)).toMatchObject({ status: 'active', progressPercent: 40, progressLabel: 'half way' });
  });

  it('is seen by the next attempt', async () => {
    const engine = world.engine();
    const seen: unknown[] = [];
    const queue = engine.queue({
      name: 'q',
      retries: { strategy: 'fixed', baseDelay: '1s' },
      handler: (ctx) => {
        seen.push(ctx.getProgress());
        ctx.progress(60, { cursor: 17 });
        if (ctx.attempt === 1) throw new Error('once more');
      },
    });
    await engine.start();
    await queue.add(1);
    await world.clock.advance('5s');
    expect(seen).toEqual([undefined, { percent: 60, detail: { cursor: 17 } }]);
  });

  it('is a copy: the handler may go on changing what it passed; what is not JSON becomes a remark', async () => {
    const engine = world.engine();
    const loop: { self?: unknown } = {};
    loop.self = loop;
    const seen: unknown[] = [];
    const queue = engine.queue({
      name: 'q',
      handler: (ctx) => {
        const state = { files: 1 };
        ctx.progress(1, state);
        state.files = 2;
        seen.push(ctx.getProgress()?.detail);
        ctx.progress(2, loop);
        seen.push(ctx.getProgress()?.detail);
        ctx.progress(3, { text: 'x'.repeat(100_000) });
        seen.push(ctx.getProgress()?.detail);
      },
    });
    await engine.start();
    const { id } = await queue.add(1);
    await world.clock.settle();
    expect(seen).toEqual([
      { files: 1 },
      expect.stringMatching(/^\(not JSON/),
      expect.stringMatching(/too long to keep/),
    ]);
    expect((await queue.getJob(id))?.status).toBe('completed');
  });
});

describe("a job's log", () => {
  it('keeps what the handler wrote, of every attempt, in order', async () => {
    const engine = world.engine();
    const queue = engine.queue({
      name: 'q',
      retries: { strategy: 'fixed', baseDelay: '1s' },
      handler: async (ctx) => {
        ctx.log('info', `attempt ${ctx.attempt}`, { n: ctx.attempt });
        await world.clock.sleep('1s');
        ctx.log.debug('d');
        ctx.log.info('i');
        ctx.log.warn('w');
        ctx.log.error('e\u0000', new Map());
        if (ctx.attempt === 1) throw new Error('once more');
      },
    });
    await engine.start();
    const at = world.clock.now();
    const { id } = await queue.add(1);
    await world.clock.advance('10s');
    const logs = (await queue.getJob(id))?.logs ?? [];
    expect(logs.map(({ level, message }) => `${level} ${message}`)).toEqual([
      'info attempt 1',
      'debug d',
      'info i',
      'warn w',
      'error e\ufffd',
      'info attempt 2',
      'debug d',
      'info i',
      'warn w',
      'error e\ufffd',
    ]);
    expect(logs[0]).toEqual({ at, level: 'info', message: 'attempt 1', meta: { n: 1 } });
    expect(logs[1]?.at).toBe(at + 1_000);
  });

  it('keeps the newest lines up to observability.maxJobLogs', async () => {
    const engine = world.engine({ observability: { maxJobLogs: 3 } }, { backend: undefined });
    const queue = engine.queue({
      name: 'q',
      handler: (ctx) => {
        for (let i = 1; i <= 10; i += 1) ctx.log.info(`line ${i}`);
      },
    });
    await engine.start();
    const { id } = await queue.add(1);
    await world.clock.settle();
    expect((await queue.getJob(id))?.logs.map(({ message }) => message)).toEqual(['line 8', 'line 9', 'line 10']);
  });
});
