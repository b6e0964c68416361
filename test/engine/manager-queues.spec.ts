import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  InvalidOptionsError,
  JOB_STATUSES,
  QueueDisabledError,
  QueueNotFoundError,
  type EngineEventName,
  type OqronEngine,
} from 'oqronkit';
import { failureOf, gate } from '../support/until.js';
import { World } from '../support/world.js';
import { wrapBackend } from '../support/wrapped-backend.js';

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.end());

/** Names and queues of the events of an engine, as they come. */
function eventsOf(
  engine: OqronEngine,
  ...names: ('queue:paused' | 'queue:resumed' | 'queue:disabled' | 'queue:enabled')[]
) {
  const seen: string[] = [];
  for (const name of names) engine.on(name satisfies EngineEventName, ({ queue }) => seen.push(`${name} ${queue}`));
  return seen;
}

describe('getQueueInfo', () => {
  it('says how the queue is recorded, its jobs per state, and what this process defines', async () => {
    const engine = world.engine();
    const queue = engine.queue<number>({ name: 'q', strategy: 'lifo', concurrency: 3, handler: () => 1 });
    await queue.addBulk([{ data: 1 }, { data: 2 }, { data: 3, opts: { delay: '1h' } }]);
    const info = await engine.manager.getQueueInfo('q');
    expect(info).toMatchObject({
      name: 'q',
      strategy: 'lifo',
      paused: false,
      disabled: false,
      disabledBehavior: 'hold',
      maxHeldJobs: 10_000,
      version: 0,
      counts: { waiting: 2, delayed: 1, active: 0 },
      definitions: [{ kind: 'queue', name: 'q', active: true, concurrency: 3 }],
    });
    expect(Object.keys(info.counts).toSorted()).toEqual([...JOB_STATUSES].toSorted());
    expect(await world.engine().manager.getQueueInfo('q')).toMatchObject({ definitions: [] });
  });

  it('of a queue that is defined and not recorded yet says what is missing', async () => {
    const engine = world.engine();
    engine.queue({ name: 'q' });
    const error = await failureOf(engine.manager.getQueueInfo('q'));
    expect(error).toBeInstanceOf(QueueNotFoundError);
    expect(error.message).toContain('A definition names it: start the engine');
    await engine.start();
    expect(await engine.manager.getQueueInfo('q')).toMatchObject({ name: 'q', definitions: [{ name: 'q' }] });
  });

  it('of an unknown name is a typed error', async () => {
    const error = await failureOf<QueueNotFoundError>(world.engine().manager.getQueueInfo('nobody'));
    expect(error).toBeInstanceOf(QueueNotFoundError);
    expect(error.message).toContain('OqronManager.getQueueInfo: there is no queue "nobody"');
  });
});

describe('listQueues', () => {
  it('answers pages by name', async () => {
    const engine = world.engine();
    for (const name of ['d', 'a', 'c', 'b', 'e']) await engine.producer(name).add({});
    const { manager } = world.engine();
    const names: string[][] = [];
    let after: string | undefined;
    do {
      const page = await manager.listQueues({ limit: 2, ...(after === undefined ? {} : { after }) });
      names.push(page.queues.map(({ name }) => name));
      ({ after } = page);
    } while (after !== undefined);
    expect(names).toEqual([['a', 'b'], ['c', 'd'], ['e']]);
    const { queues } = await manager.listQueues();
    expect(queues.map(({ name, counts }) => [name, counts.waiting])).toEqual(
      ['a', 'b', 'c', 'd', 'e'].map((n) => [n, 1]),
    );
    expect(await failureOf(manager.listQueues({ limit: 0 }))).toBeInstanceOf(InvalidOptionsError);
  });
});

describe('pauseQueue, resumeQueue, drainQueue, obliterate', () => {
  it('pauseQueue and resumeQueue hold for every process, with the events of a queue’s handle', async () => {
    const worker = world.engine();
    const ran: unknown[] = [];
    worker.worker({ topic: 'q', handler: ({ data }) => ran.push(data) });
    await worker.start();
    const { manager, ...other } = { manager: world.engine().manager };
    expect(other).toEqual({});
    const engine = world.engine();
    const seen = eventsOf(engine, 'queue:paused', 'queue:resumed');
    await engine.manager.pauseQueue('q');
    await engine.manager.pauseQueue('q');
    await engine.producer('q').add(1);
    await world.clock.advance('1m');
    expect(ran).toEqual([]);
    expect(await manager.getQueueInfo('q')).toMatchObject({ paused: true });
    await engine.manager.resumeQueue('q');
    await world.clock.settle();
    expect(ran).toEqual([1]);
    expect(seen).toEqual(['queue:paused q', 'queue:resumed q']);
  });

  it('drainQueue lets what runs finish, then leaves the queue paused', async () => {
    const engine = world.engine();
    const first = gate();
    const queue = engine.queue<number>({ name: 'q', concurrency: 1, handler: () => world.hold(first.opened) });
    await engine.start();
    await queue.addBulk([{ data: 1 }, { data: 2 }]);
    await world.clock.settle();
    const draining = world.engine().manager.drainQueue('q');
    await world.clock.advance('1s');
    first.open();
    await world.passUntil(draining);
    expect(await engine.manager.getQueueInfo('q')).toMatchObject({
      paused: true,
      counts: { waiting: 1, completed: 1 },
    });
  });

  it('obliterate deletes all jobs but running ones, those too with force, and answers how many', async () => {
    const engine = world.engine();
    const queue = engine.queue<number>({ name: 'q', concurrency: 1, handler: () => world.never() });
    await engine.start();
    await queue.addBulk(Array.from({ length: 5 }, (_, n) => ({ data: n })));
    await world.clock.settle();
    expect(await engine.manager.obliterate('q')).toBe(4);
    expect(await queue.counts()).toMatchObject({ active: 1, waiting: 0 });
    expect(await engine.manager.obliterate('q', { force: true })).toBe(1);
    expect(await queue.count()).toBe(0);
  });

  it('refuse unknown names', async () => {
    const { manager } = world.engine();
    const calls = [
      manager.pauseQueue('nobody'),
      manager.resumeQueue('nobody'),
      manager.drainQueue('nobody'),
      manager.obliterate('nobody'),
      manager.disableInstance('queue', 'nobody'),
      manager.enableInstance('worker', 'nobody'),
      manager.verify({ queue: 'nobody' }),
    ];
    for (const call of calls) expect(await failureOf(call)).toBeInstanceOf(QueueNotFoundError);
    expect(await manager.listQueues()).toEqual({ queues: [] });
  });
});

describe('disableInstance and enableInstance', () => {
  it.each(['queue', 'worker'] as const)('switch the queue of a %s off and on in the whole cluster', async (type) => {
    const worker = world.engine();
    const ran: unknown[] = [];
    worker.worker({ topic: 'q', handler: ({ data }) => ran.push(data) });
    await worker.start();
    const engine = world.engine();
    const seen = eventsOf(engine, 'queue:disabled', 'queue:enabled');
    await engine.manager.disableInstance(type, 'q');
    await engine.manager.disableInstance(type, 'q');
    const held = await engine.producer('q').add(1);
    expect(held.status).toBe('paused');
    await world.clock.advance('1m');
    expect(ran).toEqual([]);
    expect(await worker.manager.getQueueInfo('q')).toMatchObject({ disabled: true, counts: { paused: 1 } });
    await engine.manager.enableInstance(type, 'q');
    await engine.manager.enableInstance(type, 'q');
    await world.clock.settle();
    expect(ran).toEqual([1]);
    expect(seen).toEqual(['queue:disabled q', 'queue:enabled q']);
  });

  it('on enabling, held jobs keep delay, priority and dependencies', async () => {
    const engine = world.engine();
    const queue = engine.queue<string>({ name: 'q', strategy: 'priority' });
    const parent = await engine.producer('parents').add({});
    await queue.add('default', 'first', {});
    await engine.manager.disableInstance('queue', 'q');
    const options = [{ delay: '1h' }, { priority: 7 }, { dependsOn: [parent] }, {}] as const;
    const held = [];
    for (const opts of options)
      held.push(
        await queue.add('default', 'x', { ...opts, dependsOn: [...('dependsOn' in opts ? opts.dependsOn : [])] }),
      );
    expect(new Set(held.map(({ status }) => status))).toEqual(new Set(['paused']));
    await engine.manager.enableInstance('queue', 'q');
    const after = await Promise.all(held.map(({ id }) => engine.manager.getJob(id)));
    expect(after.map((job) => job?.status)).toEqual(['delayed', 'waiting', 'waiting-children', 'waiting']);
    expect(after[1]).toMatchObject({ priority: 7 });
    expect((after[0]?.runAt ?? 0) - world.clock.now()).toBe(3_600_000);
  });

  it('let go of more held jobs than one call does', async () => {
    const engine = world.engine();
    const queue = engine.queue<number>({ name: 'q' });
    await queue.add(0);
    await engine.manager.disableInstance('queue', 'q');
    await queue.addBulk(Array.from({ length: 2_500 }, (_, n) => ({ data: n })));
    await engine.manager.enableInstance('queue', 'q');
    expect(await queue.counts()).toMatchObject({ waiting: 2_501, paused: 0 });
  });

  it('skip drops and returns a handle with skipped: true; reject throws QueueDisabledError', async () => {
    const engine = world.engine();
    const skipping = engine.queue({ name: 'skipping', disabledBehavior: 'skip' });
    const rejecting = engine.queue({ name: 'rejecting', disabledBehavior: 'reject' });
    await engine.start();
    for (const name of ['skipping', 'rejecting']) await engine.manager.disableInstance('queue', name);
    expect(await skipping.add({})).toMatchObject({ skipped: true, created: false });
    const error = await failureOf(rejecting.add({}));
    expect(error).toBeInstanceOf(QueueDisabledError);
    expect(await engine.manager.queryJobs()).toEqual({ jobs: [] });
  });

  it('refuse a type that is no module, naming those that are', async () => {
    const { manager } = world.engine();
    const error = await failureOf(manager.disableInstance('cron' as 'queue', 'q'));
    expect(error).toBeInstanceOf(InvalidOptionsError);
    expect(error.message).toContain('unknown module "cron"; known: queue, worker');
    expect(await failureOf(manager.enableInstance('cron' as 'queue', 'q'))).toBeInstanceOf(InvalidOptionsError);
  });
});

describe('getSystemStats', () => {
  it('says what there is to know of the process, the store and the jobs of all queues', async () => {
    const engine = world.engine({ project: 'shop', environment: 'test' });
    engine.queue<number>({ name: 'a', concurrency: 1, handler: () => world.never() });
    await engine.producer<number>('a').addBulk([{ data: 1 }, { data: 2 }]);
    await engine.producer('b').add({}, { delay: '1h' });
    await engine.producer('c').pause();
    expect(await engine.manager.getSystemStats()).toMatchObject({ state: 'new', uptimeMs: 0, running: 0 });
    await engine.start();
    await world.clock.advance('90s');
    await engine.manager.disableInstance('queue', 'b');
    const stats = await engine.manager.getSystemStats();
    expect(stats).toEqual({
      ...engine.health(),
      owner: engine.owner,
      project: 'shop',
      environment: 'test',
      mode: 'default',
      uptimeMs: 90_000,
      memory: {
        rss: expect.any(Number),
        heapUsed: expect.any(Number),
        heapTotal: expect.any(Number),
        external: expect.any(Number),
      },
      queues: { total: 3, paused: 1, disabled: 1 },
      jobs: { ...Object.fromEntries(JOB_STATUSES.map((status) => [status, 0])), active: 1, waiting: 1, delayed: 1 },
      partial: false,
    });
    expect(stats).toMatchObject({ state: 'started', running: 1, backend: 'memory', durability: 'none' });
    expect(stats.memory.rss).toBeGreaterThan(1_000_000);
  });

  it('counts at most 1 000 queues, and says that it did not count all', async () => {
    const names = Array.from({ length: 1_001 }, (_, n) => `q${String(n).padStart(4, '0')}`);
    const backend = wrapBackend(world.backend, (operation, args, run) => {
      if (operation !== 'admin.queues') return run();
      const { limit, after } = args[0] as { limit: number; after?: string };
      const from = after === undefined ? 0 : names.indexOf(after) + 1;
      return names.slice(from, from + limit);
    });
    const { manager } = world.engine({}, { backend });
    const partial = await manager.getSystemStats();
    expect(partial).toMatchObject({ partial: true, queues: { total: 1_000 } });
    names.pop();
    expect(await manager.getSystemStats()).toMatchObject({ partial: false, queues: { total: 1_000 } });
  });
});
