import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { EngineEvents, OqronEngine } from 'oqronkit';
import { World } from '../support/world.js';

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.end());

function upgradesOf(engine: OqronEngine): EngineEvents['queue:upgraded'][] {
  const seen: EngineEvents['queue:upgraded'][] = [];
  engine.on('queue:upgraded', (event) => seen.push(event));
  return seen;
}

/** An engine whose worker of this version notes what it ran. */
async function release(version: number | undefined, ran: string[]): Promise<OqronEngine> {
  const engine = world.engine();
  engine.worker({ topic: 'q', ...(version === undefined ? {} : { version }), handler: () => ran.push(`v${version}`) });
  await engine.start();
  return engine;
}

describe('version', () => {
  it('stored higher than the code’s = this process does not consume that definition and says so', async () => {
    const ran: string[] = [];
    const newer = await release(2, ran);
    await newer.stop();
    const older = await release(1, ran);
    const [definition] = older.definitions();
    expect(definition).toMatchObject({ active: false });
    expect(definition?.reason).toContain('the store has version 2 of it and this code is version 1');
    expect(world.log.matching('warn', /worker "q" does not run here: the store has version 2/)).toHaveLength(1);
    const { id } = await older.producer('q').add(1);
    await world.clock.advance('1m');
    expect(ran).toEqual([]);
    expect(await older.manager.getJob(id)).toMatchObject({ status: 'waiting' });
    await release(2, ran);
    await world.clock.settle();
    expect(ran).toEqual(['v2']);
  });

  it('higher in code = upgrade event by the process that raised it, pause kept', async () => {
    const ran: string[] = [];
    const first = await release(1, ran);
    await first.producer('q').pause();
    await first.stop();
    const engine = world.engine();
    const seen = upgradesOf(engine);
    engine.worker({ topic: 'q', version: 3, handler: () => ran.push('v3') });
    await engine.start();
    expect(seen).toEqual([{ queue: 'q', from: 1, to: 3 }]);
    expect(await engine.manager.getQueueInfo('q')).toMatchObject({ version: 3, paused: true });
    const again = world.engine();
    const nothing = upgradesOf(again);
    again.worker({ topic: 'q', version: 3, handler: () => ran.push('v3') });
    await again.start();
    expect(nothing).toEqual([]);
    expect(again.definitions()).toMatchObject([{ active: true }]);
    await again.producer('q').add(1);
    await world.clock.advance('1m');
    expect(ran).toEqual([]);
    await again.manager.resumeQueue('q');
    await world.clock.settle();
    expect(ran).toEqual(['v3']);
  });

  it('raised by an add that comes before the start is one upgrade, of the engine that added', async () => {
    await release(1, []);
    const engine = world.engine();
    const seen = upgradesOf(engine);
    const queue = engine.queue({ name: 'q', version: 2, handler: () => 1 });
    await queue.add(1);
    await engine.start();
    expect(seen).toEqual([{ queue: 'q', from: 1, to: 2 }]);
  });

  it('given for the first time is no upgrade; one that is not given is not judged', async () => {
    const ran: string[] = [];
    const engine = world.engine();
    const seen = upgradesOf(engine);
    engine.worker({ topic: 'q', version: 5, handler: () => ran.push('v5') });
    await engine.start();
    expect(seen).toEqual([]);
    await engine.stop();
    const plain = await release(undefined, ran);
    expect(plain.definitions()).toMatchObject([{ active: true }]);
    await plain.producer('q').add(1);
    await world.clock.settle();
    expect(ran).toEqual(['vundefined']);
    expect(await plain.manager.getQueueInfo('q')).toMatchObject({ version: 5 });
  });

  it('raised by a queue that only publishes counts for its workers too; publishing itself is never refused', async () => {
    const publisher = world.engine();
    const seen = upgradesOf(publisher);
    await release(1, []);
    await publisher.queue({ name: 'q', version: 2 }).add(1);
    expect(seen).toEqual([{ queue: 'q', from: 1, to: 2 }]);
    const ran: string[] = [];
    const late = await release(1, ran);
    expect(late.definitions()).toMatchObject([{ active: false }]);
    const old = late.queue({ name: 'q', version: 1 });
    expect(await old.add(2)).toMatchObject({ created: true, status: 'waiting' });
  });

  it('of a definition that joins a running engine is judged too', async () => {
    await release(2, []);
    const engine = world.engine();
    await engine.start();
    const ran: string[] = [];
    engine.worker({ topic: 'q', version: 1, handler: () => ran.push('v1') });
    await world.clock.settle();
    expect(engine.definitions()).toMatchObject([{ active: false, reason: expect.stringContaining('version 2') }]);
    engine.worker({ topic: 'q', version: 2, handler: () => ran.push('v2') });
    await world.clock.settle();
    expect(engine.definitions()).toMatchObject([{ active: true }]);
  });
});
