import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Fleet, type Home } from './fleet.js';

/** `OQRON_JOBS=100000` by hand. */
const JOBS = Number(process.env.OQRON_JOBS ?? 5_000);
const DEADLINE_MS = 25_000 + JOBS;

/** `find` answers a home. */
export function volumeCases(find: (name: string) => Promise<Home>): void {
  describe(`two worker processes and one producer process, ${JOBS} jobs`, () => {
    let fleet: Fleet;

    beforeAll(async () => {
      fleet = new Fleet(await find('volume'));
    }, 120_000);

    afterAll(() => fleet?.end(), 60_000);

    it(
      'run each job exactly once, and the counts add up',
      async () => {
        const worker = { concurrency: 100 };
        const [one, two, producer] = await Promise.all([
          fleet.start({ name: 'one', handler: 'quick', worker }),
          fleet.start({ name: 'two', handler: 'quick', worker }),
          fleet.start({ name: 'producer' }),
        ]);
        const began = performance.now();
        producer.add(JOBS);
        await fleet.untilCompleted(JOBS, DEADLINE_MS);
        const seconds = (performance.now() - began) / 1_000;
        console.info(`${JOBS} jobs in ${seconds.toFixed(1)} s: ${Math.round(JOBS / seconds)} jobs/s`);
        await producer.told('added');

        const runs = [...fleet.ledger.runs().values()];
        expect(runs).toHaveLength(JOBS);
        expect(runs.filter((who) => who.length !== 1)).toEqual([]);
        expect(new Set(runs.flat())).toEqual(new Set(['one', 'two']));
        const { completed, ...others } = await fleet.queue.counts();
        expect(completed).toBe(JOBS);
        expect(Object.values(others).every((count) => count === 0)).toBe(true);
        expect(await fleet.problems()).toEqual([]);
        expect(await Promise.all([one, two, producer].map((child) => child.stop()))).toEqual([0, 0, 0]);
      },
      DEADLINE_MS + 60_000,
    );
  });
}
