import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { InvalidOptionsError, OqronManager, type JobAbortedError, type OqronConfig } from 'oqronkit';
import { failureOf } from '../support/until.js';
import { World } from '../support/world.js';
import { wrapBackend } from '../support/wrapped-backend.js';

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.end());

const items = (n: number) => Array.from({ length: n }, (_, data) => ({ data }));

describe('`OqronManager.from(config | engine)`', () => {
  it('gives the manager of that engine', async () => {
    const config: OqronConfig = { project: 'shop' };
    const engine = world.engine(config);
    expect(OqronManager.from(engine)).toBe(engine.manager);
    expect(OqronManager.from(engine.config)).toBe(engine.manager);
    const { id } = await engine.queue({ name: 'q' }).add(1);
    expect((await OqronManager.from(engine).getJob(id))?.id).toBe(id);
  });
});

describe('Every operation is bounded and paged', () => {
  it('no call that it makes to the store is about more than 1 000 of anything', async () => {
    const asked: [string, number][] = [];
    const returned: [string, number][] = [];
    const backend = wrapBackend(world.backend, async (operation, args, run) => {
      for (const arg of args) {
        if (Array.isArray(arg)) asked.push([operation, arg.length]);
        if (typeof arg === 'number') asked.push([operation, arg]);
        if (typeof arg === 'object' && arg !== null && 'limit' in arg) asked.push([operation, Number(arg.limit)]);
      }
      const reply = await run();
      if (typeof reply === 'object' && reply !== null && 'jobs' in reply && Array.isArray(reply.jobs)) {
        returned.push([operation, reply.jobs.length]);
      }
      return reply;
    });
    const engine = world.engine({}, { backend });
    const { manager } = engine;
    const queue = engine.queue<number>({
      name: 'q',
      concurrency: 500,
      retries: { max: 0 },
      handler: () => {
        throw new Error('broken');
      },
    });
    await queue.addBulk(items(2_500));
    await engine.start();
    await world.clock.advance('10s');
    expect(await queue.count('failed')).toBe(2_500);
    asked.length = returned.length = 0;
    await manager.getSystemStats();
    await manager.listQueues();
    await manager.verify();
    const first = await manager.queryJobs({ status: 'failed' });
    expect([first.jobs.length, first.cursor === undefined]).toEqual([100, false]);
    expect((await manager.queryJobs({ status: 'failed', limit: 1_000 })).jobs).toHaveLength(1_000);
    await queue.pause();
    const retried = await manager.retryAllFailed('q');
    expect(retried.retried).toBeLessThanOrEqual(1_000);
    expect(retried.more).toBe(true);
    await manager.disableInstance('queue', 'q');
    await queue.addBulk(items(2_500));
    await manager.enableInstance('queue', 'q');
    await manager.obliterate('q');
    const tooMuch = [...asked, ...returned].filter(([, n]) => n > 1_000);
    expect(tooMuch).toEqual([]);
    expect(asked.length).toBeGreaterThan(10);
  });

  it('a page of more than 1 000 is refused', async () => {
    const { manager } = world.engine();
    await world.engine().queue({ name: 'q' }).add(1);
    for (const call of [
      manager.queryJobs({ limit: 1_001 }),
      manager.listQueues({ limit: 1_001 }),
      manager.retryAllFailed('q', { limit: 100_001 }),
      manager.verify({ limit: 100_001 }),
    ]) {
      expect(await failureOf(call)).toBeInstanceOf(InvalidOptionsError);
    }
  });
});

describe('Cancelling an active job', () => {
  it.each([
    ['at once by its control channel', true, 0],
    ['at the latest with the next heartbeat', false, 5_000],
  ] as const)('reaches the handler on any node %s', async (_how, works, within) => {
    const signals = {
      ...world.backend.signals,
      listen: world.backend.signals.listen.bind(world.backend.signals),
      passOn: world.backend.signals.passOn.bind(world.backend.signals),
      broadcast: world.backend.signals.broadcast.bind(world.backend.signals),
      send: (...args: Parameters<typeof world.backend.signals.send>) =>
        works ? world.backend.signals.send(...args) : Promise.resolve(),
    };
    const at: [string, number][] = [];
    for (const engine of [world.engine(), world.engine(), world.engine()]) {
      engine.worker({
        topic: 'q',
        handler: async (ctx) => {
          await world.hold(new Promise((resolve) => ctx.signal.addEventListener('abort', resolve)));
          at.push([(ctx.signal.reason as JobAbortedError).kind, world.clock.monotonic()]);
        },
      });
      await engine.start();
    }
    const { manager } = world.engine({}, { backend: { ...world.backend, signals } });
    const jobs = await world.engine().producer('q').addBulk(items(3));
    await world.clock.advance('1s');
    const began = world.clock.monotonic();
    for (const { id } of jobs) expect(await manager.cancelJob(id, 'not needed')).toBe('cancelled');
    await world.clock.advance(within);
    expect(at.map(([kind]) => kind)).toEqual(['cancelled', 'cancelled', 'cancelled']);
    for (const [, time] of at) expect(time - began).toBeLessThanOrEqual(within);
  });

  it('of an unknown id is a no-op that says so; of a finished one leaves it unchanged', async () => {
    const engine = world.engine();
    const queue = engine.queue({ name: 'q', handler: () => 'done' });
    await engine.start();
    const { id } = await queue.add(1);
    await world.clock.settle();
    const before = await engine.manager.getJob(id);
    expect(await engine.manager.cancelJob(id, 'too late')).toBe('finished');
    expect(await engine.manager.getJob(id)).toEqual(before);
    expect(before).toMatchObject({ status: 'completed', returnValue: 'done', reason: undefined });
    expect(await engine.manager.cancelJob('nobody')).toBe('unknown');
    expect(await queue.count()).toBe(1);
  });
});
