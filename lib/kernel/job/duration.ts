import ms, { type StringValue } from 'ms';
import { MAX_DELAY_MS } from './limits.js';

/** Milliseconds, or a text such as `'30s'`, `'5m'`, `'1h'`, `'3d'`. @publicApi */
export type Duration = number | StringValue;

/** The duration in whole ms, or `undefined` when it is not one (negative, not finite, above 100 years). */
export function parseDuration(value: unknown): number | undefined {
  if (typeof value === 'number') return inRange(value);
  if (typeof value !== 'string' || value.length === 0 || value.length > 100) return undefined;
  // `ms` reads every text that starts like a duration; a bare number in a text is more often a mistake.
  return /[a-z]$/i.test(value) ? inRange(ms(value as StringValue)) : undefined;
}

function inRange(value: number | undefined): number | undefined {
  return value !== undefined && Number.isFinite(value) && value >= 0 && value <= MAX_DELAY_MS
    ? Math.round(value)
    : undefined;
}
