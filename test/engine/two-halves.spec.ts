import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { SettleRequest } from 'oqronkit';
import { World } from '../support/world.js';
import { wrapBackend } from '../support/wrapped-backend.js';

// Many endings of one tick leave in two calls, so that the store works on one half while this process runs the other.

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.end());

/** Runs `jobs` at `concurrency` over a store 1 ms away; answers what each call to it carried. */
async function run(jobs: number, concurrency: number): Promise<{ calls: [number, number][] }> {
  const calls: [number, number][] = [];
  const backend = wrapBackend(world.backend, async (operation, args, proceed) => {
    if (operation !== 'settle') return proceed();
    const request = args[1] as SettleRequest;
    calls.push([request.outcomes.length, request.claim?.count ?? 0]);
    await world.clock.sleep(0.5);
    const reply = await proceed();
    await world.clock.sleep(0.5);
    return reply;
  });
  const producer = world.engine();
  const queue = producer.queue<number>({ name: 'q' });
  await producer.start();
  await queue.addBulk(Array.from({ length: jobs }, (_, i) => ({ data: i })));
  const done: number[] = [];
  const worker = world.engine({}, { backend });
  worker.worker<number>({
    topic: 'q',
    concurrency,
    prefetch: false,
    handler: async ({ data }) => void done.push(data),
  });
  await worker.start();
  await world.clock.advance('1s');
  expect(done.toSorted((a, b) => a - b)).toEqual(Array.from({ length: jobs }, (_, i) => i));
  expect(calls.reduce((sum, [endings]) => sum + endings, 0)).toBe(jobs);
  return { calls };
}

describe('many endings at once', () => {
  it('leave in two calls, each with a claim for the slots that its half frees', async () => {
    const { calls } = await run(1_000, 100);
    expect(calls.slice(0, 10)).toEqual(Array.from({ length: 10 }, () => [50, 50]));
  });

  it('leave in one call when there are few', async () => {
    const { calls } = await run(100, 20);
    expect(calls.slice(0, 4)).toEqual(Array.from({ length: 4 }, () => [20, 20]));
  });
});
