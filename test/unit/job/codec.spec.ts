import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { InvalidPayloadError, jsonCodec } from 'oqronkit';
import { thrownBy } from '../../support/until.js';

function circular(): object {
  const value: { self?: unknown } = {};
  value.self = { list: [value] };
  return value;
}

function nested(depth: number): unknown {
  let value: unknown = 1;
  for (let i = 0; i < depth; i += 1) value = i % 2 === 0 ? [value] : { a: value };
  return value;
}

describe('the JSON codec', () => {
  it('gives back every JSON value as it was', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 6 }), (text) => {
        const value: unknown = JSON.parse(text);
        expect(jsonCodec.decode(jsonCodec.encode(value) as string)).toEqual(value);
      }),
      { numRuns: 300 },
    );
  });

  it('answers undefined for undefined, so that "no payload" is not null', () => {
    expect(jsonCodec.encode(undefined)).toBeUndefined();
    expect(jsonCodec.encode(null)).toBe('null');
  });

  it.each<[string, unknown, RegExp]>([
    ['a function', () => 1, /\$ \(a function\)/],
    ['a symbol', Symbol('x'), /\$ \(a symbol\)/],
    ['a BigInt', 1n, /BigInt/],
    ['a BigInt inside', { a: [{ b: 2n }] }, /BigInt/],
    ['a circular reference', circular(), /circular/],
    ['a function in an object', { user: { greet: () => 1 } }, /\$\.user\.greet \(a function\)/],
    ['a symbol in an array', { list: [1, Symbol('x')] }, /\$\.list\[1\] \(a symbol\)/],
    ['a function in an array of objects', [{ ok: 1 }, { f: () => 1 }], /\$\[1\]\.f \(a function\)/],
    ['a Map', new Map([['a', 1]]), /\$ \(a Map\)/],
    ['a Set inside', { tags: new Set(['a']) }, /\$\.tags \(a Set\)/],
    ['a class instance with a method as a field', { run: class {} }, /\$\.run \(a function\)/],
    ['nesting beyond any stack', nested(200_000), /nested too deeply/],
    [
      'a toJSON that throws',
      {
        toJSON() {
          throw new Error('no JSON today');
        },
      },
      /no JSON today/,
    ],
    [
      'a getter that throws',
      {
        get secret() {
          throw new Error('not for you');
        },
      },
      /not for you/,
    ],
  ])('refuses %s and names where it is', (_title, value, message) => {
    const error = thrownBy<InvalidPayloadError>(() => jsonCodec.encode(value));
    expect(error).toBeInstanceOf(InvalidPayloadError);
    expect(error.code).toBe('INVALID_PAYLOAD');
    expect(error.message).toMatch(message);
  });

  it('either carries a deep value whole or refuses it with its own error, at every depth', () => {
    for (let depth = 500; depth <= 20_000; depth += 500) {
      const value = nested(depth);
      try {
        expect(typeof jsonCodec.encode(value)).toBe('string');
      } catch (error) {
        expect(error).toBeInstanceOf(InvalidPayloadError);
      }
    }
  });

  it('carries what says itself how it wants to be carried', () => {
    const at = new Date('2026-05-01T12:00:00Z');
    const money = { cents: 5, toJSON: () => ({ amount: '0.05' }) };
    expect(jsonCodec.encode({ at, money })).toBe('{"at":"2026-05-01T12:00:00.000Z","money":{"amount":"0.05"}}');
  });

  it('drops undefined fields and turns undefined items into null, as JSON does', () => {
    expect(jsonCodec.encode({ a: undefined, b: [undefined, 1] })).toBe('{"b":[null,1]}');
  });

  it('keeps a field named __proto__ a field', () => {
    const value: unknown = JSON.parse('{"__proto__":{"admin":true}}');
    const back = jsonCodec.decode(jsonCodec.encode(value) as string) as { admin?: boolean };
    expect(back.admin).toBeUndefined();
    expect(Object.keys(back)).toEqual(['__proto__']);
  });

  it('throws on text that is not JSON', () => {
    expect(() => jsonCodec.decode('{"a":')).toThrow(SyntaxError);
  });
});
