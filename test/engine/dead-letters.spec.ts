import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { workerModule, type EngineEvents, type Job, type QueueOptions } from 'oqronkit';
import { FakeOwner } from '../support/fake-owner.js';
import { World } from '../support/world.js';

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.end());

/** A started engine whose queue fails every job at once. */
async function failing(options: Partial<QueueOptions> = {}) {
  const engine = world.engine();
  const dead: Job[] = [];
  const queue = engine.queue({
    name: 'q',
    retries: { max: 0 },
    handler: () => {
      throw new Error('broken');
    },
    ...options,
    deadLetter: { onDead: (job) => dead.push(job), ...options.deadLetter },
  });
  await engine.start();
  return { engine, queue, dead };
}

describe('a job that failed for good', () => {
  it('stays `failed` in its own queue, as a dead letter, by default', async () => {
    const { queue, dead } = await failing();
    const { id } = await queue.add({ n: 1 });
    await world.clock.settle();
    expect(await queue.getJob(id)).toMatchObject({ status: 'failed', dead: true });
    expect(dead).toMatchObject([{ id, status: 'failed', data: { n: 1 }, error: { message: 'broken' } }]);
  });

  it('is none with deadLetter: { enabled: false }', async () => {
    const { queue, dead } = await failing({ deadLetter: { enabled: false } });
    const { id } = await queue.add(1);
    await world.clock.settle();
    expect(await queue.getJob(id)).toMatchObject({ status: 'failed', dead: false });
    expect(dead).toEqual([]);
  });

  it('is copied to deadLetter.queue with its origin, in the same transition', async () => {
    const { engine, queue } = await failing({ deadLetter: { queue: 'graveyard' } });
    const { id } = await queue.add({ n: 1 });
    await world.clock.settle();
    const { jobs } = await engine.producer('graveyard').getJobs({ status: 'waiting' });
    expect(jobs).toMatchObject([{ data: { n: 1 }, origin: { queueName: 'q', id }, error: { message: 'broken' } }]);
  });

  it('`onDead` is a hook (at most once), in the process that made the transition, after onFail', async () => {
    const order: string[] = [];
    const { engine, queue } = await failing({
      hooks: { onFail: () => order.push('onFail'), afterRun: () => order.push('afterRun') },
      deadLetter: { onDead: () => order.push('onDead') },
    });
    engine.on('job:fail', () => order.push('job:fail'));
    await queue.add(1);
    await world.clock.advance('1m');
    expect(order).toEqual(['job:fail', 'onFail', 'onDead', 'afterRun']);
  });

  it('not when it is retried', async () => {
    const { queue, dead } = await failing({ retries: { max: 1, strategy: 'fixed', baseDelay: '1m' } });
    await queue.add(1);
    await world.clock.advance('30s');
    expect(dead).toEqual([]);
    await world.clock.advance('1m');
    expect(dead).toHaveLength(1);
  });

  it('an onDead that throws is logged and changes nothing', async () => {
    const { queue } = await failing({
      deadLetter: {
        onDead: () => {
          throw new Error('hook');
        },
      },
    });
    const { id } = await queue.add(1);
    await world.clock.settle();
    expect((await queue.getJob(id))?.status).toBe('failed');
    expect(world.log.matching('error', /hook onDead \(queue "q"\): hook/)).toHaveLength(1);
  });
});

describe('a job that crashed for good', () => {
  it('is told to onDead by the process that took its lease back', async () => {
    const engine = world.engine();
    const dead: Job[] = [];
    const producer = engine.producer('q');
    const { id } = await producer.add(1);
    const { policy } = await crashPolicy();
    await new FakeOwner('frozen', world.backend.store).claim('q', { leaseMs: 1_000, policy });
    engine.worker({
      topic: 'q',
      guaranteedWorker: false,
      deadLetter: { onDead: (job) => dead.push(job) },
      handler: () => 1,
    });
    await engine.start();
    await world.clock.advance('1m');
    expect(dead).toMatchObject([{ id, status: 'failed', dead: true, error: { code: 'CRASHED' } }]);
  });

  async function crashPolicy() {
    const { consumerSpec } = await import('../../lib/modules/queue/resolve.js');
    return consumerSpec('worker', 'q', { guaranteedWorker: false }, { module: {}, job: {} });
  }
});

describe('jobs that fail because a parent failed', () => {
  it('are told as job:fail with attempt 0, and are no dead letters', async () => {
    const { engine, queue, dead } = await failing();
    const events: EngineEvents['job:fail'][] = [];
    engine.on('job:fail', (event) => events.push(event));
    const parent = await queue.add(1, { delay: '10s' });
    const child = await engine
      .producer('other')
      .add('default', 'x', { dependsOn: [parent], parentFailurePolicy: 'cascade-fail' });
    await world.clock.advance('20s');
    expect(events.map(({ queue: name, id, attempt }) => [name, id, attempt])).toEqual(
      expect.arrayContaining([
        ['q', parent.id, 1],
        ['other', child.id, 0],
      ]),
    );
    expect(events).toHaveLength(2);
    expect(dead.map(({ id }) => id)).toEqual([parent.id]);
    expect(await engine.producer('other').getJob(child.id)).toMatchObject({ status: 'failed', dead: false });
  });
});

describe('where dead letters go', () => {
  const run = async (module: Parameters<typeof workerModule>[0], own: QueueOptions['deadLetter'], topic = 'q') => {
    const engine = world.engine({ modules: [workerModule(module)] });
    engine.worker({
      topic,
      retries: { max: 0 },
      ...(own ? { deadLetter: own } : {}),
      handler: () => {
        throw new Error('x');
      },
    });
    await engine.start();
    const queue = engine.producer(topic);
    const { id } = await queue.add(1);
    await world.clock.advance('1s');
    const job = await queue.getJob(id);
    const copies = await Promise.all(['a', 'b'].map((name) => engine.producer(name).count()));
    return [job?.dead, ...copies];
  };

  it.each<[Parameters<typeof run>[0], Parameters<typeof run>[1], unknown[]]>([
    [{ deadLetter: { queue: 'a' } }, { queue: 'b' }, [true, 0, 1]],
    [{ deadLetter: { queue: 'a' } }, undefined, [true, 1, 0]],
    [{ deadLetter: { enabled: false, queue: 'a' } }, undefined, [false, 0, 0]],
    [{ deadLetter: { enabled: false, queue: 'a' } }, { enabled: true }, [true, 1, 0]],
    [{}, undefined, [true, 0, 0]],
  ])('is decided by the definition, then by the module: %j, %j', async (module, own, result) => {
    expect(await run(module, own)).toEqual(result);
  });

  it('of the dead letter queue of a module is that queue itself: they do not go round in a circle', async () => {
    expect(await run({ deadLetter: { queue: 'a' } }, undefined, 'a')).toEqual([true, 1, 0]);
  });

  it('cannot be the queue itself', () => {
    const engine = world.engine();
    expect(() => engine.worker({ topic: 'q', deadLetter: { queue: 'q' }, handler: () => 1 })).toThrow(
      /deadLetter.queue: a queue cannot be its own/,
    );
  });
});
