import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  EngineStateError,
  InvalidOptionsError,
  JobCancelledError,
  JobFailedError,
  JobNotFoundError,
  WaitTimeoutError,
  type Backend,
  type Signals,
} from 'oqronkit';
import { failureOf } from '../support/until.js';
import { World } from '../support/world.js';
import { wrapBackend } from '../support/wrapped-backend.js';

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.end());

/** The same store, with signals that nobody hears. */
function deaf(): Backend {
  const signals: Signals = {
    listen: () => Promise.resolve(() => Promise.resolve()),
    send: () => Promise.resolve(),
    broadcast: () => Promise.resolve(),
    passOn: () => Promise.resolve(),
  };
  return { ...world.backend, signals };
}

/** Counts reads of single records. */
function counting(backend: Backend): { backend: Backend; reads(): number } {
  let reads = 0;
  const counted = wrapBackend(backend, (operation, _args, run) => {
    if (operation === 'admin.get') reads += 1;
    return run();
  });
  return { backend: counted, reads: () => reads };
}

const slow = (ms: number) => async () => {
  await world.clock.sleep(ms);
  return { at: world.clock.now() };
};

describe('waitUntilFinished', () => {
  it('answers the result of a job that this process runs, at the moment it ends', async () => {
    const engine = world.engine();
    const queue = engine.queue<number, { at: number }>({ name: 'q', handler: slow(7_300) });
    await engine.start();
    const job = await queue.add(1);
    let at: number | undefined;
    const done = job.waitUntilFinished().then((result) => {
      at = world.clock.now();
      return result;
    });
    await world.clock.advance('10s');
    expect(await done).toEqual({ at });
  });

  it('answers what the record says, not the object that the handler may go on changing', async () => {
    const engine = world.engine();
    const kept: { when?: Date; n: number } = { when: new Date(0), n: 1 };
    const queue = engine.queue<number, typeof kept>({ name: 'q', handler: () => kept });
    await engine.start();
    const job = await queue.add(1);
    const result: unknown = await world.passUntil(job.waitUntilFinished());
    kept.n = 2;
    expect(result).toEqual({ when: '1970-01-01T00:00:00.000Z', n: 1 });
    expect(await (await queue.getJob(job.id))?.waitUntilFinished()).toEqual(result);
  });

  it('answers at once for a job that had ended before, without a result too', async () => {
    const engine = world.engine();
    const queue = engine.queue<number, void>({ name: 'q', handler: () => undefined });
    await engine.start();
    const job = await queue.add(1);
    await world.clock.settle();
    const before = world.clock.now();
    expect(await world.passUntil(job.waitUntilFinished({ timeout: 1 }), '100ms')).toBeUndefined();
    expect(world.clock.now()).toBe(before);
  });

  it('answers of a job that runs in another process: its event makes it look at once', async () => {
    const [here, there] = [world.engine(), world.engine()];
    const queue = here.queue<number, { at: number }>({ name: 'q' });
    there.worker<number, { at: number }>({ topic: 'q', handler: slow(60_000) });
    await here.start();
    await there.start();
    const job = await queue.add(1);
    let at: number | undefined;
    const done = job.waitUntilFinished().then((result) => {
      at = world.clock.now();
      return result;
    });
    await world.clock.advance('2m');
    // The poll would have come up to 2 s later.
    expect(await done).toEqual({ at });
  });

  it('finds out by itself, within 2 s, when every event is lost; and looks less and less often', async () => {
    const { backend, reads } = counting(deaf());
    const here = world.engine({}, { backend });
    const there = world.engine();
    const queue = here.queue<number, { at: number }>({ name: 'q' });
    there.worker<number, { at: number }>({ topic: 'q', handler: slow(60_000) });
    await here.start();
    await there.start();
    const job = await queue.add(1);
    let late: number | undefined;
    void job.waitUntilFinished().then(({ at }) => {
      late = world.clock.now() - at;
    });
    await world.clock.advance('3m');
    expect(late).toBeLessThanOrEqual(2_000);
    expect(reads()).toBeGreaterThan(10);
    expect(reads()).toBeLessThanOrEqual(36);
  });

  it('works before the engine is started, and by producers that never start', async () => {
    const producer = world.engine();
    const consumer = world.engine();
    const job = await producer.queue<number, string>({ name: 'q' }).add(1);
    const done = job.waitUntilFinished();
    consumer.worker<number, string>({ topic: 'q', handler: () => 'done' });
    await consumer.start();
    expect(await world.passUntil(done, '100ms')).toBe('done');
  });

  it.each(['here', 'elsewhere'])(
    'rejects with JobFailedError, which carries the stored error, of a job run %s',
    async (where) => {
      const engine = world.engine();
      const queue = engine.queue<number>({ name: 'q' });
      const consumer = where === 'here' ? engine : world.engine();
      consumer.worker({
        topic: 'q',
        retries: { max: 1, baseDelay: 100 },
        handler: () => {
          throw new TypeError('no such file');
        },
      });
      await engine.start();
      await consumer.start();
      const job = await queue.add(1);
      const error = await failureOf<JobFailedError>(world.passUntil(job.waitUntilFinished()));
      expect(error).toBeInstanceOf(JobFailedError);
      expect(error).toMatchObject({ code: 'JOB_FAILED', queue: 'q', jobId: job.id });
      expect(error.error).toMatchObject({ name: 'TypeError', message: 'no such file' });
      expect(error.message).toContain('no such file');
      // The record says the same.
      const again = await queue.getJob(job.id);
      expect(await failureOf(again?.waitUntilFinished() as Promise<unknown>)).toMatchObject({ error: again?.error });
    },
  );

  it.each(['here', 'elsewhere'])('rejects with JobCancelledError and the reason, cancelled %s', async (where) => {
    const engine = world.engine();
    const other = where === 'here' ? engine : world.engine();
    await engine.start();
    await other.start();
    const job = await engine.queue({ name: 'q' }).add(1);
    const done = failureOf<JobCancelledError>(job.waitUntilFinished());
    await world.clock.advance('1s');
    const before = world.clock.now();
    await (await other.producer('q').getJob(job.id))?.cancel('she left');
    await world.clock.settle();
    const error = await done;
    expect(error).toBeInstanceOf(JobCancelledError);
    expect(error).toMatchObject({ code: 'JOB_CANCELLED', reason: 'she left', jobId: job.id });
    expect(world.clock.now()).toBe(before);
  });

  it('rejects with WaitTimeoutError after exactly its timeout; the job goes on', async () => {
    const engine = world.engine();
    const queue = engine.queue<number, { at: number }>({ name: 'q', handler: slow(60_000) });
    await engine.start();
    const job = await queue.add(1);
    const began = world.clock.now();
    let ended: number | undefined;
    const short = failureOf<WaitTimeoutError>(job.waitUntilFinished({ timeout: '4321ms' })).then((error) => {
      ended = world.clock.now() - began;
      return error;
    });
    const long = job.waitUntilFinished({ timeout: '2m' });
    await world.clock.advance('5s');
    const error = await short;
    expect(error).toBeInstanceOf(WaitTimeoutError);
    expect(error).toMatchObject({ code: 'WAIT_TIMEOUT', timeoutMs: 4_321, queue: 'q' });
    expect(ended).toBe(4_321);
    await world.clock.advance('1m');
    expect(await long).toEqual({ at: began + 60_000 });
  });

  it('rejects with JobNotFoundError when the record is gone, and says to keep it', async () => {
    const here = world.engine({}, { backend: deaf() });
    const there = world.engine();
    const queue = here.queue({ name: 'q' });
    there.worker({ topic: 'q', removeOnComplete: true, handler: () => 'lost' });
    await here.start();
    await there.start();
    const job = await queue.add(1);
    await world.clock.settle();
    const error = await failureOf<JobNotFoundError>(world.passUntil(job.waitUntilFinished()));
    expect(error).toBeInstanceOf(JobNotFoundError);
    expect(error.code).toBe('JOB_NOT_FOUND');
    expect(error.message).toContain('removeOnComplete');
  });

  it('answers although the record is removed as the job ends, in the process that runs it', async () => {
    const engine = world.engine();
    const queue = engine.queue<number, string>({ name: 'q', removeOnComplete: true, handler: () => 'kept' });
    await engine.start();
    const job = await queue.add(1, { delay: '3s' });
    expect(await world.passUntil(job.waitUntilFinished())).toBe('kept');
    expect(await queue.getJob(job.id)).toBeUndefined();
  });

  it('also when it looks after the record is removed and before the process has the reply', async () => {
    const backend = wrapBackend(world.backend, async (operation, _args, run) => {
      const reply = await run();
      if (operation === 'settle') await world.clock.sleep('800ms');
      return reply;
    });
    const engine = world.engine({}, { backend });
    const queue = engine.queue<number, string>({ name: 'q', removeOnComplete: true, handler: () => 'kept' });
    await engine.start();
    const job = await queue.add(1, { delay: '3s' });
    expect(await world.passUntil(job.waitUntilFinished(), '100ms')).toBe('kept');
  });

  it('tells how a job failed elsewhere although its record is removed as it fails', async () => {
    const [here, there] = [world.engine(), world.engine()];
    there.worker({
      topic: 'q',
      retries: { max: 0 },
      removeOnFail: true,
      handler: () => {
        throw new Error('broken');
      },
    });
    await here.start();
    await there.start();
    const job = await here.queue({ name: 'q' }).add(1, { delay: '20s' });
    const error = await failureOf(world.passUntil(job.waitUntilFinished()));
    expect(error).toMatchObject({ code: 'JOB_FAILED', error: { message: 'broken' } });
  });

  it('rejects with EngineStateError when the engine stops', async () => {
    const engine = world.engine();
    const job = await engine.queue({ name: 'q' }).add(1);
    const done = failureOf(job.waitUntilFinished());
    await world.clock.advance('1s');
    await engine.stop();
    expect(await done).toBeInstanceOf(EngineStateError);
    expect(await failureOf(job.waitUntilFinished())).toBeInstanceOf(EngineStateError);
    expect(world.clock.pendingTimers).toBe(0);
  });

  it('goes on while the store cannot be read, and says so once', async () => {
    let broken = true;
    const backend = wrapBackend(deaf(), (operation, _args, run) => {
      if (operation === 'admin.get' && broken) throw new Error('no route to the store');
      return run();
    });
    const here = world.engine({}, { backend });
    const there = world.engine();
    there.worker({ topic: 'q', handler: () => 'done' });
    await here.start();
    await there.start();
    const job = await here.queue({ name: 'q' }).add(1);
    const done = job.waitUntilFinished();
    await world.clock.advance('30s');
    broken = false;
    expect(await world.passUntil(done)).toBe('done');
    expect(world.log.matching('error', /waitUntilFinished.*no route/)).toHaveLength(1);
  });

  it.each([{ timeout: 0 }, { timeout: 'soon' }, { timeuot: 1 }])(
    'refuses %j before anything is sent',
    async (options) => {
      const job = await world.engine().queue({ name: 'q' }).add(1);
      expect(await failureOf(job.waitUntilFinished(options as { timeout: number }))).toBeInstanceOf(
        InvalidOptionsError,
      );
    },
  );
});

describe('many waits', () => {
  it('need no timer when nobody waits, one while anybody does, and no interest of others after that', async () => {
    const engine = world.engine();
    const queue = engine.queue<number>({ name: 'q' });
    const jobs = await queue.addBulk(Array.from({ length: 20 }, (_, data) => ({ data })));
    expect(world.clock.pendingTimers).toBe(0);
    const waits = jobs.map((job) => failureOf(job.waitUntilFinished({ timeout: '1m' })));
    await world.clock.settle();
    expect(world.clock.pendingTimers).toBe(1);
    await world.clock.advance('1m');
    await Promise.all(waits);
    expect(world.clock.pendingTimers).toBe(0);
  });

  it('read at most 200 records at a time, and all end', async () => {
    let now = 0;
    let most = 0;
    const backend = wrapBackend(deaf(), async (operation, _args, run) => {
      if (operation !== 'admin.get') return run();
      now += 1;
      most = Math.max(most, now);
      await new Promise<void>((next) => world.clock.timer(10, next));
      now -= 1;
      return run();
    });
    const here = world.engine({}, { backend });
    const there = world.engine();
    there.worker<number, number>({ topic: 'q', concurrency: 100, handler: ({ data }) => data });
    const queue = here.queue<number, number>({ name: 'q' });
    const jobs = await queue.addBulk(Array.from({ length: 1_500 }, (_, data) => ({ data })));
    await there.start();
    const all = Promise.all(jobs.map((job) => job.waitUntilFinished()));
    expect(await world.passUntil(all, '100ms')).toEqual(jobs.map(({ data }) => data));
    expect(most).toBe(200);
  });

  it('for one job share its reads', async () => {
    const { backend, reads } = counting(deaf());
    const here = world.engine({}, { backend });
    const there = world.engine();
    there.worker({ topic: 'q', handler: slow(30_000) });
    await there.start();
    const job = await here.queue({ name: 'q' }).add(1);
    const waits = Array.from({ length: 50 }, () => job.waitUntilFinished());
    await world.clock.advance('1m');
    await Promise.all(waits);
    expect(reads()).toBeLessThan(30);
  });
});
