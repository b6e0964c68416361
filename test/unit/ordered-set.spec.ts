import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { OrderedSet, type Placed } from '../../lib/backends/memory/ordered-set.js';
import { seededRandom } from '../support/seeded-random.js';

interface Item extends Placed {
  readonly label: string;
}

/** The same set as a sorted array. */
class Model {
  items: Item[] = [];

  add(item: Item): void {
    const at = this.items.findIndex(({ k1, k2 }) => k1 > item.k1 || (k1 === item.k1 && k2 > item.k2));
    this.items.splice(at < 0 ? this.items.length : at, 0, item);
  }

  delete(item: Item): boolean {
    const at = this.items.indexOf(item);
    if (at >= 0) this.items.splice(at, 1);
    return at >= 0;
  }

  after(k1: number, k2: number): Item | undefined {
    return this.items.find((item) => item.k1 > k1 || (item.k1 === k1 && item.k2 > k2));
  }

  before(k1: number, k2: number): Item | undefined {
    return this.items.findLast((item) => item.k1 < k1 || (item.k1 === k1 && item.k2 < k2));
  }
}

type Op =
  | { readonly op: 'add'; readonly k1: number }
  | { readonly op: 'delete' | 'deleteTwice' | 'after' | 'before' | 'first' | 'last'; readonly pick: number };

/** `expect(a).toBe(b)`, cheap enough for every step of thousands. */
function same(what: string, actual: unknown, expected: unknown): void {
  if (!Object.is(actual, expected)) {
    throw new Error(`${what}: ${JSON.stringify(actual)}, a sorted array says ${JSON.stringify(expected)}`);
  }
}

/** Runs the operations on both and compares every answer. `k2` grows, or falls for every third item. */
function expectSameAsArray(ops: readonly Op[]): void {
  const set = new OrderedSet<Item>();
  const model = new Model();
  let n = 0;
  for (const step of ops) {
    if (step.op === 'add') {
      n += 1;
      const item = { k1: step.k1, k2: n % 3 === 0 ? -n : n, label: `#${n}` };
      set.add(item);
      model.add(item);
    } else {
      const { items } = model;
      const picked = items[Math.floor(step.pick * items.length)] ?? { k1: 2, k2: 0, label: 'not in the set' };
      const twin = { ...picked };
      switch (step.op) {
        case 'delete':
          same('delete', set.delete(picked), model.delete(picked));
          break;
        case 'deleteTwice':
          same('delete', set.delete(twin), false);
          break;
        case 'after':
          same('after', set.after(picked.k1, picked.k2), model.after(picked.k1, picked.k2));
          same('after', set.after(picked.k1, picked.k2 - 0.5), model.after(picked.k1, picked.k2 - 0.5));
          break;
        case 'before':
          same('before', set.before(picked.k1, picked.k2), model.before(picked.k1, picked.k2));
          same('before', set.before(picked.k1, picked.k2 + 0.5), model.before(picked.k1, picked.k2 + 0.5));
          break;
        case 'first':
          same('first', set.first(), items[0]);
          break;
        case 'last':
          same('last', set.last(), items.at(-1));
          break;
      }
    }
    same('size', set.size, model.items.length);
  }
  expect(walk(set)).toEqual(model.items.map(({ label }) => label));
  expect(walkBack(set)).toEqual(model.items.map(({ label }) => label).reverse());
}

function walk(set: OrderedSet<Item>): string[] {
  const labels: string[] = [];
  for (let item = set.first(); item; item = set.after(item.k1, item.k2)) labels.push(item.label);
  return labels;
}

function walkBack(set: OrderedSet<Item>): string[] {
  const labels: string[] = [];
  for (let item = set.last(); item; item = set.before(item.k1, item.k2)) labels.push(item.label);
  return labels;
}

const op = fc.oneof(
  { weight: 3, arbitrary: fc.record({ op: fc.constant('add' as const), k1: fc.integer({ min: 0, max: 4 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constantFrom('delete' as const, 'deleteTwice' as const, 'after' as const, 'before' as const),
      pick: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ op: fc.constantFrom('first' as const, 'last' as const), pick: fc.constant(0) }),
  },
);

describe('OrderedSet', () => {
  it('answers like a sorted array, whatever is added, deleted and looked up', () => {
    fc.assert(
      fc.property(fc.array(op, { maxLength: 300 }), (ops) => expectSameAsArray(ops)),
      { numRuns: 150 },
    );
  });

  it.each([
    ['grows and shrinks over many leaves', 0.55, 5],
    ['holds thousands with equal first keys', 0.75, 1],
    ['holds thousands with scattered first keys', 0.75, 1_000_000],
    ['is emptied and filled again', 0.5, 3],
  ])('%s', (_title, adds, spread) => {
    const random = seededRandom(spread);
    const ops: Op[] = Array.from({ length: 4_000 }, () => {
      if (random.next() < adds) return { op: 'add', k1: Math.floor(random.next() * spread) };
      const looks = ['after', 'before', 'first', 'last'] as const;
      return random.next() < 0.8
        ? { op: 'delete', pick: random.next() }
        : { op: looks[Math.floor(random.next() * looks.length)] ?? 'first', pick: random.next() };
    });
    expectSameAsArray(ops);
  });

  it('serves as a queue: added at the end, taken from the front, in order', () => {
    const set = new OrderedSet<Item>();
    const taken: number[] = [];
    for (let n = 0; n < 2_000; n += 1) set.add({ k1: 0, k2: n, label: '' });
    for (let item = set.first(); item; item = set.first()) {
      taken.push(item.k2);
      expect(set.delete(item)).toBe(true);
    }
    expect(taken).toEqual(Array.from({ length: 2_000 }, (_, n) => n));
    expect(set.size).toBe(0);
    expect(set.last()).toBeUndefined();
    expect(set.after(0, 0)).toBeUndefined();
    expect(set.before(0, 9)).toBeUndefined();
  });
});
