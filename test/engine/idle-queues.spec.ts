import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { World } from '../support/world.js';
import { wrapBackend } from '../support/wrapped-backend.js';

const QUEUES = 100;
const SECONDS = 600;

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.end());

it('a process with 100 idle queues asks its store a few times per 10 s in all, whenever they went to sleep', async () => {
  const calls = new Map<string, number>();
  const queues = new Map<string, number>();
  const backend = wrapBackend(world.backend, (operation, args, run) => {
    calls.set(operation, (calls.get(operation) ?? 0) + 1);
    if (operation === 'claim') {
      for (const { queue } of args[0] as { queue: string }[]) queues.set(queue, (queues.get(queue) ?? 0) + 1);
    }
    return run();
  });
  const engine = world.engine({}, { backend });
  const all = Array.from({ length: QUEUES }, (_, i) => engine.queue<number>({ name: `q${i}`, handler: async () => i }));
  await engine.start();
  // Each goes to sleep at an instant of its own.
  for (const queue of all) {
    await queue.add(1);
    await world.clock.advance('130ms');
  }
  await world.clock.advance('30s');
  calls.clear();
  queues.clear();
  await world.clock.advance('10m');
  const total = [...calls.values()].reduce((sum, n) => sum + n, 0);
  expect(total / SECONDS).toBeLessThan(1.2);
  // None of them is forgotten: each is looked at every 5 to 10 s.
  expect(queues.size).toBe(QUEUES);
  expect(Math.min(...queues.values())).toBeGreaterThanOrEqual(SECONDS / 10);
  expect(Math.max(...queues.values())).toBeLessThanOrEqual(SECONDS / 5 + 1);
});
