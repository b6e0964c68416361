import { describe, expect, it } from '@jest/globals';
import { createMemoryBackend } from '../../lib/backends/memory/index.js';
import { collectConformance, jobStoreConformance, type ConformanceSubject } from '../../lib/conformance/index.js';
import { SeededBackends } from './seeded-backend.js';

const unused = (): Promise<ConformanceSubject> => Promise.reject(new Error('no case was to run'));

describe('the conformance kit', () => {
  it('names each case once, beginning with its rule', () => {
    const names = collectConformance(unused).map(({ name }) => name);
    expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([]);
    expect(names.filter((name) => !/^\[[a-z]+( \d)?\] \S/i.test(name))).toEqual([]);
  });

  it('covers rules 2 to 9 of the port', () => {
    const text = collectConformance(unused).map(({ name }) => name);
    const rules = [2, 3, 4, 5, 6, 7, 8, 9].filter((rule) => !text.some((name) => name.startsWith(`[rule ${rule}]`)));
    expect(rules).toEqual([]);
  });

  it('leaves out what it is told to, and refuses a name that no case has', () => {
    const all = collectConformance(unused);
    const [first] = all;
    expect(collectConformance(unused, { without: [first?.name ?? ''] })).toHaveLength(all.length - 1);
    expect(() => collectConformance(unused, { without: ['[rule 3] gone'] })).toThrow('"[rule 3] gone"');
    const silent = collectConformance(unused, { signals: false });
    expect(silent.some(({ suite }) => suite === 'signals')).toBe(false);
    expect(silent.length).toBeLessThan(all.length);
  });

  it('declares every case with the runner, grouped by concern', () => {
    const declared: string[] = [];
    const runner = {
      describe: (_name: string, declare: () => void) => declare(),
      it: (name: string) => declared.push(name),
    };
    jobStoreConformance(runner, unused);
    expect(declared).toEqual(collectConformance(unused).map(({ name }) => name));
  });

  it('closes each subject once, also after a failure', async () => {
    const closed: string[] = [];
    const [test] = collectConformance(async () => {
      const { store, signals } = createMemoryBackend();
      const broken = Object.create(store, { enqueue: { value: () => Promise.reject(new Error('broken')) } });
      return { store: broken as typeof store, signals, close: async () => void closed.push('closed') };
    });
    await expect(test?.run()).rejects.toThrow('broken');
    expect(closed).toEqual(['closed']);
  });

  it('says what to do when a store comes without signals', async () => {
    const cases = collectConformance(async () => ({
      store: createMemoryBackend().store,
      close: async () => undefined,
    }));
    const about = cases.find(({ suite }) => suite === 'signals');
    await expect(about?.run()).rejects.toThrow('signals: false');
  });

  it('refuses to seed a defect whose place is gone', async () => {
    const backends = new SeededBackends();
    const load = backends.load([{ file: 'memory-queue.ts', find: 'not in there', put: '' }]);
    await expect(load).rejects.toThrow('exactly once');
    backends.remove();
  });
});
