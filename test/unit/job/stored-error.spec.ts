import { describe, expect, it } from '@jest/globals';
import { MAX_ERROR_CHARS } from '../../../lib/kernel/job/limits.js';
import { toStoredError } from '../../../lib/kernel/job/stored-error.js';

class PaymentError extends Error {
  override readonly name = 'PaymentError';
  readonly code = 'CARD_DECLINED';
}

function trapped(): unknown {
  const refuse = (): never => {
    throw new Error('trapped');
  };
  return new Proxy(() => undefined, { get: refuse, has: refuse, getPrototypeOf: refuse, ownKeys: refuse });
}

function hostile(): unknown {
  const refuse = (): never => {
    throw new Error('trapped');
  };
  return new Proxy({}, { get: refuse, has: refuse, getPrototypeOf: refuse, ownKeys: refuse });
}

function cyclic(): object {
  const value: { self?: object } = {};
  value.self = value;
  return value;
}

describe('toStoredError', () => {
  it('keeps name, message, code and stack of an error', () => {
    const stored = toStoredError(new PaymentError('declined'));
    expect(stored).toMatchObject({ name: 'PaymentError', message: 'declined', code: 'CARD_DECLINED' });
    expect(stored.stack).toContain('stored-error.spec');
  });

  it('keeps only codes that are text', () => {
    expect(toStoredError(Object.assign(new Error('x'), { code: 42 }))).not.toHaveProperty('code');
    expect(toStoredError(Object.assign(new Error('x'), { code: 'ECONNRESET' }))).toHaveProperty('code', 'ECONNRESET');
  });

  it.each<[string, unknown, string]>([
    ['undefined', undefined, 'a handler threw undefined'],
    ['null', null, 'a handler threw null'],
    ['a string', 'boom', 'a handler threw string: boom'],
    ['a number', 42, 'a handler threw number: 42'],
    ['a BigInt', 7n, 'a handler threw bigint: 7'],
    ['a symbol', Symbol('s'), 'a handler threw symbol: Symbol(s)'],
    ['a plain object', { status: 500 }, 'a handler threw object: {"status":500}'],
    ['an object without a prototype', Object.create(null), 'a handler threw object: {}'],
    ['a cycle', cyclic(), 'a handler threw a value of type object'],
    ['a proxy that refuses everything', hostile(), 'a handler threw a value of type object'],
    ['a callable proxy that refuses everything', trapped(), 'a handler threw a value of type function'],
  ])('says what was thrown when it is %s', (_title, thrown, message) => {
    expect(toStoredError(thrown)).toEqual({ name: 'NonErrorThrown', message });
  });

  it('takes what it can get from an error whose properties throw', () => {
    const error = new Error('half readable');
    Object.defineProperty(error, 'stack', {
      get() {
        throw new Error('no stack');
      },
    });
    Object.defineProperty(error, 'name', { value: { not: 'text' } });
    expect(toStoredError(error)).toEqual({ name: 'Error', message: 'half readable' });
  });

  it('takes a message from an object that looks like an error', () => {
    expect(toStoredError({ name: 'AxiosError', message: 'Request failed' })).toEqual({
      name: 'AxiosError',
      message: 'Request failed',
    });
  });

  it('cuts huge texts and makes them safe for every store', () => {
    const error = new Error('x'.repeat(1_000_000) + '\u0000');
    error.name = 'y'.repeat(10_000);
    const stored = toStoredError(error);
    expect(stored.message).toHaveLength(MAX_ERROR_CHARS);
    expect(stored.stack?.length).toBeLessThanOrEqual(MAX_ERROR_CHARS);
    expect(stored.name).toHaveLength(256);
    expect(toStoredError(new Error('a\u0000\ud83d')).message).toBe('a\ufffd\ufffd');
    expect(toStoredError('z'.repeat(1_000_000)).message).toHaveLength(MAX_ERROR_CHARS);
  });
});
