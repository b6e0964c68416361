import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { StoreUnreachableError, type EngineEvents } from 'oqronkit';
import { World } from '../support/world.js';
import { wrapBackend } from '../support/wrapped-backend.js';

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.end());

/** An engine that cannot read jobs after `away` was carried out; everything else gets through. */
function blind(away: string) {
  let gone = false;
  const backend = wrapBackend(world.backend, async (operation, _args, run) => {
    if (gone && operation === 'admin.get') throw new StoreUnreachableError(operation);
    gone = operation === away;
    return run();
  });
  return world.engine({}, { backend });
}

describe('a write that was acknowledged, when the store cannot be read right after it', () => {
  it('add answers the job that stood already by what the store said of it', async () => {
    const standing = await world.engine().producer('q').add({ n: 1 }, { jobId: 'one', delay: '1m' });
    const again = await blind('enqueue').producer('q').add({ n: 2 }, { jobId: 'one' });
    expect(again).toMatchObject({ id: 'one', created: false, status: 'delayed', createdAt: standing.createdAt });
  });

  it('whoever waits for that job then gets its result all the same', async () => {
    const engine = world.engine();
    const queue = engine.queue<object, string>({ name: 'q', handler: () => 'done' });
    await queue.add({}, { jobId: 'one' });
    await engine.start();
    await world.clock.advance('1s');
    let reads = 0;
    const backend = wrapBackend(world.backend, async (operation, _args, run) => {
      if (operation === 'admin.get' && (reads += 1) === 1) throw new StoreUnreachableError(operation);
      return run();
    });
    const again = await world.engine({}, { backend }).producer<object, string>('q').add({}, { jobId: 'one' });
    expect(again).toMatchObject({ created: false, status: 'completed' });
    expect(await world.passUntil(again.waitUntilFinished())).toBe('done');
  });

  it('addBulk answers all of its jobs', async () => {
    await world.engine().producer('q').add({ n: 1 }, { jobId: 'one' });
    const added = await blind('enqueue')
      .producer('q')
      .addBulk([{ data: { n: 1 }, opts: { jobId: 'one' } }, { data: { n: 2 } }]);
    expect(added.map(({ created }) => created)).toEqual([false, true]);
  });

  it('add answers and tells of a job that failed as it was added, because a parent had', async () => {
    const parent = await world.engine().producer('q').add({});
    await parent.cancel();
    const engine = blind('enqueue');
    const told: EngineEvents['job:fail'][] = [];
    engine.on('job:fail', (event) => told.push(event));
    const child = await engine.producer('q').add({}, { dependsOn: [parent], parentFailurePolicy: 'cascade-fail' });
    expect(child).toMatchObject({ created: true, status: 'failed', error: { code: 'PARENT_FAILED' } });
    expect(told).toMatchObject([{ queue: 'q', id: child.id, error: { code: 'PARENT_FAILED' } }]);
  });

  it('retryJob answers the new job as it began', async () => {
    const engine = world.engine();
    const queue = engine.queue({
      name: 'q',
      retries: { max: 0 },
      handler: () => Promise.reject(new Error('bad')),
    });
    const { id } = await queue.add({ n: 7 });
    await engine.start();
    await world.clock.advance('1s');
    const again = await blind('admin.retry').manager.retryJob(id, { queue: 'q' });
    expect(again).toMatchObject({ created: true, status: 'waiting', data: { n: 7 }, retriedFromId: id });
  });

  it('redrive answers the ids of all jobs that it ran again', async () => {
    const engine = world.engine();
    const queue = engine.queue({
      name: 'q',
      retries: { max: 0 },
      handler: () => Promise.reject(new Error('bad')),
    });
    await queue.addBulk([{ data: 1 }, { data: 2 }]);
    await engine.start();
    await world.clock.advance('1s');
    const other = blind('admin.retry');
    const told: string[] = [];
    other.on('job:added', ({ id }) => told.push(id));
    const ids = await other.producer('q').redrive();
    expect(ids).toHaveLength(2);
    expect(told.toSorted()).toEqual(ids.toSorted());
  });
});
