import { MAX_ERROR_CHARS } from './limits.js';
import type { StoredError } from './stored-job.js';
import { safeText } from './text.js';

/**
 * Turns whatever a handler threw into what the record keeps. Getters that throw, proxies, cycles, `undefined`: it
 * never throws itself, or a hostile error would leave its job active.
 */
export function toStoredError(thrown: unknown): StoredError {
  const name = read(thrown, 'name');
  const message = read(thrown, 'message');
  const stack = read(thrown, 'stack');
  const code = read(thrown, 'code');
  const isError = message !== undefined;
  return {
    name: safeText(name ?? (isError ? 'Error' : 'NonErrorThrown'), 256),
    message: safeText(isError ? message : `a handler threw ${describe(thrown)}`, MAX_ERROR_CHARS),
    ...(code === undefined ? {} : { code: safeText(code, 256) }),
    ...(stack === undefined ? {} : { stack: safeText(stack, MAX_ERROR_CHARS) }),
  };
}

/** `instanceof` for foreign values: a proxy whose prototype cannot be read is simply none. */
export function isA<T>(thrown: unknown, type: abstract new (...args: never[]) => T): thrown is T {
  try {
    return thrown instanceof type;
  } catch {
    return false;
  }
}

/** One line about whatever was thrown, for logs and messages. It never throws itself either. */
export function textOf(thrown: unknown): string {
  return typeof thrown === 'string' ? thrown : (read(thrown, 'message') ?? describe(thrown));
}

function read(thrown: unknown, key: 'name' | 'message' | 'stack' | 'code'): string | undefined {
  try {
    if (thrown === null || typeof thrown !== 'object') return undefined;
    const value: unknown = Reflect.get(thrown, key);
    return typeof value === 'string' ? value : undefined;
  } catch {
    return undefined;
  }
}

function describe(thrown: unknown): string {
  if (thrown === undefined || thrown === null) return String(thrown);
  try {
    const text = typeof thrown === 'object' ? JSON.stringify(thrown) : String(thrown);
    return `${typeof thrown}: ${text}`;
  } catch {
    return `a value of type ${typeof thrown}`;
  }
}
