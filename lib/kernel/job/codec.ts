import { InvalidPayloadError } from '../errors/index.js';
import { isA, textOf } from './stored-error.js';

/**
 * Turns payloads and results into text and back. `encode` answers `undefined` for `undefined`.
 * @publicApi
 */
export interface Codec {
  encode(value: unknown): string | undefined;
  decode(text: string): unknown;
}

/**
 * The default codec. Refuses what JSON would drop or empty without a word: functions, symbols, BigInt, circular
 * references, maps and sets.
 */
export const jsonCodec: Codec = {
  encode(value) {
    if (value === undefined) return undefined;
    let text: string | undefined;
    try {
      text = JSON.stringify(value);
    } catch (error) {
      throw new InvalidPayloadError('JSON codec', describeFailure(error), { cause: error });
    }
    const path = lossyPath(value, '$');
    if (path !== undefined || text === undefined) {
      throw new InvalidPayloadError('JSON codec', `${path ?? '$'} cannot be carried as JSON. Send plain data.`);
    }
    return text;
  },
  decode: (text) => JSON.parse(text) as unknown,
};

function describeFailure(error: unknown): string {
  if (isA(error, RangeError)) return 'the value is nested too deeply to be encoded';
  return `the value cannot be encoded: ${textOf(error).split('\n')[0]}`;
}

/** Where the value holds something that JSON.stringify silently drops or empties. The value has no cycles. */
function lossyPath(value: unknown, path: string): string | undefined {
  if (typeof value === 'function' || typeof value === 'symbol') return `${path} (a ${typeof value})`;
  if (value === null || typeof value !== 'object') return undefined;
  if (value instanceof Map || value instanceof Set) return `${path} (a ${value.constructor.name})`;
  if (typeof (value as { toJSON?: unknown }).toJSON === 'function') return undefined;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i += 1) {
      const inner = lossyPath(value[i], `${path}[${i}]`);
      if (inner !== undefined) return inner;
    }
    return undefined;
  }
  for (const key of Object.keys(value)) {
    const item = (value as Record<string, unknown>)[key];
    if (typeof item === 'object' ? item === null : typeof item !== 'function' && typeof item !== 'symbol') continue;
    const inner = lossyPath(item, `${path}.${key}`);
    if (inner !== undefined) return inner;
  }
  return undefined;
}
