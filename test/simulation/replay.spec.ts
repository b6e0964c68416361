import { describe, expect, it } from '@jest/globals';
import { mutations, simulate, type Mutation } from '../faults/simulation/index.mjs';

const SHORT = { seconds: 300 };

describe('a seed', () => {
  it.each([3, 14, 15])('is the same run whenever it runs (seed %d)', async (seed) => {
    const first = await simulate(seed, SHORT);
    await simulate(seed + 1, SHORT);
    expect(await simulate(seed, SHORT)).toEqual(first);
  });

  it('is another run than every other seed', async () => {
    const hashes = new Set<string>();
    for (let seed = 1; seed <= 10; seed += 1) hashes.add((await simulate(seed, { seconds: 60 })).hash);
    expect(hashes.size).toBe(10);
  });

  it('that fails fails again, in the same words at the same instant', async () => {
    const mutation = mutations['delays are forgotten'] as Mutation;
    const first = await simulate(1, SHORT, mutation);
    expect(first.breaches).not.toEqual([]);
    expect(await simulate(1, SHORT, mutation)).toEqual(first);
  });
});
