import { describe, expect, it } from '@jest/globals';
import { SCRIPTS } from '../../../lib/backends/redis/scripts.js';
import { createMemoryBackend } from '../../../lib/backends/memory/index.js';
import { cases, pointOf, uncovered } from '../../faults/lib/crash-cases.mjs';

/** Each operation at each of three points with each of two deaths. */
const PER_OPERATION = 6;

function methodsOf(object: object, prefix = ''): string[] {
  return Object.entries(Object.getOwnPropertyDescriptors(Object.getPrototypeOf(object) as object))
    .filter(([name, { value }]) => name !== 'constructor' && typeof value === 'function')
    .map(([name]) => `${prefix}${name}`);
}

describe.each(['redis', 'postgres'] as const)('the crash points on %s', (store) => {
  it('are every operation before, at and after its reply, with both deaths', () => {
    const all = cases(store);
    expect(all.length).toBeGreaterThanOrEqual(114);
    const names = new Set(all.map(({ name }) => name));
    expect(all).toHaveLength(PER_OPERATION * names.size);
    expect(new Set(all.map(({ queue }) => queue)).size).toBe(all.length);
  });

  it('name the queue of their case, so that no other call is struck', () => {
    for (const one of cases(store)) expect(pointOf(one).about).toContain(`"${one.queue}"`);
  });

  it('look at a reply only where there is one', () => {
    for (const one of cases(store).filter(({ when }) => when === 'before')) expect(pointOf(one).found).toBeUndefined();
  });

  it('cover the port, and notice an operation that they do not', () => {
    const { store: memory } = createMemoryBackend();
    // What every store has; the scenario asks the one that it runs on.
    const port = ['enqueue', 'claim', 'settle', 'extend', 'annotate', 'sweep', ...methodsOf(memory.admin, 'admin.')];
    expect(uncovered(store, port)).toEqual([]);
    expect(uncovered(store, [...port, 'admin.teleport'], ['settle', 'beam'])).toEqual([
      'admin.teleport',
      'script.beam',
    ]);
  });
});

describe('the crash points on redis', () => {
  it('cover every script', () => {
    expect(uncovered('redis', [], Object.keys(SCRIPTS))).toEqual([]);
  });
});
