import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { InvalidOptionsError, queueModule, type OqronEngine } from 'oqronkit';
import { failureOf } from '../support/until.js';
import { World } from '../support/world.js';

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.end());

/** The queues that are off, as another process sees them. */
async function disabled(): Promise<string[]> {
  const { queues } = await world.engine().manager.listQueues();
  return queues.filter((queue) => queue.disabled).map(({ name }) => name);
}

function eventsOf(engine: OqronEngine): string[] {
  const seen: string[] = [];
  engine.on('queue:disabled', ({ queue }) => seen.push(`- ${queue}`));
  engine.on('queue:enabled', ({ queue }) => seen.push(`+ ${queue}`));
  return seen;
}

describe('listModules', () => {
  it('says what this process selects, and what belongs to it', async () => {
    const engine = world.engine({ modules: [queueModule({ consume: false })] });
    engine.queue({ name: 'q', handler: () => 1 });
    engine.worker({ topic: 'w', handler: () => 1 });
    expect(engine.manager.listModules()).toMatchObject([
      { name: 'queue', selected: true, consume: false, enabled: true, definitions: [{ name: 'q', active: false }] },
      { name: 'worker', selected: false, consume: false, enabled: true, definitions: [{ name: 'w', active: false }] },
    ]);
    expect(world.engine().manager.listModules()).toEqual([
      { name: 'queue', selected: true, consume: true, enabled: true, definitions: [] },
      { name: 'worker', selected: true, consume: true, enabled: true, definitions: [] },
    ]);
  });
});

describe('disableModule and enableModule', () => {
  it('switch every queue off and on that a definition of the module consumes, and no other', async () => {
    const engine = world.engine();
    const ran: unknown[] = [];
    const handler = ({ data }: { data: unknown }) => ran.push(data);
    engine.queue({ name: 'q1', handler });
    engine.queue({ name: 'q2', handler });
    engine.queue({ name: 'publish-only' });
    engine.worker({ topic: 'w', handler });
    await engine.start();
    const seen = eventsOf(engine);
    await engine.manager.disableModule('queue');
    expect(await disabled()).toEqual(['q1', 'q2']);
    expect(engine.manager.listModules().map(({ name, enabled }) => [name, enabled])).toEqual([
      ['queue', false],
      ['worker', true],
    ]);
    for (const name of ['q1', 'q2', 'w']) await engine.producer(name).add(name);
    await world.clock.advance('1m');
    expect(ran).toEqual(['w']);
    await engine.manager.enableModule('queue');
    await world.clock.settle();
    expect(ran.toSorted()).toEqual(['q1', 'q2', 'w']);
    expect(await disabled()).toEqual([]);
    expect(seen).toEqual(['- q1', '- q2', '+ q1', '+ q2']);
    expect(engine.manager.listModules().every(({ enabled }) => enabled)).toBe(true);
  });

  it('also hold for definitions that join later, until the module is enabled', async () => {
    const engine = world.engine();
    await engine.start();
    const seen = eventsOf(engine);
    await engine.manager.disableModule('worker');
    const ran: unknown[] = [];
    engine.worker({ topic: 'late', handler: ({ data }) => ran.push(data) });
    engine.queue({ name: 'other', handler: ({ data }) => ran.push(data) });
    await world.clock.settle();
    expect(await disabled()).toEqual(['late']);
    await engine.producer('late').add('late');
    await engine.producer('other').add('other');
    await world.clock.settle();
    expect(ran).toEqual(['other']);
    await engine.manager.enableModule('worker');
    engine.worker({ topic: 'later', handler: ({ data }) => ran.push(data) });
    await engine.producer('later').add('later');
    await world.clock.settle();
    expect(ran.toSorted()).toEqual(['late', 'later', 'other']);
    expect(seen).toEqual(['- late', '+ late']);
  });

  it('hold for definitions made before the start too', async () => {
    const engine = world.engine();
    await engine.manager.disableModule('queue');
    const ran: unknown[] = [];
    const queue = engine.queue({ name: 'q', handler: ({ data }) => ran.push(data) });
    await engine.start();
    expect(await queue.add(1)).toMatchObject({ status: 'paused' });
    await world.clock.advance('1m');
    expect(ran).toEqual([]);
    await engine.manager.enableModule('queue');
    await world.clock.settle();
    expect(ran).toEqual([1]);
  });

  it('reach the other processes, and outlive the one that asked', async () => {
    const api = world.engine({ modules: [queueModule({ consume: false })] });
    const worker = world.engine();
    const ran: unknown[] = [];
    for (const engine of [api, worker]) engine.queue({ name: 'q', handler: ({ data }) => ran.push(data) });
    await worker.start();
    await api.start();
    await api.manager.disableModule('queue');
    await api.stop();
    await worker.producer('q').add(1);
    await world.clock.advance('1m');
    expect(ran).toEqual([]);
    await worker.manager.enableModule('queue');
    await world.clock.settle();
    expect(ran).toEqual([1]);
  });

  it('let what runs end', async () => {
    const engine = world.engine();
    const queue = engine.queue({ name: 'q', handler: () => world.clock.sleep('10s') });
    await engine.start();
    const { id } = await queue.add(1);
    await world.clock.settle();
    await engine.manager.disableModule('queue');
    await world.clock.advance('1m');
    expect(await engine.manager.getJob(id)).toMatchObject({ status: 'completed' });
  });

  it('refuse a module that is not known, naming those that are', async () => {
    const { manager } = world.engine();
    for (const call of [manager.disableModule('cache'), manager.enableModule('cache')]) {
      const error = await failureOf(call);
      expect(error).toBeInstanceOf(InvalidOptionsError);
      expect(error.message).toContain('unknown module "cache"; known: queue, worker');
    }
  });
});
