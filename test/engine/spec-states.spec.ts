import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  JOB_STATUSES,
  NonRetryableError,
  type Job,
  type JobAbortedError,
  type JobContext,
  type JobHandle,
  type OqronEngine,
  type Queue,
  type QueueOptions,
} from 'oqronkit';
import { VirtualClock } from 'oqronkit/testing';
import { FakeOwner } from '../support/fake-owner.js';
import { failureOf } from '../support/until.js';
import { World } from '../support/world.js';
import { wrapBackend } from '../support/wrapped-backend.js';

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.end());

type Handle = (ctx: JobContext) => unknown;

/** A started engine with one queue that runs `handler`; a failed attempt waits a minute. */
async function running(
  handler: Handle,
  options: Partial<QueueOptions> = {},
): Promise<{ engine: OqronEngine; queue: Queue }> {
  const engine = world.engine();
  const retries = { max: 2, strategy: 'fixed', baseDelay: '1m' } as const;
  const queue = engine.queue<unknown, unknown>({ name: 'q', retries, handler, ...options });
  await engine.start();
  return { engine, queue };
}

async function read(queue: Queue, { id }: { id: string }): Promise<JobHandle> {
  return (await queue.getJob(id)) as JobHandle;
}

const dead = async (queue: Queue): Promise<string[]> => (await queue.deadLetters()).jobs.map(({ id }) => id);
const events = (job: Job): string[] => job.timeline.map(({ event }) => event);
const fail = (): never => {
  throw new Error('broken');
};

/** A process took the job and died. */
async function crash(queue: string, name = 'ghost', settings: { alone?: boolean } = {}): Promise<void> {
  const ghost = new FakeOwner(name, world.backend.store);
  for (let step = 0; step < 200; step += 1) {
    const { jobs } = await ghost.claim(queue, settings);
    if (jobs.length > 0) {
      await world.clock.advance('30s');
      return;
    }
    await world.clock.advance('500ms');
  }
  throw new Error(`"${queue}" has no job to take`);
}

describe('States: waiting, delayed, waiting-children, paused, active, completed, failed, cancelled', () => {
  it('are all there are', () => {
    expect(JOB_STATUSES).toEqual([
      'waiting',
      'delayed',
      'waiting-children',
      'paused',
      'active',
      'completed',
      'failed',
      'cancelled',
    ]);
  });

  it('`stalled` is an event and a timeline entry, never a state', async () => {
    const engine = world.engine();
    const queue = engine.queue({ name: 'q' });
    const job = await queue.add(1);
    const told: string[] = [];
    engine.on('job:stalled', ({ id }) => told.push(id));
    await crash('q');
    await engine.start();
    await world.clock.advance('2m');
    expect(told).toEqual([job.id]);
    expect(await read(queue, job)).toMatchObject({ status: 'waiting', stalledCount: 1 });
    expect(events(await read(queue, job))).toContain('stalled');
    expect(Object.keys(await queue.counts())).not.toContain('stalled');
    expect((await failureOf(queue.getJobs({ status: 'stalled' as never }))).message).toMatch(/status: expected one of/);
  });
});

describe('| from | to | by |', () => {
  it('new: waiting, delayed (delay), waiting-children (dependsOn), paused (queue disabled + hold), by add', async () => {
    const engine = world.engine();
    const queue = engine.queue({ name: 'q' });
    const plain = await queue.add(1);
    const later = await queue.add(2, { delay: '1m' });
    const child = await queue.add(3, { dependsOn: [plain] });
    await engine.manager.disableInstance('queue', 'q');
    const held = await queue.add(4);
    const states = ['waiting', 'delayed', 'waiting-children', 'paused'];
    const jobs = [plain, later, child, held];
    expect(jobs.map(({ status }) => status)).toEqual(states);
    expect(await Promise.all(jobs.map(async (job) => (await read(queue, job)).status))).toEqual(states);
    expect((await read(queue, held)).pausedReason).toBe('the queue is disabled');
  });

  it('delayed -> waiting: due (store time)', async () => {
    const clock = new VirtualClock();
    const engine = world.engine({}, { clock });
    const ran: unknown[] = [];
    engine.worker({ topic: 'q', handler: ({ data }) => ran.push(data) });
    await engine.start();
    const queue = world.engine().queue({ name: 'q' });
    const job = await queue.add(1, { delay: '10m' });
    // The process's own clock is far ahead of the store's, and does not count.
    await clock.advance('2h');
    expect(ran).toEqual([]);
    expect((await read(queue, job)).status).toBe('delayed');
    await world.clock.advance('10m');
    await clock.advance('15s');
    expect(ran).toEqual([1]);
  });

  it('delayed -> waiting: or promote', async () => {
    const engine = world.engine();
    const queue = engine.queue({ name: 'q' });
    const job = await queue.add(1, { delay: '1h' });
    await engine.manager.promoteJob(job.id);
    expect(await read(queue, job)).toMatchObject({ status: 'waiting', runAt: world.clock.now() });
  });

  it('waiting -> active: claim; attemptMade + 1, new fence', async () => {
    const fences: number[] = [];
    const { engine, queue } = await running(
      async (ctx) => {
        fences.push(ctx.fence);
        await world.clock.sleep('1s');
        fail();
      },
      { retries: { max: 1, strategy: 'fixed', baseDelay: 0 } },
    );
    await queue.pause();
    const job = await queue.add(1);
    expect(await read(queue, job)).toMatchObject({ status: 'waiting', attemptMade: 0, fence: 0 });
    await queue.resume();
    await world.clock.settle();
    const first = await read(queue, job);
    expect(first).toMatchObject({ status: 'active', attemptMade: 1, workerId: engine.owner, fence: fences[0] });
    await world.clock.advance('1s');
    const second = await read(queue, job);
    expect(second).toMatchObject({ status: 'active', attemptMade: 2, fence: fences[1] });
    expect(second.fence).toBeGreaterThan(first.fence);
  });

  it('active -> completed: handler resolved', async () => {
    const { queue } = await running(async () => {
      await world.clock.sleep('2s');
      return { ok: true };
    });
    const job = await queue.add(1);
    await world.clock.advance('1s');
    expect((await read(queue, job)).status).toBe('active');
    await world.clock.advance('1s');
    const now = world.clock.now();
    expect(await read(queue, job)).toMatchObject({ status: 'completed', returnValue: { ok: true }, finishedAt: now });
  });

  it.each([
    ['delayed', 60_000],
    ['waiting', 0],
  ] as const)('active -> %s: failed with attempts left; backoff; error kept', async (status, baseDelay) => {
    const { queue } = await running(
      async () => {
        await world.clock.sleep('1s');
        throw Object.assign(new Error('no route'), { code: 'EHOSTUNREACH' });
      },
      { retries: { max: 1, strategy: 'fixed', baseDelay } },
    );
    const job = await queue.add(1);
    await world.clock.settle();
    await queue.pause();
    await world.clock.advance('1s');
    expect(await read(queue, job)).toMatchObject({
      status,
      attemptMade: 1,
      runAt: world.clock.now() + baseDelay,
      error: { message: 'no route', code: 'EHOSTUNREACH' },
    });
  });

  it.each<[string, Handle, number]>([
    ['attempts exhausted', fail, 3],
    [
      '`ctx.discard()`',
      (ctx) => {
        ctx.discard('enough');
      },
      1,
    ],
    [
      'non-retryable error',
      () => {
        throw new NonRetryableError('never');
      },
      1,
    ],
  ])('active -> failed: %s; dead letter', async (_why, handler, attemptMade) => {
    const { queue } = await running(handler);
    const job = await queue.add(1);
    await world.clock.advance('10m');
    expect(await read(queue, job)).toMatchObject({ status: 'failed', attemptMade, dead: true });
    expect(await dead(queue)).toEqual([job.id]);
  });

  it('active -> waiting: released: shutdown (at once, same place); attempt refunded', async () => {
    const engine = world.engine({ shutdown: { timeout: '1s' } });
    engine.worker({ topic: 'q', concurrency: 1, abortGraceMs: '1s', handler: () => world.never() });
    await engine.start();
    const queue = world.engine().queue({ name: 'q' });
    const first = await queue.add('first');
    const second = await queue.add('second');
    await world.clock.settle();
    await world.passUntil(engine.stop());
    expect(await read(queue, first)).toMatchObject({ status: 'waiting', attemptMade: 0 });
    const { jobs } = await queue.getJobs({ status: 'waiting' });
    expect(jobs.map(({ id }) => id)).toEqual([first.id, second.id]);
  });

  it.each<[string, Partial<QueueOptions>, number]>([
    ['rate limit (1 s', { rateLimiter: { check: () => false } }, 1_000],
    [
      "or the limiter's `retryAfterMs`)",
      { rateLimiter: { check: () => ({ allowed: false, retryAfterMs: 90_000 }) } },
      90_000,
    ],
    ['condition false (2 s)', { condition: () => false }, 2_000],
  ])('active -> delayed: released: %s; attempt refunded', async (_why, options, delayMs) => {
    const { queue } = await running(() => 'never', options);
    const job = await queue.add(1);
    await world.clock.settle();
    expect(await read(queue, job)).toMatchObject({
      status: 'delayed',
      attemptMade: 0,
      runAt: world.clock.now() + delayMs,
    });
  });

  it('active -> failed: lease expired with `guaranteedWorker: false`: reason `crashed`, no retry, dead letter', async () => {
    let alive = true;
    const backend = wrapBackend(world.backend, (_operation, _args, run) => (alive ? run() : world.never()));
    const victim = world.engine({}, { backend });
    const options = { topic: 'q', guaranteedWorker: false, retries: { max: 9 } } as const;
    victim.worker({ ...options, handler: () => world.never() });
    await victim.start();
    const other = world.engine();
    const job = await other.producer('q').add(1);
    await world.clock.settle();
    alive = false;
    let runs = 0;
    other.worker({ ...options, handler: () => (runs += 1) });
    await other.start();
    await world.clock.advance('10m');
    const queue = other.producer('q');
    expect(await read(queue, job)).toMatchObject({
      status: 'failed',
      attemptMade: 1,
      dead: true,
      error: { code: 'CRASHED' },
    });
    expect(runs).toBe(0);
    expect(await dead(queue)).toEqual([job.id]);
  });

  it('active -> waiting: stalled: attempt refunded, `stalledCount` + 1; first time at its old place at once', async () => {
    const queue = world.engine().queue({ name: 'q' });
    const job = await queue.add('first');
    await queue.add('second');
    await crash('q');
    await world.backend.store.sweep({ limit: 10 });
    expect(await read(queue, job)).toMatchObject({ status: 'waiting', attemptMade: 0, stalledCount: 1 });
    const { jobs } = await queue.getJobs({ status: 'waiting' });
    expect(jobs.map(({ data }) => data)).toEqual(['first', 'second']);
  });

  it('active -> delayed: stalled: later with backoff; when it exceeds `maxStalledCount`: failed, dead letter', async () => {
    const queue = world.engine().queue({ name: 'q' });
    const job = await queue.add(1);
    const waits: number[] = [];
    for (let death = 1; death <= 4; death += 1) {
      await crash('q', `ghost ${death}`, { alone: true });
      await world.backend.store.sweep({ limit: 10 });
      const { status, runAt, attemptMade, stalledCount } = await read(queue, job);
      expect(stalledCount).toBe(death);
      if (death === 4) expect(status).toBe('failed');
      else {
        expect([status, attemptMade]).toEqual([death === 1 ? 'waiting' : 'delayed', 0]);
        if (death > 1) waits.push(runAt - world.clock.now());
      }
    }
    expect(waits).toEqual([2_000, 4_000]);
    expect(await read(queue, job)).toMatchObject({ error: { code: 'STALLED_TOO_OFTEN' }, dead: true });
    expect(await dead(queue)).toEqual([job.id]);
  });

  it('any unfinished -> cancelled: a tombstone with reason and `finishedAt`, in one transition', async () => {
    const engine = world.engine();
    const calls: string[] = [];
    const backend = wrapBackend(world.backend, (operation, _args, run) => {
      calls.push(operation);
      return run();
    });
    const canceller = world.engine({}, { backend }).queue({ name: 'q' });
    const queue = engine.queue({ name: 'q' });
    const parent = await queue.add(0, { delay: '1h' });
    const active = await queue.add(1);
    await new FakeOwner('somebody', world.backend.store).claim('q');
    const waiting = await queue.add(2);
    const delayed = await queue.add(3, { delay: '1m' });
    const child = await queue.add(4, { dependsOn: [parent] });
    await engine.manager.disableInstance('queue', 'q');
    const held = await queue.add(5);
    const jobs = [active, waiting, delayed, child, held];
    const before = await Promise.all(jobs.map(async (job) => (await read(queue, job)).status));
    expect(before).toEqual(['active', 'waiting', 'delayed', 'waiting-children', 'paused']);
    await canceller.count();
    for (const job of jobs) {
      const handle = await read(canceller, job);
      calls.length = 0;
      expect(await handle.cancel('not needed')).toBe('cancelled');
      expect(calls).toEqual(['admin.cancel']);
      const now = world.clock.now();
      expect(await read(queue, job)).toMatchObject({ status: 'cancelled', reason: 'not needed', finishedAt: now });
    }
    expect(await queue.count('cancelled')).toBe(5);
  });

  it('an active handler gets the abort signal wherever it runs, its late result is ignored', async () => {
    const engine = world.engine();
    const told: [string, string | undefined][] = [];
    engine.worker({
      topic: 'q',
      handler: async (ctx) => {
        await world.hold(new Promise((resolve) => ctx.signal.addEventListener('abort', resolve)));
        const { kind, message } = ctx.signal.reason as JobAbortedError;
        told.push([kind, message]);
        return 'late';
      },
    });
    await engine.start();
    const queue = world.engine().queue({ name: 'q' });
    const job = await queue.add(1);
    await world.clock.settle();
    await job.cancel('not needed');
    await world.clock.advance('10s');
    expect(told).toEqual([['cancelled', expect.stringContaining('not needed')]]);
    expect(await read(queue, job)).toMatchObject({ status: 'cancelled', returnValue: undefined });
  });

  it('waiting-children -> waiting, or delayed where runAt is ahead: parents done', async () => {
    const { engine, queue } = await running(() => world.clock.sleep('10s'));
    const parent = await queue.add(0);
    const other = engine.queue({ name: 'children' });
    const soon = await other.add(1, { dependsOn: [parent] });
    const later = await other.add(2, { dependsOn: [parent], delay: '1m' });
    const { runAt } = later;
    await world.clock.advance('9s');
    expect([(await read(other, soon)).status, (await read(other, later)).status]).toEqual([
      'waiting-children',
      'waiting-children',
    ]);
    await world.clock.advance('1s');
    expect((await read(other, soon)).status).toBe('waiting');
    expect(await read(other, later)).toMatchObject({ status: 'delayed', runAt });
  });

  it('waiting-children -> failed: policy', async () => {
    const { engine, queue } = await running(fail, { retries: { max: 0 } });
    const parent = await queue.add(0, { delay: '5s' });
    const other = engine.queue({ name: 'children' });
    const policies = ['block', 'cascade-fail', 'ignore'] as const;
    const children = await Promise.all(
      policies.map((parentFailurePolicy) => other.add(1, { dependsOn: [parent], parentFailurePolicy })),
    );
    await world.clock.advance('6s');
    const states = await Promise.all(children.map(async (job) => (await read(other, job)).status));
    expect(states).toEqual(['waiting-children', 'failed', 'waiting']);
  });

  it('paused -> waiting / delayed / waiting-children: enabled again', async () => {
    const engine = world.engine();
    const queue = engine.queue({ name: 'q' });
    const parent = await queue.add(0, { delay: '1h' });
    await engine.manager.disableInstance('queue', 'q');
    const jobs = await queue.addBulk([
      { data: 1 },
      { data: 2, opts: { delay: '1m' } },
      { data: 3, opts: { dependsOn: [parent] } },
    ]);
    const states = () => Promise.all(jobs.map(async (job) => (await read(queue, job)).status));
    expect(await states()).toEqual(['paused', 'paused', 'paused']);
    await engine.manager.enableInstance('queue', 'q');
    expect(await states()).toEqual(['waiting', 'delayed', 'waiting-children']);
  });

  it('waiting / delayed -> delayed / waiting: changeDelay', async () => {
    const queue = world.engine().queue({ name: 'q' });
    const job = await queue.add(1);
    await queue.changeDelay(job.id, 5_000);
    expect(await read(queue, job)).toMatchObject({ status: 'delayed', runAt: world.clock.now() + 5_000 });
    await queue.changeDelay(job.id, '1h');
    expect(await read(queue, job)).toMatchObject({ status: 'delayed', runAt: world.clock.now() + 3_600_000 });
    await queue.changeDelay(job.id, 0);
    expect((await read(queue, job)).status).toBe('waiting');
  });

  it('failed -> a new job (`retriedFromId`, `retriedById` on the old one): `retryJob`', async () => {
    const { engine, queue } = await running(fail, { retries: { max: 0 } });
    const old = await queue.add({ n: 1 });
    await world.clock.settle();
    await queue.pause();
    const again = await engine.manager.retryJob(old.id);
    expect(again.id).not.toBe(old.id);
    expect(await read(queue, again)).toMatchObject({ status: 'waiting', data: { n: 1 }, retriedFromId: old.id });
    expect(await read(queue, old)).toMatchObject({ status: 'failed', retriedById: again.id });
  });

  it('`rerunJob` from any final state', async () => {
    const { engine, queue } = await running(({ data }) => (data === 'fails' ? fail() : 1), { retries: { max: 0 } });
    const [completed, failed] = [await queue.add('works'), await queue.add('fails')];
    const cancelled = await queue.add('x', { delay: '1h' });
    await cancelled.cancel();
    await world.clock.settle();
    await queue.pause();
    for (const [old, status] of [
      [completed, 'completed'],
      [failed, 'failed'],
      [cancelled, 'cancelled'],
    ] as const) {
      const again = await engine.manager.rerunJob(old.id);
      expect(await read(queue, again)).toMatchObject({ status: 'waiting', data: old.data, retriedFromId: old.id });
      expect(await read(queue, old)).toMatchObject({ status, retriedById: again.id });
      expect(await failureOf(engine.manager.rerunJob(again.id))).toMatchObject({ code: 'JOB_STATE' });
    }
  });
});
