import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { EngineEventName, EngineEvents, OqronEngine } from 'oqronkit';
import { FakeOwner } from '../support/fake-owner.js';
import { constantRandom } from '../support/seeded-random.js';
import { World } from '../support/world.js';
import { wrapBackend } from '../support/wrapped-backend.js';

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.end());

/** What an engine tells of one event. */
function told<K extends EngineEventName>(engine: OqronEngine, event: K): EngineEvents[K][] {
  const seen: EngineEvents[K][] = [];
  engine.on(event, (payload) => seen.push(payload));
  return seen;
}

const message = (text: string) => expect.objectContaining({ message: text }) as never;
const failing = { name: 'q', retries: { max: 1, strategy: 'fixed', baseDelay: '4s' } } as const;

describe('Typed emitter on the engine', () => {
  it('job:added', async () => {
    const engine = world.engine();
    const seen = told(engine, 'job:added');
    const queue = engine.queue({ name: 'q' });
    const { id } = await queue.add('welcome', 1, { delay: '1m' });
    await queue.add('welcome', 1, { jobId: id });
    expect(seen).toEqual([{ queue: 'q', id, name: 'welcome', status: 'delayed' }]);
  });

  it('job:start, job:progress, job:success', async () => {
    const engine = world.engine();
    const order: [string, object][] = [];
    for (const event of ['job:start', 'job:progress', 'job:success'] as const) {
      engine.on(event, (payload) => order.push([event, payload]));
    }
    const queue = engine.queue<unknown, unknown>({
      name: 'q',
      handler: async (ctx) => {
        ctx.progress(50, 'half');
        await world.clock.sleep('2s');
        return { ok: true };
      },
    });
    await engine.start();
    const { id } = await queue.add(1);
    await world.clock.advance('5s');
    const job = { queue: 'q', id, name: 'default', attempt: 1 };
    expect(order).toEqual([
      ['job:start', job],
      ['job:progress', { ...job, progress: { percent: 50, label: 'half' } }],
      ['job:success', { ...job, result: { ok: true }, durationMs: 2_000 }],
    ]);
  });

  it('job:retry, job:fail', async () => {
    const engine = world.engine({}, { random: constantRandom(0.5) });
    const [retried, failed] = [told(engine, 'job:retry'), told(engine, 'job:fail')];
    const queue = engine.queue({
      ...failing,
      handler: async () => {
        await world.clock.sleep('1s');
        throw new Error('broken');
      },
    });
    await engine.start();
    const { id } = await queue.add(1);
    await world.clock.advance('1m');
    const job = { queue: 'q', id, name: 'default', error: message('broken') };
    expect(retried).toEqual([{ ...job, attempt: 1, delayMs: 4_000 }]);
    expect(failed).toEqual([{ ...job, attempt: 2, durationMs: 1_000 }]);
  });

  it('job:stalled', async () => {
    const engine = world.engine();
    const seen = told(engine, 'job:stalled');
    const { id } = await engine.producer('q').add(1);
    await new FakeOwner('ghost', world.backend.store).claim('q');
    engine.worker({ topic: 'q', handler: () => 1 });
    await engine.start();
    await world.clock.advance('1m');
    expect(seen).toEqual([{ queue: 'q', id, owner: 'ghost', stalledCount: 1 }]);
  });

  it('job:cancelled', async () => {
    const engine = world.engine();
    const seen = told(engine, 'job:cancelled');
    const queue = engine.queue({ name: 'q' });
    const [one, two] = [await queue.add(1), await queue.add(2)];
    await one.cancel('not needed');
    await one.cancel('again');
    await engine.manager.cancelJob(two.id);
    expect(seen).toEqual([
      { queue: 'q', id: one.id, reason: 'not needed' },
      { queue: 'q', id: two.id },
    ]);
  });

  it('job:released', async () => {
    const engine = world.engine();
    const seen = told(engine, 'job:released');
    let asked = 0;
    const queue = engine.queue({ name: 'q', condition: () => (asked += 1) > 1, handler: () => 1 });
    await engine.start();
    const { id } = await queue.add(1);
    await world.clock.advance('10s');
    expect(seen).toEqual([{ queue: 'q', id, name: 'default', attempt: 1, reason: 'condition', delayMs: 2_000 }]);
  });

  it('queue:paused, queue:resumed, queue:drained', async () => {
    const engine = world.engine();
    const order: [string, object][] = [];
    for (const event of ['queue:paused', 'queue:resumed', 'queue:drained'] as const) {
      engine.on(event, (payload) => order.push([event, payload]));
    }
    const queue = engine.queue({ name: 'q' });
    await queue.pause();
    await queue.resume();
    await queue.drain();
    expect(order).toEqual([
      ['queue:paused', { queue: 'q' }],
      ['queue:resumed', { queue: 'q' }],
      ['queue:paused', { queue: 'q' }],
      ['queue:drained', { queue: 'q' }],
    ]);
  });

  it('queue:upgraded', async () => {
    const old = world.engine();
    old.worker({ topic: 'q', version: 1, handler: () => 1 });
    await old.start();
    const engine = world.engine();
    const seen = told(engine, 'queue:upgraded');
    engine.worker({ topic: 'q', version: 2, handler: () => 1 });
    await engine.start();
    expect(seen).toEqual([{ queue: 'q', from: 1, to: 2 }]);
  });

  it('worker:lost-lease', async () => {
    const engine = world.engine();
    const seen = told(engine, 'worker:lost-lease');
    const queue = engine.queue({ name: 'q', handler: () => world.clock.sleep('1m') });
    await engine.start();
    const { id } = await queue.add(1);
    await world.clock.settle();
    await world.engine().manager.obliterate('q', { force: true });
    await world.clock.advance('10s');
    expect(seen).toEqual([{ queue: 'q', id, name: 'default', attempt: 1 }]);
  });

  it('system:ready, system:stop', async () => {
    const engine = world.engine();
    const [ready, stop] = [told(engine, 'system:ready'), told(engine, 'system:stop')];
    await engine.start();
    expect([ready, stop]).toEqual([[{ owner: engine.owner }], []]);
    await engine.stop();
    expect([ready, stop]).toEqual([[{ owner: engine.owner }], [{ owner: engine.owner }]]);
  });

  it('error', async () => {
    let broken = false;
    const backend = wrapBackend(world.backend, (operation, _args, run) =>
      broken && operation === 'claim' ? Promise.reject(new Error('the server is confused')) : run(),
    );
    const engine = world.engine({}, { backend });
    const seen = told(engine, 'error');
    const queue = engine.queue({ name: 'q', handler: () => 1 });
    await engine.start();
    broken = true;
    const { id } = await queue.add(1);
    await world.clock.advance('500ms');
    expect(seen[0]).toEqual({ where: expect.any(String) as never, error: message('the server is confused') });
    broken = false;
    await world.clock.advance('10s');
    expect((await queue.getJob(id))?.status).toBe('completed');
  });
});

describe('One terminal event per job, in the process that made the transition', () => {
  const TERMINAL = ['job:success', 'job:fail', 'job:cancelled'] as const;

  it('whatever ends it, and whoever added it', async () => {
    const names = ['adds', 'runs', 'cancels', 'sweeps'] as const;
    const seen: Record<string, string[]> = {};
    const engines = Object.fromEntries(
      names.map((name) => {
        const engine = world.engine();
        for (const event of TERMINAL) {
          engine.on(event, ({ id }: { id: string }) => (seen[id] ??= []).push(`${event} in the one that ${name}`));
        }
        return [name, engine];
      }),
    ) as Record<(typeof names)[number], OqronEngine>;
    const { adds, runs, cancels, sweeps } = engines;
    runs.worker<string>({
      topic: 'q',
      concurrency: 10,
      retries: { max: 1, strategy: 'fixed', baseDelay: '1s' },
      handler: async ({ data, attempt }) => {
        await world.clock.sleep('2s');
        if (data === 'fails' || (data === 'second' && attempt === 1)) throw new Error('broken');
        if (data === 'cancelled while it runs') await world.clock.sleep('1m');
      },
    });
    sweeps.worker({ topic: 'crashes', guaranteedWorker: false, handler: () => 1 });
    const queue = adds.queue<string>({ name: 'q' });
    const parent = await queue.add('default', 'fails', { jobId: 'fails' });
    for (const data of ['works', 'second', 'cancelled while it runs'])
      await queue.add('default', data, { jobId: data });
    await queue.add('default', 'x', { jobId: 'cancelled while it waits', delay: '1h' });
    await adds.producer('other').add('default', 1, {
      jobId: 'cascades',
      dependsOn: [parent],
      parentFailurePolicy: 'cascade-fail',
    });
    const victim = world.engine(
      {},
      { backend: wrapBackend(world.backend, (_operation, _args, run) => (alive ? run() : world.never())) },
    );
    let alive = true;
    victim.worker({ topic: 'crashes', guaranteedWorker: false, handler: () => world.never() });
    await victim.start();
    await adds.producer('crashes').add('default', 1, { jobId: 'crashes' });
    await world.clock.settle();
    alive = false;
    for (const name of names) await engines[name].start();
    await world.clock.advance('1s');
    for (const id of ['cancelled while it runs', 'cancelled while it waits']) await cancels.manager.cancelJob(id);
    await world.clock.advance('5m');
    expect(seen).toEqual({
      works: ['job:success in the one that runs'],
      second: ['job:success in the one that runs'],
      fails: ['job:fail in the one that runs'],
      cascades: ['job:fail in the one that runs'],
      'cancelled while it runs': ['job:cancelled in the one that cancels'],
      'cancelled while it waits': ['job:cancelled in the one that cancels'],
      crashes: ['job:fail in the one that sweeps'],
    });
  });
});

describe("A listener may ask for the whole cluster's events (`{ scope: 'cluster' }`)", () => {
  it('they arrive through the signal bus', async () => {
    const deaf = world.engine({}, { backend: { ...world.backend, signals: silent() } });
    const hears = world.engine();
    const seen: [string, string][] = [];
    for (const [name, engine] of [
      ['hears', hears],
      ['deaf', deaf],
    ] as const) {
      engine.on('job:success', ({ id }) => seen.push([name, id]), { scope: 'cluster' });
      await engine.start();
    }
    const worker = world.engine();
    worker.worker({ topic: 'q', handler: () => 1 });
    await worker.start();
    await world.clock.settle();
    const { id } = await worker.producer('q').add(1);
    await world.clock.advance('5s');
    expect(seen).toEqual([['hears', id]]);
  });

  it('as hints, not the truth: a listener that hears of nothing changes nothing, and the store has it all', async () => {
    const worker = world.engine({}, { backend: { ...world.backend, signals: silent() } });
    worker.worker({ topic: 'q', handler: () => 1 });
    await worker.start();
    const hears = world.engine();
    const seen: string[] = [];
    hears.on('job:success', ({ id }) => seen.push(id), { scope: 'cluster' });
    await hears.start();
    const queue = hears.producer('q');
    const { id } = await queue.add(1);
    await world.clock.advance('30s');
    expect(seen).toEqual([]);
    expect((await queue.getJob(id))?.status).toBe('completed');
  });

  function silent() {
    const nothing = (): Promise<void> => Promise.resolve();
    return { listen: () => Promise.resolve(nothing), send: nothing, broadcast: nothing, passOn: nothing };
  }
});
