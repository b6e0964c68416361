import { describe, expect, it } from '@jest/globals';
import { isStandardSchema, textOfIssues } from '../../lib/kernel/standard-schema.js';

const standard = { version: 1, vendor: 'test', validate: (value: unknown) => ({ value }) };

describe('isStandardSchema', () => {
  it.each<[string, unknown, boolean]>([
    ['an object', { '~standard': standard }, true],
    ['a function', Object.assign(() => 1, { '~standard': standard }), true],
    ['no validate', { '~standard': { version: 1, vendor: 'test' } }, false],
    ['no standard', { validate: standard.validate }, false],
    ['null', null, false],
    ['text', '~standard', false],
    ['nothing', undefined, false],
  ])('%s', (_title, value, is) => {
    expect(isStandardSchema(value)).toBe(is);
  });
});

describe('textOfIssues', () => {
  it('names paths, of keys or of objects with a key', () => {
    const issues = [
      { message: 'expected a number', path: ['items', 0, { key: 'price' }] },
      { message: 'required', path: [Symbol('secret')] },
      { message: 'as a whole', path: [] },
      { message: 'no path' },
    ];
    expect(textOfIssues(issues)).toBe(
      'items.0.price: expected a number; Symbol(secret): required; as a whole; no path',
    );
  });

  it('lists ten and counts the others', () => {
    const issues = Array.from({ length: 13 }, (_, n) => ({ message: String(n) }));
    expect(textOfIssues(issues)).toMatch(/^0; 1; .*9; and 3 more$/);
  });
});
