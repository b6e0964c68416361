import { afterAll, describe, expect, it } from '@jest/globals';
import { collectConformance } from '../../lib/conformance/index.js';
import { SeededBackends, type Edit } from './seeded-backend.js';
import { DEFECTS } from './seeded-defects.js';

const backends = new SeededBackends();
afterAll(() => backends.remove());

/** Names of the cases that fail on a copy of the memory backend with these edits. */
async function redCases(edits: readonly Edit[]): Promise<string[]> {
  const create = await backends.load(edits);
  const cases = collectConformance(
    async () => {
      const backend = create();
      await backend.open();
      return { store: backend.store, signals: backend.signals, close: () => backend.close() };
    },
    // The memory backend delivers at once: what has not arrived by now never will.
    { signalDeadlineMs: 1 },
  );
  const red: string[] = [];
  for (const one of cases) await one.run().catch(() => red.push(one.name));
  return red;
}

const total = collectConformance(() => Promise.reject(new Error('never called'))).length;

describe('the conformance kit has teeth', () => {
  it('an unmodified copy of the memory backend passes every case', async () => {
    expect(await redCases([])).toEqual([]);
  });

  it.each(DEFECTS.map((defect) => [defect.name, defect] as const))('%s', async (_name, defect) => {
    const red = await redCases(defect.edits);
    expect(defect.red.filter((name) => !red.includes(name))).toEqual([]);
    // A copy that does not work at all would prove nothing about the named cases.
    expect(red.length).toBeLessThan(total / 2);
  });
});
