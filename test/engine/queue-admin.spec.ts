import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  DrainTimeoutError,
  EngineStateError,
  InvalidOptionsError,
  InvalidPayloadError,
  JobNotFoundError,
  JobStateError,
  type OqronEngine,
  type Queue,
} from 'oqronkit';
import { failureOf } from '../support/until.js';
import { World } from '../support/world.js';
import { wrapBackend } from '../support/wrapped-backend.js';

let world: World;
let engine: OqronEngine;
beforeEach(() => {
  world = new World();
  engine = world.engine();
});
afterEach(() => world.end());

/** A queue whose jobs fail while `broken` says so, and otherwise take `ms`. */
function queueOf(name: string, state: { broken?: boolean; ms?: number } = {}): Queue<number, number> {
  return engine.queue<number, number>({
    name,
    retries: { max: 0 },
    handler: async ({ data }) => {
      if (state.ms !== undefined) await world.clock.sleep(state.ms);
      if (state.broken) throw new Error(`job ${data} is broken`);
      return data;
    },
  });
}

/** A queue with dead letters 1 to `n`, each failed a second after the one before. */
async function withDead(n: number): Promise<{ queue: Queue<number, number>; state: { broken: boolean } }> {
  const state = { broken: true };
  const queue = queueOf('q', state);
  await engine.start();
  for (let data = 1; data <= n; data += 1) {
    await queue.add(data, { tags: [data % 2 ? 'odd' : 'even'] });
    await world.clock.advance('1s');
  }
  return { queue, state };
}

describe('drain', () => {
  it('finishes what runs, in every process, then is paused', async () => {
    const told: string[] = [];
    for (const event of ['queue:paused', 'queue:drained'] as const)
      engine.on(event, ({ queue }) => told.push(`${event} ${queue}`));
    const other = world.engine();
    other.worker<number>({ topic: 'q', concurrency: 2, handler: () => world.clock.sleep('20s') });
    await other.start();
    const queue = engine.queue<number>({ name: 'q' });
    await queue.addBulk([1, 2, 3].map((data) => ({ data })));
    await world.clock.advance('1s');
    let done = false;
    const drained = queue.drain().then(() => (done = true));
    await world.clock.advance('18s');
    expect([done, await queue.isPaused(), told]).toEqual([false, true, ['queue:paused q']]);
    await world.clock.advance('3s');
    await drained;
    expect(told).toEqual(['queue:paused q', 'queue:drained q']);
    expect(await queue.counts()).toMatchObject({ completed: 2, waiting: 1, active: 0 });
    await queue.resume();
    await world.clock.advance('21s');
    expect(await queue.count('completed')).toBe(3);
  });

  it('of a queue where nothing runs is done at once', async () => {
    const queue = engine.queue({ name: 'q' });
    await queue.add(1);
    await queue.drain({ timeout: 1 });
    expect(await queue.isPaused()).toBe(true);
  });

  it('rejects after its timeout with how many still run; the queue stays paused', async () => {
    const queue = queueOf('q', { ms: 60_000 });
    await engine.start();
    await queue.addBulk([1, 2].map((data) => ({ data })));
    await world.clock.advance('1s');
    const told: unknown[] = [];
    engine.on('queue:drained', (event) => told.push(event));
    const began = world.clock.now();
    const error = await failureOf<DrainTimeoutError>(world.passUntil(queue.drain({ timeout: '5s' }), '100ms'));
    expect(error).toBeInstanceOf(DrainTimeoutError);
    expect(error).toMatchObject({ code: 'DRAIN_TIMEOUT', running: 2, timeoutMs: 5_000, queue: 'q' });
    expect(world.clock.now() - began).toBe(5_000);
    expect(await queue.isPaused()).toBe(true);
    expect(told).toEqual([]);
  });

  it('ends with the engine', async () => {
    const other = world.engine();
    other.worker({ topic: 'q', handler: () => world.clock.sleep('1h') });
    await other.start();
    const queue = engine.queue({ name: 'q' });
    await queue.add(1);
    await world.clock.advance('1s');
    const drained = failureOf(queue.drain());
    await world.clock.settle();
    await engine.stop();
    await world.clock.advance('2s');
    expect(await drained).toBeInstanceOf(EngineStateError);
  });

  it.each([{ timeout: 0 }, { timeout: 'soon' }, { wait: 5 }])('refuses %j', async (options) => {
    const queue = engine.queue({ name: 'q' });
    expect(await failureOf(queue.drain(options as object))).toBeInstanceOf(InvalidOptionsError);
    expect(await queue.isPaused()).toBe(false);
  });
});

describe('obliterate', () => {
  it('deletes every job, page by page, and answers how many', async () => {
    const pages: unknown[] = [];
    const backend = wrapBackend(world.backend, async (operation, _args, run) => {
      const reply = await run();
      if (operation === 'admin.obliterate') pages.push(reply);
      return reply;
    });
    const queue = world.engine({}, { backend }).queue<number>({ name: 'q' });
    await queue.addBulk(Array.from({ length: 2_300 }, (_, data) => ({ data, opts: data % 2 ? {} : { delay: '1h' } })));
    await (await queue.add(0)).cancel();
    expect(await queue.obliterate()).toBe(2_301);
    expect(pages).toEqual([1_000, 1_000, 301]);
    expect(await queue.count()).toBe(0);
    expect(await queue.obliterate()).toBe(0);
  });

  it('spares running jobs unless it is forced; then their handlers are told that they lost them', async () => {
    const kinds: (string | undefined)[] = [];
    const queue = engine.queue<number>({
      name: 'q',
      concurrency: 1,
      handler: async (ctx) => {
        await world.hold(new Promise((resolve) => ctx.signal.addEventListener('abort', resolve)));
        kinds.push(ctx.abortReason?.kind);
      },
    });
    await engine.start();
    await queue.addBulk([1, 2].map((data) => ({ data })));
    await world.clock.advance('1s');
    expect(await queue.obliterate()).toBe(1);
    expect(await queue.counts()).toMatchObject({ active: 1, waiting: 0 });
    expect(await queue.obliterate({ force: true })).toBe(1);
    expect(await queue.count()).toBe(0);
    await world.clock.advance('6s');
    expect(kinds).toEqual(['lost']);
  });

  it('keeps the queue and its settings, and no other queue loses a job', async () => {
    const queue = engine.queue<number>({ name: 'q', strategy: 'lifo' });
    const other = engine.queue<number>({ name: 'other' });
    await other.add(1);
    await queue.add(1);
    await queue.pause();
    await queue.obliterate();
    expect(await queue.isPaused()).toBe(true);
    expect(await other.count()).toBe(1);
    await queue.addBulk([1, 2].map((data) => ({ data })));
    expect((await queue.getJobs({ status: 'waiting' })).jobs.map(({ data }) => data)).toEqual([2, 1]);
  });

  it('refuses an unknown option', async () => {
    expect(await failureOf(engine.queue({ name: 'q' }).obliterate({ focre: true } as object))).toBeInstanceOf(
      InvalidOptionsError,
    );
  });
});

describe('deadLetters', () => {
  it('is listed by `deadLetters()`: what failed for good, the last one first, page by page', async () => {
    const { queue } = await withDead(5);
    const first = await queue.deadLetters({ limit: 3 });
    expect(first.jobs.map(({ data }) => data)).toEqual([5, 4, 3]);
    expect(first.jobs[0]).toMatchObject({ status: 'failed', dead: true, error: { message: 'job 5 is broken' } });
    const second = await queue.deadLetters({ limit: 3, cursor: first.cursor as string });
    expect(second.jobs.map(({ data }) => data)).toEqual([2, 1]);
    expect(second.cursor).toBeUndefined();
  });

  it('does not list what was run again', async () => {
    const { queue, state } = await withDead(3);
    state.broken = false;
    await queue.redrive({ limit: 2 });
    await world.clock.advance('1s');
    expect((await queue.deadLetters()).jobs.map(({ data }) => data)).toEqual([1]);
    expect(await queue.count('failed')).toBe(3);
  });

  it('can be filtered', async () => {
    const { queue } = await withDead(4);
    const { jobs } = await queue.deadLetters({ filter: { tag: 'odd' } });
    expect(jobs.map(({ data }) => data)).toEqual([3, 1]);
  });

  it.each([{ limit: 0 }, { limit: 1_001 }, { status: 'failed' }, { filter: { colour: 'red' } }])(
    'refuses %j',
    async (request) => {
      expect(await failureOf(engine.queue({ name: 'q' }).deadLetters(request as object))).toBeInstanceOf(
        InvalidOptionsError,
      );
    },
  );
});

describe('redrive', () => {
  it('re-adds as `retryJob` does: each as a new job with the same payload; both records name each other', async () => {
    const { queue, state } = await withDead(3);
    const dead = (await queue.deadLetters()).jobs;
    state.broken = false;
    const added: string[] = [];
    engine.on('job:added', ({ id }) => added.push(id));
    const ids = await queue.redrive();
    expect(ids).toHaveLength(3);
    expect(added).toEqual(ids);
    await world.clock.advance('1s');
    for (const [i, id] of ids.entries()) {
      // Oldest first: the order in which they had failed.
      const old = dead[2 - i];
      expect(await queue.getJob(id)).toMatchObject({ status: 'completed', data: i + 1, retriedFromId: old?.id });
      expect(await queue.getJob(old?.id as string)).toMatchObject({ status: 'failed', retriedById: id, dead: true });
    }
    expect(await queue.redrive()).toEqual([]);
  });

  it('takes the last ones up to its limit, and those that its filter lets through', async () => {
    const { queue, state } = await withDead(6);
    state.broken = false;
    const data = async (ids: string[]) => Promise.all(ids.map(async (id) => (await queue.getJob(id))?.data));
    expect(await data(await queue.redrive({ limit: 2 }))).toEqual([5, 6]);
    expect(await data(await queue.redrive({ filter: { tag: 'odd' } }))).toEqual([1, 3]);
    const at = (await queue.deadLetters()).jobs.find((job) => job.data === 4)?.createdAt as number;
    expect(await data(await queue.redrive({ filter: { createdFrom: new Date(at) } }))).toEqual([4]);
    expect((await queue.deadLetters()).jobs.map((job) => job.data)).toEqual([2]);
  });

  it('takes hundreds over pages, and none twice when two processes do it at once', async () => {
    const queue = queueOf('q', { broken: true });
    await engine.start();
    await queue.addBulk(Array.from({ length: 1_200 }, (_, data) => ({ data })));
    await world.clock.advance('1s');
    await queue.pause();
    const other = world.engine().queue<number>({ name: 'q' });
    const [mine, theirs] = await Promise.all([queue.redrive({ limit: 2_000 }), other.redrive({ limit: 2_000 })]);
    expect(mine.length + theirs.length).toBe(1_200);
    expect(await queue.count('waiting')).toBe(1_200);
  });

  it.each([{ limit: 0 }, { limit: 10_001 }, { filter: { dead: true } }])('refuses %j', async (request) => {
    expect(await failureOf(engine.queue({ name: 'q' }).redrive(request as object))).toBeInstanceOf(InvalidOptionsError);
  });
});

describe('updateData', () => {
  it('gives a job that has not started another payload', async () => {
    const queue = queueOf('q');
    const job = await queue.add(1, { delay: '5s' });
    await queue.updateData(job.id, 2);
    expect(await queue.getJob(job.id)).toMatchObject({ data: 2, status: 'delayed', runAt: job.runAt });
    await engine.start();
    expect(await world.passUntil(job.waitUntilFinished())).toBe(2);
  });

  it('stores what it was given, whatever the caller does with the object then', async () => {
    const queue = engine.queue<{ n: number }>({ name: 'q' });
    const job = await queue.add({ n: 1 });
    const data = { n: 2 };
    const done = queue.updateData(job.id, data);
    data.n = 3;
    await done;
    expect((await queue.getJob(job.id))?.data).toEqual({ n: 2 });
  });

  it('checks the payload like add does, before anything is sent', async () => {
    const queue = engine.queue<unknown>({ name: 'q' });
    const job = await queue.add(1);
    expect(await failureOf(queue.updateData(job.id, 1n))).toBeInstanceOf(InvalidPayloadError);
    expect(await failureOf(queue.updateData(job.id, 'x'.repeat(300_000)))).toMatchObject({ code: 'PAYLOAD_TOO_LARGE' });
    expect((await queue.getJob(job.id))?.data).toBe(1);
  });

  it('is refused for one that runs or has ended, with its state and where it would be allowed', async () => {
    const queue = queueOf('q', { ms: 10_000 });
    await engine.start();
    const job = await queue.add(1);
    await world.clock.advance('1s');
    const error = await failureOf<JobStateError>(queue.updateData(job.id, 2));
    expect(error).toBeInstanceOf(JobStateError);
    expect(error).toMatchObject({ code: 'JOB_STATE', status: 'active', jobId: job.id, queue: 'q' });
    expect(error.message).toMatch(/is active.*waiting, delayed, waiting-children or paused/);
    await world.clock.advance('10s');
    expect(await failureOf(queue.updateData(job.id, 2))).toMatchObject({ status: 'completed' });
    expect(await queue.getJob(job.id)).toMatchObject({ data: 1, returnValue: 1 });
  });

  it('of an unknown job says so', async () => {
    const error = await failureOf(engine.queue({ name: 'q' }).updateData('nobody', 1));
    expect(error).toBeInstanceOf(JobNotFoundError);
    expect(error).toMatchObject({ code: 'JOB_NOT_FOUND', jobId: 'nobody', queue: 'q' });
  });
});

describe('changeDelay', () => {
  it('delays a waiting job, and lets a delayed one run at once', async () => {
    const queue = queueOf('q');
    const [soon, late] = [await queue.add(1), await queue.add(2, { delay: '1h' })];
    await queue.changeDelay(soon.id, '10s');
    await queue.changeDelay(late.id, 0);
    expect((await queue.getJob(soon.id))?.status).toBe('delayed');
    await engine.start();
    await world.clock.advance('5s');
    expect(await queue.counts()).toMatchObject({ completed: 1, delayed: 1 });
    await world.clock.advance('6s');
    expect(await queue.count('completed')).toBe(2);
  });

  it('is refused for one that has ended, for an unknown one, and with nonsense', async () => {
    const queue = engine.queue<number>({ name: 'q' });
    const job = await queue.add(1);
    await job.cancel();
    expect(await failureOf(queue.changeDelay(job.id, 5))).toMatchObject({ code: 'JOB_STATE', status: 'cancelled' });
    expect(await failureOf(queue.changeDelay('nobody', 5))).toMatchObject({ code: 'JOB_NOT_FOUND' });
    for (const delay of [-1, NaN, 'soon', undefined]) {
      expect(await failureOf(queue.changeDelay(job.id, delay as number))).toBeInstanceOf(InvalidOptionsError);
    }
  });
});

describe('getJobs', () => {
  it('can be filtered by name, tag, correlationId and time', async () => {
    const queue = engine.queue<number>({ name: 'q' });
    const middle = world.clock.now() + 1_500;
    for (let n = 0; n < 6; n += 1) {
      await queue.add(n % 2 ? 'odd' : 'even', n, { tags: [`t${n % 3}`], correlationId: `c${n}` });
      await world.clock.advance('500ms');
    }
    const data = async (filter: object) =>
      (await queue.getJobs({ status: 'waiting', filter })).jobs.map((job) => job.data);
    expect(await data({ name: 'odd' })).toEqual([1, 3, 5]);
    expect(await data({ tag: 't0' })).toEqual([0, 3]);
    expect(await data({ name: 'odd', tag: 't0' })).toEqual([3]);
    expect(await data({ correlationId: 'c4' })).toEqual([4]);
    expect(await data({ createdTo: middle })).toEqual([0, 1, 2]);
    expect(await data({ createdFrom: new Date(middle) })).toEqual([3, 4, 5]);
    expect(await data({})).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it.each([{ colour: 'red' }, { createdFrom: 'yesterday' }, { tag: 5 }, { dead: 'yes' }])(
    'refuses the filter %j',
    async (filter) => {
      const queue = engine.queue({ name: 'q' });
      const error = await failureOf(queue.getJobs({ status: 'failed', filter: filter as object }));
      expect(error).toBeInstanceOf(InvalidOptionsError);
    },
  );
});
