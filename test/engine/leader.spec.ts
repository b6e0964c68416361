import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { OqronEngine } from 'oqronkit';
import { World } from '../support/world.js';
import { wrapBackend } from '../support/wrapped-backend.js';

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.end());

/** An engine, and how often it swept all queues. */
function sweeping(): { engine: OqronEngine; sweeps: () => number } {
  let sweeps = 0;
  const { leader } = world.backend;
  const backend = wrapBackend(
    world.backend,
    (operation, [request], run) => {
      if (operation === 'sweep' && (request as { queues?: unknown }).queues === undefined) sweeps += 1;
      return run();
    },
    leader ? { leader } : {},
  );
  return { engine: world.engine({}, { backend }), sweeps: () => sweeps };
}

describe('engines that share a store', () => {
  it('elect one that sweeps all queues, and each says which', async () => {
    const all = [sweeping(), sweeping(), sweeping()];
    for (const { engine } of all) await engine.start();
    await world.clock.advance('20m');
    const counts = all.map(({ sweeps }) => sweeps());
    expect(counts.slice(1)).toEqual([0, 0]);
    expect(counts[0]).toBeGreaterThanOrEqual(15);
    const owner = all[0]?.engine.owner;
    const health = all.map(({ engine }) => engine.health().leader);
    expect(health).toEqual([
      { name: 'sweep', state: 'leader', owner, epoch: expect.any(Number) },
      { name: 'sweep', state: 'follower', owner },
      { name: 'sweep', state: 'follower', owner },
    ]);
    expect((await all[1]?.engine.manager.getSystemStats())?.leader).toEqual(health[1]);
  });

  it('tell of it, and the next one takes over at once when the leader stops', async () => {
    const [a, b] = [sweeping().engine, sweeping().engine];
    const seen: unknown[] = [];
    for (const engine of [a, b]) {
      engine.on('leader:elected', ({ name, owner, epoch }) => seen.push(['elected', name, owner, epoch]));
      engine.on('leader:lost', ({ name, owner, epoch, reason }) => seen.push(['lost', name, owner, epoch, reason]));
    }
    await a.start();
    await b.start();
    await world.clock.advance('1m');
    await a.stop();
    await world.clock.settle();
    expect(b.health().leader).toMatchObject({ state: 'leader', owner: b.owner });
    const [[, , , first], , [, , , second]] = seen as [unknown[], unknown[], unknown[]];
    expect(seen).toEqual([
      ['elected', 'sweep', a.owner, first],
      ['lost', 'sweep', a.owner, first, 'resigned'],
      ['elected', 'sweep', b.owner, second],
    ]);
    expect(Number(second)).toBeGreaterThan(Number(first));
  });

  it('sweep on when the leader is gone: another one leads after a minute and a bit', async () => {
    const gone = sweeping();
    await gone.engine.start();
    await world.clock.advance('5s');
    const other = sweeping();
    await other.engine.start();
    await world.clock.advance('5m');
    expect(other.sweeps()).toBe(0);
    // A process that dies says nothing; its lease is all that is left of it.
    const epoch = gone.engine.health().leader?.epoch ?? 0;
    await world.passUntil(gone.engine.stop());
    await world.backend.leader?.resign('sweep', other.engine.owner, other.engine.health().leader?.epoch ?? 0);
    expect(await world.backend.leader?.campaign('sweep', 'dead', 60_000)).toMatchObject({ leader: true });
    await world.clock.advance('3m');
    expect(other.engine.health().leader).toMatchObject({ state: 'leader', owner: other.engine.owner });
    expect(other.engine.health().leader?.epoch).toBeGreaterThan(epoch);
    await world.clock.advance('3m');
    expect(other.sweeps()).toBeGreaterThanOrEqual(2);
  });

  it('sweep all of them where the store has no elections, or does not answer them', async () => {
    const failing = {
      campaign: () => Promise.reject(new Error('no rights')),
      resign: () => Promise.resolve(false),
      current: () => Promise.resolve(undefined),
    };
    for (const parts of [{}, { leader: failing }]) {
      let sweeps = 0;
      const around = (operation: string, _args: unknown, run: () => Promise<unknown>): unknown => {
        if (operation === 'sweep') sweeps += 1;
        return run();
      };
      const engine = world.engine({}, { backend: wrapBackend(world.backend, around, parts) });
      const errors: unknown[] = [];
      engine.on('error', ({ error }) => errors.push(error));
      await engine.start();
      await world.clock.advance('10m');
      expect(sweeps).toBeGreaterThanOrEqual(7);
      expect(errors).toHaveLength('leader' in parts ? 1 : 0);
      if ('leader' in parts) {
        expect(engine.health().leader).toMatchObject({
          state: 'looking',
          problem: expect.stringContaining('no rights'),
        });
      } else expect(engine.health()).not.toHaveProperty('leader');
    }
  });
});
