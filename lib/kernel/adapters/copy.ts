import { types } from 'node:util';

/**
 * A copy that shares nothing with its original: what `structuredClone` makes, but of this realm's own objects. Under a
 * test runner that gives modules a realm of their own, such as Jest, `instanceof Date` and strict comparisons would
 * fail on what `structuredClone` answers.
 *
 * @throws a `DataCloneError` for what cannot be copied, such as a function
 */
export function deepCopy(value: unknown, seen = new Map<object, unknown>()): unknown {
  if (typeof value === 'function' || typeof value === 'symbol') return structuredClone(value);
  if (typeof value !== 'object' || value === null) return value;
  if (types.isDate(value)) return new Date(value.getTime());
  const done = seen.get(value);
  if (done !== undefined) return done;
  if (Array.isArray(value)) {
    const copy: unknown[] = [];
    seen.set(value, copy);
    for (const item of value) copy.push(deepCopy(item, seen));
    return copy;
  }
  // Maps, sets, buffers and the like; it also refuses what cannot be copied.
  if (Object.prototype.toString.call(value) !== '[object Object]') return structuredClone(value);
  const copy: Record<string, unknown> = {};
  seen.set(value, copy);
  for (const [key, item] of Object.entries(value)) {
    // Defined, not assigned: a field called __proto__ is a field like any other.
    Object.defineProperty(copy, key, {
      value: deepCopy(item, seen),
      enumerable: true,
      configurable: true,
      writable: true,
    });
  }
  return copy;
}
