import { InvalidOptionsError } from '../errors/index.js';
import { MAX_DELAY_MS, MAX_PRIORITY } from '../job/limits.js';

/** What is wrong with a lifetime (ms, above zero), or `undefined`. */
export function ttlProblem(name: string, ms: number): string | undefined {
  return isTime(ms) && ms > 0 ? undefined : `${name}: expected ms above 0, at most ${MAX_DELAY_MS}, got ${String(ms)}`;
}

/** What is wrong with a delay or a wait (ms, 0 = none), or `undefined`. */
export function delayProblem(name: string, ms: number): string | undefined {
  return isTime(ms) ? undefined : `${name}: expected ms from 0 to ${MAX_DELAY_MS}, got ${String(ms)}`;
}

/** What is wrong with a priority, or `undefined`. */
export function priorityProblem(priority: number): string | undefined {
  if (Number.isInteger(priority) && priority >= 0 && priority <= MAX_PRIORITY) return undefined;
  return `priority: expected a whole number from 0 to ${MAX_PRIORITY}, got ${String(priority)}`;
}

/** What is wrong with a number of entries, or `undefined`. */
export function limitProblem(limit: number): string | undefined {
  return Number.isInteger(limit) && limit >= 0
    ? undefined
    : `limit: expected a whole number from 0, got ${String(limit)}`;
}

/** @throws InvalidOptionsError with every problem, if there is one */
export function refuse(where: string, ...found: readonly (string | undefined)[]): void {
  const problems = found.filter((problem) => problem !== undefined);
  if (problems.length > 0) throw new InvalidOptionsError(where, problems);
}

function isTime(ms: unknown): ms is number {
  return typeof ms === 'number' && ms >= 0 && ms <= MAX_DELAY_MS;
}

/**
 * A text that every store can hold, and that no other text gives: with braces, control characters and halves of surrogate
 * pairs escaped. (Redis reads braces as a hash tag; PostgreSQL refuses NUL.)
 */
export function storable(text: string): string {
  return text.replaceAll(
    // eslint-disable-next-line no-control-regex
    /[%{}\u0000-\u001f\u007f]|\p{Surrogate}/gu,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  );
}
