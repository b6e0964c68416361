import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Signals } from 'oqronkit';
import { World } from '../support/world.js';

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.end());

describe('a wake-up that a process cannot use', () => {
  it.each([
    [{}, ['elsewhere']],
    [{ everyone: true as const }, []],
  ])('%j is passed on, unless everyone was told', async (extra, expected) => {
    const passed: string[] = [];
    const { backend } = world;
    const { signals } = backend;
    const watched: Signals = {
      listen: (...args) => signals.listen(...args),
      send: (...args) => signals.send(...args),
      broadcast: (message) => signals.broadcast(message),
      passOn: async (queue) => void passed.push(queue),
    };
    const engine = world.engine({}, { backend: { ...backend, signals: watched } });
    engine.queue({ name: 'here', handler: () => undefined });
    await engine.start();
    await signals.broadcast({ kind: 'wake', queue: 'elsewhere', ...extra });
    await world.clock.settle();
    expect(passed).toEqual(expected);
  });
});
