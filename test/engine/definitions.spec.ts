import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { defineQueue, InvalidOptionsError, queueModule, workerModule, type ModuleEntry } from 'oqronkit';
import { gate } from '../support/until.js';
import { World } from '../support/world.js';
import { wrapBackend } from '../support/wrapped-backend.js';

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.end());

describe('definitions made while the engine runs', () => {
  it('join at once', async () => {
    const engine = world.engine();
    await engine.start();
    const seen: unknown[] = [];
    const queue = engine.queue({ name: 'late', handler: ({ data }) => seen.push(data) });
    engine.worker({ topic: 'later', handler: ({ data }) => seen.push(data) });
    await queue.add('a');
    await engine.producer('later').add('b');
    await world.clock.settle();
    expect(seen.sort()).toEqual(['a', 'b']);
  });

  it('replace an earlier one of the same kind and name, with a warning; what runs ends under the old one', async () => {
    const engine = world.engine();
    const first = gate();
    const seen: string[] = [];
    const queue = engine.queue<number>({
      name: 'q',
      handler: async ({ data }) => {
        await world.hold(first.opened);
        seen.push(`old ${data}`);
      },
    });
    await engine.start();
    await queue.add(1);
    await world.clock.settle();
    engine.queue<number>({ name: 'q', handler: ({ data }) => seen.push(`new ${data}`) });
    expect(world.log.matching('warn', /queue "q" is defined again; the later definition replaces/)).toHaveLength(1);
    await queue.add(2);
    await world.clock.settle();
    expect(seen).toEqual(['new 2']);
    expect(engine.health().running).toBe(1);
    first.open();
    await world.clock.settle();
    expect(seen).toEqual(['new 2', 'old 1']);
    await queue.add(3);
    await world.clock.settle();
    expect(seen).toEqual(['new 2', 'old 1', 'new 3']);
    expect(engine.definitions()).toHaveLength(1);
  });

  it('replace one that has not joined yet: only the last runs', async () => {
    const engine = world.engine();
    await engine.start();
    const seen: string[] = [];
    for (const version of ['one', 'two', 'three']) {
      engine.queue({ name: 'q', concurrency: 1, handler: () => seen.push(version) });
    }
    await engine.producer('q').addBulk(Array.from({ length: 6 }, (_, n) => ({ data: n })));
    await world.clock.advance('1m');
    expect(seen).toEqual(Array(6).fill('three'));
  });

  it('made while it starts are not forgotten', async () => {
    const declaring = gate();
    const backend = wrapBackend(world.backend, async (operation, args, run) => {
      if (operation === 'admin.declare' && args[1] === 'second') await declaring.opened;
      return run();
    });
    const engine = world.engine({}, { backend });
    const seen: string[] = [];
    const first = engine.queue({ name: 'first', handler: () => seen.push('first, old') });
    engine.queue({ name: 'second', handler: () => seen.push('second') });
    const starting = engine.start();
    await world.clock.settle();
    engine.queue({ name: 'first', handler: () => seen.push('first, new') });
    engine.queue({ name: 'third', handler: () => seen.push('third') });
    declaring.open();
    await starting;
    await first.add(1);
    await engine.producer('second').add(1);
    await engine.producer('third').add(1);
    await world.clock.settle();
    expect(seen.sort()).toEqual(['first, new', 'second', 'third']);
  });

  it('do not begin to run when the engine stops before they joined', async () => {
    const declaring = gate();
    const backend = wrapBackend(world.backend, async (operation, _args, run) => {
      if (operation === 'admin.declare') await declaring.opened;
      return run();
    });
    const engine = world.engine({}, { backend });
    await engine.start();
    let runs = 0;
    engine.queue({ name: 'q', handler: () => (runs += 1) });
    await engine.stop();
    declaring.open();
    await world.engine().producer('q').add(1);
    await world.clock.advance('1m');
    expect(runs).toBe(0);
    expect(await world.engine().producer('q').count('waiting')).toBe(1);
  });

  it('that are refused leave the earlier one running', async () => {
    const engine = world.engine();
    let runs = 0;
    const queue = engine.queue({ name: 'q', handler: () => (runs += 1) });
    await engine.start();
    expect(() => engine.queue({ name: 'q', lockTtlMs: 1_000, handler: () => 1 })).toThrow(InvalidOptionsError);
    await queue.add(1);
    await world.clock.settle();
    expect(runs).toBe(1);
  });

  it('of a queue and a worker on one topic share its jobs', async () => {
    const engine = world.engine();
    const seen = new Set<string>();
    const slow = (who: string) => async () => {
      seen.add(who);
      await world.clock.sleep('1s');
    };
    const queue = engine.queue({ name: 'q', concurrency: 1, handler: slow('queue') });
    engine.worker({ topic: 'q', concurrency: 1, handler: slow('worker') });
    await engine.start();
    await queue.addBulk(Array.from({ length: 10 }, (_, n) => ({ data: n })));
    await world.clock.advance('10s');
    expect(seen).toEqual(new Set(['queue', 'worker']));
    expect(await queue.counts()).toMatchObject({ completed: 10 });
  });
});

describe('a contract', () => {
  const Encode = defineQueue<{ file: string }, string>('encode', { timeout: '7s', retries: { max: 1 }, priority: 4 });

  it('gives both sides what they share', async () => {
    const api = world.engine();
    const worker = world.engine();
    const seen: unknown[] = [];
    worker.worker(Encode, {
      handler: (ctx) => {
        seen.push([ctx.timeoutMs, ctx.maxAttempts, ctx.priority]);
        return `${ctx.data.file}.mp4`;
      },
    });
    await worker.start();
    const { id } = await api.producer(Encode).add({ file: 'a' });
    await world.clock.settle();
    expect(seen).toEqual([[7_000, 2, 4]]);
    expect((await api.producer(Encode).getJob(id))?.returnValue).toBe('a.mp4');
  });

  it('of which an engine may only produce adds no definition', () => {
    const engine = world.engine();
    engine.producer(Encode);
    engine.producer('other');
    expect(engine.definitions()).toEqual([]);
  });
});

describe('the selection of modules', () => {
  /** What runs in an engine with a consuming queue and a worker, and what it says about itself. */
  async function select(modules: readonly ModuleEntry[] | undefined) {
    const engine = world.engine(modules ? { modules } : {});
    const ran: string[] = [];
    const queue = engine.queue({ name: 'by-queue', handler: () => ran.push('queue') });
    engine.worker({ topic: 'by-worker', handler: () => ran.push('worker') });
    engine.queue({ name: 'publish-only' });
    await engine.start();
    const claims = world.clock.pendingTimers;
    await queue.add(1);
    await engine.producer('by-worker').add(1);
    await engine.producer('publish-only').add(1);
    await world.clock.advance('1m');
    const reasons = engine.definitions().map(({ name, active, reason }) => `${name}: ${active ? 'active' : reason}`);
    return { ran: ran.sort(), reasons, claims };
  }

  const PUBLISHER = 'publish-only: publishes only';

  it('takes all when nothing is said', async () => {
    expect(await select(undefined)).toMatchObject({
      ran: ['queue', 'worker'],
      reasons: ['by-queue: active', 'by-worker: active', PUBLISHER],
    });
  });

  it.each<[string, ModuleEntry]>([
    ['bare', workerModule],
    ['called', workerModule()],
    ['by name', 'worker'],
    ['as an object', { module: 'worker' }],
  ])('runs only the worker when only its module is selected, %s', async (_title, entry) => {
    expect(await select([entry])).toMatchObject({
      ran: ['worker'],
      reasons: ['by-queue: the queue module is not selected', 'by-worker: active', PUBLISHER],
    });
  });

  it('publishes only with queueModule({ consume: false })', async () => {
    expect(await select([queueModule({ consume: false })])).toMatchObject({
      ran: [],
      reasons: [
        'by-queue: the queue module has consume: false',
        'by-worker: the worker module is not selected',
        PUBLISHER,
      ],
    });
  });

  it('runs nothing with an empty list, and still publishes', async () => {
    expect((await select([])).ran).toEqual([]);
    expect(await world.engine().producer('by-queue').count('waiting')).toBe(1);
  });

  it('asks the store for nothing on behalf of what is inactive', async () => {
    const calls: string[] = [];
    const backend = wrapBackend(world.backend, (operation, _args, run) => {
      calls.push(operation);
      return run();
    });
    const engine = world.engine({ modules: [queueModule({ consume: false })] }, { backend });
    engine.queue({ name: 'a', handler: () => 1 });
    engine.queue({ name: 'b' });
    engine.worker({ topic: 'c', handler: () => 1 });
    await engine.start();
    calls.length = 0;
    await world.clock.advance('30s');
    expect(calls.filter((operation) => operation === 'claim')).toEqual([]);
  });

  it('uses the options of a module for its definitions', async () => {
    const engine = world.engine({ modules: [queueModule({ concurrency: 3 }), workerModule({ concurrency: 2 })] });
    engine.queue({ name: 'a', handler: () => 1 });
    engine.queue({ name: 'b', handler: () => 1, concurrency: 9 });
    engine.worker({ topic: 'c', handler: () => 1 });
    expect(engine.definitions().map(({ name, concurrency }) => [name, concurrency])).toEqual([
      ['a', 3],
      ['b', 9],
      ['c', 2],
    ]);
  });
});
