import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { JobAbortedError, type EngineEvents, type JobContext } from 'oqronkit';
import { gate } from '../support/until.js';
import { World } from '../support/world.js';

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.end());

/** Resolves with the reason when the handler is told to stop; parked on the clock meanwhile. */
function aborted(ctx: JobContext): Promise<JobAbortedError> {
  return world.hold(
    new Promise((resolve) => {
      ctx.signal.addEventListener('abort', () => resolve(ctx.signal.reason as JobAbortedError));
    }),
  );
}

describe('a timeout', () => {
  it('aborts the handler, fails the attempt with JobTimeoutError, and is retried like any failure', async () => {
    const engine = world.engine();
    const reasons: JobAbortedError[] = [];
    const retries: EngineEvents['job:retry'][] = [];
    engine.on('job:retry', (event) => retries.push(event));
    const queue = engine.queue<unknown, string>({
      name: 'q',
      timeout: '10s',
      retries: { max: 1, strategy: 'fixed', baseDelay: '5s' },
      handler: async (ctx) => {
        if (ctx.attempt === 2) return 'second time lucky';
        reasons.push(await aborted(ctx));
        expect(ctx.aborted).toBe(true);
        return 'too late';
      },
    });
    await engine.start();
    const { id } = await queue.add(1);
    await world.clock.advance('9999ms');
    expect((await queue.getJob(id))?.status).toBe('active');
    await world.clock.advance(1);
    expect(reasons).toHaveLength(1);
    expect(reasons[0]).toBeInstanceOf(JobAbortedError);
    expect(reasons[0]?.kind).toBe('timeout');
    expect(await queue.getJob(id)).toMatchObject({
      status: 'delayed',
      attemptMade: 1,
      error: { name: 'JobTimeoutError', code: 'JOB_TIMEOUT', message: expect.stringContaining('10000 ms') },
    });
    expect(retries).toMatchObject([{ id, attempt: 1, delayMs: 5_000 }]);
    await world.clock.advance('5s');
    expect(await queue.getJob(id)).toMatchObject({ status: 'completed', returnValue: 'second time lucky' });
  });

  it('ends the job when no attempt is left, and ignores what the handler does afterwards', async () => {
    const engine = world.engine();
    const done = gate<string>();
    const failed: string[] = [];
    const queue = engine.queue<unknown, string>({
      name: 'q',
      timeout: '10s',
      retries: { max: 0 },
      handler: () => world.hold(done.opened),
      hooks: { onFail: (_job, error) => failed.push(error.name), onSuccess: () => failed.push('success?') },
    });
    await engine.start();
    const { id } = await queue.add(1);
    await world.clock.advance('11s');
    const after = await queue.getJob(id);
    expect(after).toMatchObject({ status: 'failed', error: { code: 'JOB_TIMEOUT' } });
    done.open('late result');
    await world.clock.advance('1s');
    expect(await queue.getJob(id)).toEqual(after);
    expect(failed).toEqual(['JobTimeoutError']);
  });

  it('is not set by itself: a handler that never returns keeps its slot and its lease, and nobody else takes its job', async () => {
    const engine = world.engine();
    const rival = world.engine();
    const started: [string, number][] = [];
    for (const each of [engine, rival]) {
      each.worker<string>({
        topic: 'q',
        concurrency: 2,
        handler: ({ data, attempt }) => {
          started.push([data, attempt]);
          return data === 'endless' ? world.never() : undefined;
        },
      });
    }
    await engine.start();
    const queue = engine.producer<string>('q');
    const { id } = await queue.add('endless');
    await world.clock.settle();
    await rival.start();
    await world.clock.advance('20m');
    for (let n = 0; n < 10; n += 1) await queue.add('quick');
    await world.clock.advance('1m');
    expect(started.filter(([data]) => data === 'endless')).toEqual([['endless', 1]]);
    expect(await queue.getJob(id)).toMatchObject({ status: 'active', workerId: engine.owner, stalledCount: 0 });
    expect(await queue.counts()).toMatchObject({ active: 1, completed: 10 });
    expect(engine.health()).toMatchObject({ running: 1, zombies: 0 });
  });

  it('does nothing to a handler that is done in time', async () => {
    const engine = world.engine();
    let signal: AbortSignal | undefined;
    const queue = engine.queue({
      name: 'q',
      timeout: '10s',
      handler: async (ctx) => {
        ({ signal } = ctx);
        await world.clock.sleep('9s');
      },
    });
    await engine.start();
    const { id } = await queue.add(1);
    await world.clock.advance('1m');
    expect(signal?.aborted).toBe(false);
    expect((await queue.getJob(id))?.status).toBe('completed');
  });

  it('keeps the slot until the handler returns', async () => {
    const engine = world.engine();
    const first = gate();
    const started: unknown[] = [];
    const queue = engine.queue<number>({
      name: 'q',
      concurrency: 1,
      timeout: '10s',
      abortGraceMs: '1h',
      retries: { max: 0 },
      handler: async ({ data }) => {
        started.push(data);
        if (data === 1) await world.hold(first.opened);
      },
    });
    await engine.start();
    await queue.add(1);
    await queue.add(2);
    await world.clock.advance('1m');
    expect(started).toEqual([1]);
    expect(engine.health()).toMatchObject({ running: 0, zombies: 0 });
    first.open();
    await world.clock.settle();
    expect(started).toEqual([1, 2]);
  });

  it('gives the slot back after abortGraceMs and counts the handler as a zombie until it returns', async () => {
    const engine = world.engine();
    const first = gate();
    const started: [unknown, number][] = [];
    const queue = engine.queue<number>({
      name: 'q',
      concurrency: 1,
      timeout: '10s',
      abortGraceMs: '20s',
      retries: { max: 0 },
      handler: async ({ data }) => {
        started.push([data, world.clock.monotonic()]);
        if (data === 1) await world.hold(first.opened);
      },
    });
    await engine.start();
    await queue.add(1);
    await queue.add(2);
    await world.clock.advance('29s');
    expect(started).toEqual([[1, 0]]);
    expect(engine.health().zombies).toBe(0);
    await world.clock.advance('1s');
    expect(started).toEqual([
      [1, 0],
      [2, 30_000],
    ]);
    expect(engine.health()).toMatchObject({ running: 0, zombies: 1 });
    expect(world.log.matching('error', /ignores its abort signal and still runs/)).toHaveLength(1);
    first.open();
    await world.clock.settle();
    expect(engine.health().zombies).toBe(0);
  });

  it('lets a handler that ignores its signal run on beside its retry, with both in their own context', async () => {
    const engine = world.engine();
    const seen: [number, boolean][] = [];
    const queue = engine.queue({
      name: 'q',
      timeout: '10s',
      abortGraceMs: 0,
      retries: { max: 1, strategy: 'fixed', baseDelay: 0 },
      handler: async (ctx) => {
        await world.clock.sleep('15s');
        seen.push([ctx.attempt, ctx.aborted]);
        ctx.progress(99);
        ctx.log.info('from the grave');
      },
    });
    await engine.start();
    const { id } = await queue.add(1);
    await world.clock.advance('1m');
    expect(seen).toEqual([
      [1, true],
      [2, true],
    ]);
    expect(await queue.getJob(id)).toMatchObject({ status: 'failed', attemptMade: 2, progressPercent: 0, logs: [] });
  });
});

describe('cancel', () => {
  it('ends a waiting job with a tombstone that names the reason; it never runs', async () => {
    const engine = world.engine();
    let runs = 0;
    const queue = engine.queue({ name: 'q', handler: () => (runs += 1), status: 'paused' });
    await engine.start();
    const job = await queue.add(1);
    await world.clock.advance('1s');
    expect(await job.cancel('not needed')).toBe('cancelled');
    await queue.resume();
    await world.clock.advance('1m');
    expect(runs).toBe(0);
    expect(await queue.getJob(job.id)).toMatchObject({
      status: 'cancelled',
      reason: 'not needed',
      finishedAt: world.clock.now() - 60_000,
      data: 1,
    });
    expect(await queue.counts()).toMatchObject({ waiting: 0, cancelled: 1 });
  });

  it('ends a delayed job, and one that waits for its retry', async () => {
    const engine = world.engine();
    const queue = engine.queue({
      name: 'q',
      retries: { strategy: 'fixed', baseDelay: '1h' },
      handler: () => {
        throw new Error('once');
      },
    });
    await engine.start();
    const delayed = await queue.add(1, { delay: '1h' });
    const failing = await queue.add(2);
    await world.clock.settle();
    expect(await delayed.cancel()).toBe('cancelled');
    expect(await failing.cancel('give up')).toBe('cancelled');
    await world.clock.advance('90m');
    expect(await queue.getJob(delayed.id)).toMatchObject({ status: 'cancelled', attemptMade: 0, reason: undefined });
    expect(await queue.getJob(failing.id)).toMatchObject({ status: 'cancelled', attemptMade: 1, reason: 'give up' });
  });

  it('tells a running handler at once, wherever it runs, and ignores its late result', async () => {
    const api = world.engine();
    const worker = world.engine();
    const reasons: JobAbortedError[] = [];
    const queue = api.queue<unknown, string>({ name: 'q' });
    worker.worker({
      topic: 'q',
      handler: async (ctx) => {
        reasons.push(await aborted(ctx));
        ctx.progress(100);
        return 'late';
      },
    });
    await api.start();
    await worker.start();
    const job = await queue.add(1);
    await world.clock.advance('1s');
    expect((await queue.getJob(job.id))?.status).toBe('active');
    expect(await job.cancel('changed my mind')).toBe('cancelled');
    await world.clock.settle();
    expect(reasons.map(({ kind, message }) => [kind, message.includes('changed my mind')])).toEqual([
      ['cancelled', true],
    ]);
    await world.clock.advance('1m');
    expect(await queue.getJob(job.id)).toMatchObject({
      status: 'cancelled',
      reason: 'changed my mind',
      returnValue: undefined,
      progressPercent: 0,
    });
    expect(worker.health()).toMatchObject({ running: 0, zombies: 0 });
  });

  it('reaches the handler at the latest with the next heartbeat, when the control message is lost', async () => {
    const { signals } = world.backend;
    const mute = {
      ...world.backend,
      signals: {
        listen: signals.listen.bind(signals),
        passOn: signals.passOn.bind(signals),
        broadcast: signals.broadcast.bind(signals),
        send: async () => {},
      },
    };
    const engine = world.engine({}, { backend: mute });
    const kinds: string[] = [];
    let toldAt = 0;
    const queue = engine.queue({
      name: 'q',
      handler: async (ctx) => {
        kinds.push((await aborted(ctx)).kind);
        toldAt = world.clock.monotonic();
      },
    });
    await engine.start();
    const job = await queue.add(1);
    await world.clock.advance('1s');
    await job.cancel();
    await world.clock.advance('3s');
    expect(kinds).toEqual([]);
    await world.clock.advance('2s');
    expect(kinds).toEqual(['cancelled']);
    expect(toldAt).toBe(5_000);
  });

  it('refuses the outcome of a handler that returned before it was told', async () => {
    const engine = world.engine({}, { backend: { ...world.backend, signals: silent() } });
    const done = gate<string>();
    const lost: unknown[] = [];
    engine.on('worker:lost-lease', (event) => lost.push(event));
    const queue = engine.queue<unknown, string>({ name: 'q', handler: () => world.hold(done.opened) });
    await engine.start();
    const job = await queue.add(1);
    await world.clock.advance('2s');
    expect((await queue.getJob(job.id))?.status).toBe('active');
    await job.cancel('first');
    done.open('second');
    await world.clock.advance('1s');
    expect(await queue.getJob(job.id)).toMatchObject({ status: 'cancelled', reason: 'first', returnValue: undefined });
    expect(lost).toHaveLength(1);
  });

  it('frees the slot of the cancelled handler when it returns', async () => {
    const engine = world.engine();
    const started: number[] = [];
    const queue = engine.queue<number>({
      name: 'q',
      concurrency: 1,
      handler: async (ctx) => {
        started.push(ctx.data);
        if (ctx.data === 1) await aborted(ctx);
      },
    });
    await engine.start();
    const first = await queue.add(1);
    await queue.add(2);
    await world.clock.settle();
    await first.cancel();
    await world.clock.settle();
    expect(started).toEqual([1, 2]);
  });

  it('answers "finished" for a job that ended before, and leaves it unchanged', async () => {
    const engine = world.engine();
    const queue = engine.queue({ name: 'q', handler: ({ data }) => data });
    await engine.start();
    const job = await queue.add('x');
    await world.clock.settle();
    const before = await queue.getJob(job.id);
    expect(await job.cancel('too late')).toBe('finished');
    expect(await queue.getJob(job.id)).toEqual(before);
    expect(before?.status).toBe('completed');
  });

  it('answers "finished" the second time and keeps the first reason', async () => {
    const queue = world.engine().queue({ name: 'q' });
    const job = await queue.add(1);
    expect(await job.cancel('first')).toBe('cancelled');
    expect(await job.cancel('second')).toBe('finished');
    expect((await queue.getJob(job.id))?.reason).toBe('first');
  });

  it('answers "unknown" for a job that is not there any more', async () => {
    const engine = world.engine();
    const queue = engine.queue({ name: 'q', handler: () => 1, removeOnComplete: true });
    await engine.start();
    const job = await queue.add(1);
    await world.clock.settle();
    expect(await queue.getJob(job.id)).toBeUndefined();
    expect(await job.cancel()).toBe('unknown');
  });

  it('tells the event in the process that cancelled, once', async () => {
    const engine = world.engine();
    const queue = engine.queue({ name: 'q' });
    const told: unknown[] = [];
    engine.on('job:cancelled', (event) => told.push(event));
    const job = await queue.add(1);
    await job.cancel('why\u0000not');
    await job.cancel('again');
    expect(told).toEqual([{ queue: 'q', id: job.id, reason: 'why\ufffdnot' }]);
  });
});

function silent() {
  return {
    listen: () => Promise.resolve(() => Promise.resolve()),
    send: () => Promise.resolve(),
    broadcast: () => Promise.resolve(),
    passOn: () => Promise.resolve(),
  };
}
