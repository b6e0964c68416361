import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { EngineStateError, OqronEngine, type EngineEvents, type JobAbortedError, type JobContext } from 'oqronkit';
import { failureOf, gate, until } from '../support/until.js';
import { World } from '../support/world.js';
import { wrapBackend } from '../support/wrapped-backend.js';

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.end());

/** Resolves with the kind of the reason when the handler is told to stop. */
function told(ctx: JobContext): Promise<string> {
  return world.hold(
    new Promise((resolve) => {
      ctx.signal.addEventListener('abort', () => resolve((ctx.signal.reason as JobAbortedError).kind));
    }),
  );
}

describe('stop', () => {
  it('waits for running jobs and claims nothing more', async () => {
    const engine = world.engine();
    const finished: unknown[] = [];
    const queue = engine.queue<number>({
      name: 'q',
      concurrency: 2,
      handler: async ({ data }) => {
        await world.clock.sleep('10s');
        finished.push(data);
      },
    });
    await engine.start();
    for (const n of [1, 2, 3, 4]) await queue.add(n);
    await world.clock.advance('1s');
    let stopped = false;
    const stopping = engine.stop().then(() => (stopped = true));
    await world.clock.advance('8s');
    expect([finished, stopped]).toEqual([[], false]);
    await world.clock.advance('1s');
    await stopping;
    expect(finished).toEqual([1, 2]);
    await world.clock.advance('1m');
    expect(finished).toEqual([1, 2]);
    const counts = await world.engine().producer('q').counts();
    expect(counts).toMatchObject({ completed: 2, waiting: 2, active: 0 });
  });

  it('goes on renewing the leases of what still runs', async () => {
    const engine = world.engine({ shutdown: { timeout: '5m' } });
    const queue = engine.queue<unknown, string>({
      name: 'q',
      handler: async () => {
        await world.clock.sleep('2m');
        return 'done';
      },
    });
    await engine.start();
    const { id } = await queue.add(1);
    await world.clock.advance('1s');
    const rival = world.engine();
    rival.worker({ topic: 'q', handler: () => 'stolen' });
    await rival.start();
    await world.passUntil(engine.stop(), '10s');
    expect(await rival.producer('q').getJob(id)).toMatchObject({
      status: 'completed',
      returnValue: 'done',
      stalledCount: 0,
    });
  });

  it('keeps producers open meanwhile: what handlers add lands, for others to run', async () => {
    const engine = world.engine();
    const next = engine.queue<string>({ name: 'next' });
    const queue = engine.queue({
      name: 'q',
      handler: async () => {
        await world.clock.sleep('5s');
        await next.add('from a handler while stopping');
      },
      hooks: { onSuccess: () => next.add('from a hook while stopping') },
    });
    await engine.start();
    await queue.add(1);
    await world.clock.advance('1s');
    await world.passUntil(engine.stop());
    const { jobs } = await world.engine().producer<string>('next').getJobs({ status: 'waiting' });
    expect(jobs.map(({ data }) => data)).toEqual(['from a handler while stopping', 'from a hook while stopping']);
  });

  it('waits for adds that are under way', async () => {
    const release = gate();
    const backend = wrapBackend(world.backend, async (operation, _args, run) => {
      if (operation === 'enqueue') await release.opened;
      return run();
    });
    const engine = world.engine({}, { backend });
    const queue = engine.queue({ name: 'q' });
    await engine.start();
    const adding = queue.add(1);
    await world.clock.settle();
    let stopped = false;
    const stopping = engine.stop().then(() => (stopped = true));
    await world.clock.advance('1s');
    expect(stopped).toBe(false);
    release.open();
    expect((await adding).created).toBe(true);
    await stopping;
  });

  it('tells what still runs after the timeout to stop; a value completes, a throw and undefined hand back', async () => {
    const engine = world.engine({ shutdown: { timeout: '20s' } });
    const kinds: string[] = [];
    const released: EngineEvents['job:released'][] = [];
    const failed: unknown[] = [];
    engine.on('job:released', (event) => released.push(event));
    engine.on('job:fail', (event) => failed.push(event));
    engine.on('job:retry', (event) => failed.push(event));
    const queue = engine.queue<string, unknown>({
      name: 'q',
      handler: async (ctx) => {
        kinds.push(await told(ctx));
        if (ctx.data === 'throws') throw new Error('interrupted');
        return ctx.data === 'returns' ? 'all the same' : undefined;
      },
    });
    await engine.start();
    const ids: Record<string, string> = {};
    for (const data of ['returns', 'throws', 'nothing']) ids[data] = (await queue.add(data)).id;
    await world.clock.advance('1s');
    const stopping = engine.stop();
    await world.clock.advance('19s');
    expect(kinds).toEqual([]);
    await world.clock.advance('1s');
    await stopping;
    expect(kinds).toEqual(['shutdown', 'shutdown', 'shutdown']);
    const read = world.engine().producer('q');
    expect(await read.getJob(ids.returns as string)).toMatchObject({
      status: 'completed',
      returnValue: 'all the same',
    });
    for (const data of ['throws', 'nothing']) {
      expect(await read.getJob(ids[data] as string)).toMatchObject({
        status: 'waiting',
        attemptMade: 0,
        stalledCount: 0,
        error: undefined,
      });
    }
    expect(released.map(({ reason, delayMs }) => [reason, delayMs])).toEqual([
      ['shutdown', 0],
      ['shutdown', 0],
    ]);
    expect(failed).toEqual([]);
  });

  it('hands back the job of a handler that never returns, attempt refunded, at its old place', async () => {
    const engine = world.engine({ shutdown: { timeout: '10s' } });
    const queue = engine.queue<string>({ name: 'q', concurrency: 1, handler: () => world.never() });
    await engine.start();
    const { id } = await queue.add('default', 'stuck');
    await world.clock.advance('1s');
    await queue.add('default', 'behind');
    const stopping = engine.stop();
    let stopped = false;
    void stopping.then(() => (stopped = true));
    await world.clock.advance('14s');
    expect(stopped).toBe(false);
    await world.clock.advance('1s');
    await stopping;
    const next = world.engine();
    const seen: [string, number][] = [];
    next.worker<string>({ topic: 'q', handler: ({ data, attempt }) => seen.push([data, attempt]) });
    await next.start();
    await world.clock.advance('1s');
    expect(seen).toEqual([
      ['stuck', 1],
      ['behind', 1],
    ]);
    expect((await next.producer('q').getJob(id))?.timeline).toMatchObject([
      { event: 'added' },
      { event: 'released', detail: 'shutdown' },
      { event: 'started', attempt: 1 },
      { event: 'completed' },
    ]);
  });

  it('ignores whatever a handler does after its job was handed back', async () => {
    const engine = world.engine({ shutdown: { timeout: 0 } });
    const late = gate<string>();
    const told_: unknown[] = [];
    engine.on('job:success', (event) => told_.push(event));
    const queue = engine.queue<unknown, string>({ name: 'q', abortGraceMs: 0, handler: () => world.hold(late.opened) });
    await engine.start();
    const { id } = await queue.add(1);
    await world.clock.advance('1s');
    await world.passUntil(engine.stop());
    late.open('too late');
    await world.clock.advance('1m');
    expect((await world.engine().producer('q').getJob(id))?.status).toBe('waiting');
    expect(told_).toEqual([]);
  });

  it('hands back jobs that a claim under way brings in, instead of starting them', async () => {
    const release = gate();
    let hold = false;
    const backend = wrapBackend(world.backend, async (operation, _args, run) => {
      const reply = await run();
      if (operation === 'claim' && hold) await release.opened;
      return reply;
    });
    const engine = world.engine({ shutdown: { timeout: '10s' } }, { backend });
    let runs = 0;
    const queue = engine.queue({ name: 'q', handler: () => (runs += 1) });
    await engine.start();
    await world.clock.advance('1s');
    hold = true;
    const { id } = await queue.add(1);
    await world.clock.settle();
    expect((await queue.getJob(id))?.status).toBe('active');
    const stopping = engine.stop();
    await world.clock.advance('2s');
    release.open();
    await world.passUntil(stopping);
    expect(runs).toBe(0);
    expect(await world.engine().producer('q').getJob(id)).toMatchObject({
      status: 'waiting',
      attemptMade: 0,
      stalledCount: 0,
    });
  });

  it('leaves to others what a claim brings in after everything was drained', async () => {
    const release = gate();
    let hold = false;
    const backend = wrapBackend(world.backend, async (operation, _args, run) => {
      const reply = await run();
      if (operation === 'claim' && hold) await release.opened;
      return reply;
    });
    const engine = world.engine({ shutdown: { timeout: '1s' } }, { backend });
    const seen: string[] = [];
    const queue = engine.queue({ name: 'q', handler: () => seen.push('drained engine') });
    await engine.start();
    await world.clock.advance('1s');
    hold = true;
    const { id } = await queue.add(1);
    await world.clock.settle();
    await world.passUntil(engine.drain());
    release.open();
    const other = world.engine();
    other.worker({ topic: 'q', handler: () => seen.push('other engine') });
    await other.start();
    await world.clock.advance('40s');
    expect(seen).toEqual(['other engine']);
    expect((await queue.getJob(id))?.status).toBe('completed');
  });

  it('starts nothing that a claim brings in after it is over', async () => {
    const release = gate();
    let hold = false;
    const backend = wrapBackend(world.backend, async (operation, _args, run) => {
      const reply = await run();
      if (operation === 'claim' && hold) await release.opened;
      return reply;
    });
    const engine = world.engine({ shutdown: { timeout: '1s' } }, { backend });
    let runs = 0;
    const queue = engine.queue({ name: 'q', handler: () => (runs += 1) });
    await engine.start();
    await world.clock.advance('1s');
    hold = true;
    await queue.add(1);
    await world.clock.settle();
    await world.passUntil(engine.stop());
    release.open();
    await world.clock.advance('10s');
    expect(runs).toBe(0);
  });

  it('does not wait for a store that is out of reach for ever, and says what could not be recorded', async () => {
    let down = false;
    const backend = wrapBackend(world.backend, (_operation, _args, run) =>
      down ? new Promise<never>(() => undefined) : run(),
    );
    const engine = world.engine({ shutdown: { timeout: '10s' } }, { backend });
    const done = gate();
    const queue = engine.queue({ name: 'q', handler: () => world.hold(done.opened) });
    await engine.start();
    await queue.add(1);
    await world.clock.advance('1s');
    down = true;
    done.open();
    const before = world.clock.monotonic();
    await world.passUntil(engine.stop());
    expect(world.clock.monotonic() - before).toBeLessThan(60_000);
    expect(world.log.matching('error', /the last outcomes could not be recorded/)).toHaveLength(1);
  });

  it('waits a while for hooks of the last jobs', async () => {
    const engine = world.engine();
    let audited = false;
    const queue = engine.queue({
      name: 'q',
      handler: () => 1,
      hooks: {
        onSuccess: async () => {
          await world.clock.sleep('3s');
          audited = true;
        },
      },
    });
    await engine.start();
    await queue.add(1);
    await world.clock.settle();
    await world.passUntil(engine.stop());
    expect(audited).toBe(true);
  });
});

describe('the life of an engine', () => {
  it('may be stopped twice, at once and again: every call resolves when it is over', async () => {
    const engine = world.engine({}, { backend: undefined });
    const queue = engine.queue({ name: 'q', handler: () => world.clock.sleep('10s') });
    await engine.start();
    await queue.add(1);
    await world.clock.settle();
    const order: string[] = [];
    const both = [engine.stop().then(() => order.push('first')), engine.stop().then(() => order.push('second'))];
    await world.clock.advance('9s');
    expect(order).toEqual([]);
    await world.clock.advance('1s');
    await Promise.all(both);
    await engine.stop();
    expect(order).toHaveLength(2);
    expect(engine.health()).toMatchObject({ state: 'stopped', running: 0 });
  });

  it('closes its store once, after everything else, and not one that it was given', async () => {
    const course: string[] = [];
    const closing = gate();
    const own = {
      ...world.backend,
      close: async () => {
        course.push('closing');
        await closing.opened;
        course.push('closed');
      },
    };
    const given = world.engine({}, { backend: own });
    await given.start();
    await given.stop();
    expect(course).toEqual([]);
  });

  it('may be stopped before it was started, and cannot be started afterwards', async () => {
    const engine = world.engine();
    await engine.stop();
    expect(engine.health().state).toBe('stopped');
    const error = await failureOf(engine.start());
    expect(error).toBeInstanceOf(EngineStateError);
    expect(error.message).toMatch(/OqronEngine\.start: an engine that was stopped cannot start again/);
  });

  it('cannot be started again while it stops', async () => {
    const engine = world.engine();
    let runs = 0;
    const queue = engine.queue({ name: 'q', handler: () => (runs += 1) });
    await engine.start();
    const stopping = engine.stop();
    const starting = failureOf(engine.start());
    await stopping;
    expect(await starting).toBeInstanceOf(EngineStateError);
    expect(engine.health().state).toBe('stopped');
    await expect(queue.add(1)).rejects.toBeInstanceOf(EngineStateError);
    await world.engine().producer('q').add(1);
    await world.clock.advance('1m');
    expect(runs).toBe(0);
  });

  it('refuses adds and reads after stop, with an error that says so', async () => {
    const engine = world.engine();
    const queue = engine.queue({ name: 'q' });
    const job = await queue.add(1);
    await engine.stop();
    for (const use of [
      () => queue.add(1),
      () => queue.addBulk([]),
      () => queue.getJob('x'),
      () => queue.pause(),
      () => queue.counts(),
      () => job.cancel(),
    ]) {
      const error = await failureOf(use());
      expect(error).toBeInstanceOf(EngineStateError);
      expect(error.message).toMatch(/queue "q".*the engine has been stopped/);
    }
  });

  it('may be started twice, at once and again', async () => {
    const engine = world.engine();
    const ready: unknown[] = [];
    engine.on('system:ready', (event) => ready.push(event));
    let runs = 0;
    const queue = engine.queue({ name: 'q', concurrency: 1, handler: () => (runs += 1) });
    await Promise.all([engine.start(), engine.start()]);
    await engine.start();
    await queue.add(1);
    await world.clock.settle();
    expect(ready).toHaveLength(1);
    expect(runs).toBe(1);
  });

  it('rolls back a start that fails, and can be started again', async () => {
    let broken = true;
    const backend = {
      ...world.backend,
      open: () => (broken ? Promise.reject(new Error('no server')) : Promise.resolve()),
    };
    const engine = world.engine({}, { backend });
    let runs = 0;
    const queue = engine.queue({ name: 'q', handler: () => (runs += 1) });
    await expect(engine.start()).rejects.toThrow('no server');
    await expect(queue.add(1)).rejects.toThrow('no server');
    expect(engine.health().state).toBe('new');
    expect(world.clock.pendingTimers).toBe(0);
    broken = false;
    await queue.add(1);
    await engine.start();
    await world.clock.settle();
    expect(runs).toBe(1);
  });

  it('can be drained, after which producers still work, and then stopped', async () => {
    const engine = world.engine();
    let runs = 0;
    const queue = engine.queue({ name: 'q', handler: () => (runs += 1) });
    await engine.start();
    await engine.drain();
    await engine.drain();
    await queue.add(1);
    await world.clock.advance('1m');
    expect(runs).toBe(0);
    expect(await queue.count('waiting')).toBe(1);
    await engine.stop();
    await expect(queue.add(2)).rejects.toBeInstanceOf(EngineStateError);
  });

  it('can be drained and started again', async () => {
    const engine = world.engine();
    const seen: unknown[] = [];
    const queue = engine.queue({ name: 'q', concurrency: 1, handler: ({ data }) => seen.push(data) });
    for (let round = 1; round <= 3; round += 1) {
      await engine.start();
      await queue.add(round);
      await world.clock.settle();
      await engine.drain();
      await queue.add(`while drained, ${round}`);
      await world.clock.advance('1m');
      expect(engine.health().state).toBe('drained');
    }
    await engine.start();
    await world.clock.advance('20s');
    expect(seen).toHaveLength(6);
    expect(engine.health()).toMatchObject({ state: 'started', signals: true });
  });

  it('leaves nothing behind: no timer on its clock', async () => {
    const engine = world.engine();
    const queue = engine.queue({
      name: 'q',
      timeout: '1h',
      handler: async (ctx) => {
        ctx.progress(5);
        await world.clock.sleep('7s');
        ctx.log.info('x');
      },
    });
    await engine.start();
    await queue.add(1);
    await queue.add(2, { delay: '1h' });
    await world.clock.advance('1s');
    await world.passUntil(engine.stop(), '100ms');
    expect(world.clock.pendingTimers).toBe(0);
  });

  it('leaves nothing behind on the real clock either: no handle keeps the process alive', async () => {
    const before = process.getActiveResourcesInfo().filter((type) => type === 'Timeout').length;
    const engine = new OqronEngine({ logger: false });
    const queue = engine.queue({
      name: 'q',
      timeout: '1h',
      retries: { baseDelay: '1h' },
      handler: (ctx) => {
        ctx.progress(5);
        if (ctx.data === 'fails') throw new Error('x');
      },
    });
    await engine.start();
    await queue.addBulk([{ data: 'ok' }, { data: 'fails' }]);
    await until('both ran', async () => (await queue.count('completed')) + (await queue.count('delayed')) === 2);
    await engine.stop();
    const after = process.getActiveResourcesInfo().filter((type) => type === 'Timeout').length;
    expect(after).toBeLessThanOrEqual(before);
  });
});
