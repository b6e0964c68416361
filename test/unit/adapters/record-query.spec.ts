import { describe, expect, it } from '@jest/globals';
import { matches, recordOrder } from '../../../lib/kernel/adapters/record-query.js';
import type { StorageCondition, StorageListOptions } from 'oqronkit';

const meets = (value: unknown, op: StorageCondition['op'], bound: StorageCondition['value']): boolean =>
  matches({ f: value }, { where: [{ field: 'f', op, value: bound }] });

describe('a filter', () => {
  it.each([
    ['equal texts', 'a', 'a', true],
    ['other case', 'A', 'a', false],
    ['a number and its text', 1, '1', false],
    ['0 and -0', 0, -0, true],
    ['NaN and NaN', NaN, NaN, true],
    ['0 and false', 0, false, false],
    ['null and null', null, null, true],
    ['a missing field and null', undefined, null, true],
    ['null and 0', null, 0, false],
    ['equal lists', ['a', { b: 1 }], ['a', { b: 1 }], true],
    ['a list and a part of it', ['a', 'b'], ['a'], false],
    ['objects with their fields in another order', { a: 1, b: 2 }, { b: 2, a: 1 }, true],
    ['an object and a part of it', { a: 1, b: 2 }, { a: 1 }, false],
    ['equal dates', new Date(5), new Date(5), true],
    ['other dates', new Date(5), new Date(6), false],
    ['a date and its time', new Date(5), 5, false],
  ])('compares %s', (_name, value, wanted, expected) => {
    expect(matches({ f: value }, { filter: { f: wanted } })).toBe(expected);
  });

  it('looks at no inherited field, and at no field of what is no object', () => {
    expect(matches({}, { filter: { constructor: Object } })).toBe(false);
    expect(matches('text', { filter: { length: 4 } })).toBe(false);
    expect(matches(null, { filter: { f: 1 } })).toBe(false);
  });
});

describe('a condition', () => {
  it.each(['$lt', '$lte', '$gt', '$gte'] as const)('%s holds for no two kinds of value', (op) => {
    expect(meets(5, op, '6')).toBe(false);
    expect(meets('5', op, 4)).toBe(false);
    expect(meets(new Date(5), op, 5)).toBe(false);
    expect(meets(5, op, new Date(5))).toBe(false);
    expect(meets(true, op, 1)).toBe(false);
    expect(meets([5], op, 5)).toBe(false);
    expect(meets(5, op, null)).toBe(false);
    expect(meets(NaN, op, 5)).toBe(false);
  });

  it('compares booleans, and dates by time', () => {
    expect(meets(false, '$lt', true)).toBe(true);
    expect(meets(true, '$lte', true)).toBe(true);
    expect(meets(new Date(5), '$gte', new Date(5))).toBe(true);
    expect(meets(new Date(5), '$gt', new Date(5))).toBe(false);
    expect(meets(new Date(5), '$ne', new Date(5))).toBe(false);
  });

  it('$ne holds for another kind of value', () => {
    expect(meets('5', '$ne', 5)).toBe(true);
    expect(meets([], '$ne', 5)).toBe(true);
    expect(meets(undefined, '$ne', 5)).toBe(false);
  });
});

describe('an order', () => {
  type OrderBy = NonNullable<StorageListOptions['orderBy']>;
  const ordered = (values: readonly unknown[], orderBy: Omit<OrderBy, 'field'> = {}): unknown[] =>
    values
      .map((f) => ({ f }))
      .sort(recordOrder({ field: 'f', ...orderBy }))
      .map(({ f }) => f);

  it('without a type compares values as they are, numbers before texts, the rest last', () => {
    expect(ordered(['b', 10, null, 'a', 9, { x: 1 }])).toEqual([9, 10, 'a', 'b', null, { x: 1 }]);
    expect(ordered(['b', 10, null, 'a', 9], { direction: 'desc' })).toEqual(['b', 'a', 10, 9, null]);
  });

  it('of numbers reads texts as numbers, and puts what is none last', () => {
    expect(ordered(['10', 9, '', 'x', '-1'], { type: 'number' })).toEqual(['-1', 9, '10', '', 'x']);
    expect(ordered([NaN, 1, undefined, 2], { type: 'number', direction: 'desc' })).toEqual([2, 1, NaN, undefined]);
  });

  it('of texts reads numbers as texts', () => {
    expect(ordered([10, 9, 'a', null], { type: 'string' })).toEqual([10, 9, 'a', null]);
  });

  it('of dates takes Dates, ms and ISO texts', () => {
    const values = [new Date(3_000), 1_000, '1970-01-01T00:00:02Z', 'no date', new Date(NaN)];
    expect(ordered(values, { type: 'date' }).slice(0, 3)).toEqual([1_000, '1970-01-01T00:00:02Z', new Date(3_000)]);
  });
});
