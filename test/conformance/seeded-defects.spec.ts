import { afterAll, describe, expect, it } from '@jest/globals';
import { collectConformance, type ConformanceCase } from '../../lib/conformance/index.js';
import { SeededBackends, type Edit } from './seeded-backend.js';
import { LINK_DEFECTS } from './seeded-defects-links.js';
import { DEFECTS } from './seeded-defects.js';

const backends = new SeededBackends();
afterAll(() => backends.remove());

/** Every case, on copies of the memory backend with these edits. */
async function casesOf(edits: readonly Edit[]): Promise<ConformanceCase[]> {
  const create = await backends.load(edits);
  return collectConformance(
    async () => {
      const backend = create();
      await backend.open();
      return { store: backend.store, signals: backend.signals, close: () => backend.close() };
    },
    // The memory backend delivers at once: what has not arrived by now never will.
    { signalDeadlineMs: 1 },
  );
}

/** Names of those that fail. */
async function redOf(cases: readonly ConformanceCase[]): Promise<string[]> {
  const red: string[] = [];
  for (const one of cases) await one.run().catch(() => red.push(one.name));
  return red;
}

/** One case in so many stands for the whole kit where it is only asked whether a copy works at all. */
const SAMPLE = 12;

describe('the conformance kit has teeth', () => {
  it('an unmodified copy of the memory backend passes every case', async () => {
    expect(await redOf(await casesOf([]))).toEqual([]);
  });

  it.each([...DEFECTS, ...LINK_DEFECTS].map((defect) => [defect.name, defect] as const))(
    '%s',
    async (_name, defect) => {
      const cases = await casesOf(defect.edits);
      const named = cases.filter(({ name }) => defect.red.includes(name));
      expect((await redOf(named)).toSorted()).toEqual([...defect.red].toSorted());
      // A copy that does not work at all would prove nothing about the named cases.
      const sample = cases.filter((_case, i) => i % SAMPLE === 0);
      expect((await redOf(sample)).length).toBeLessThan(sample.length / 2);
    },
  );
});
