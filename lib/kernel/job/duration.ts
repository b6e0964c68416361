import ms from 'ms';
import { MAX_DELAY_MS } from './limits.js';

/** Milliseconds, or a text such as `'30s'`, `'5m'`, `'1h'`, `'3d'`. @publicApi */
export type Duration = number | `${number}${'ms' | 's' | 'm' | 'h' | 'd' | 'w' | 'y'}`;

/** The duration in whole ms, or `undefined` when it is not one (negative, not finite, above 100 years). */
export function parseDuration(value: unknown): number | undefined {
  if (typeof value === 'number') return inRange(value);
  // A bare number in a text is more often a mistake than a duration.
  if (typeof value !== 'string' || value.length > 100 || !/[a-z]$/i.test(value)) return undefined;
  return inRange(ms(value as ms.StringValue));
}

function inRange(value: number | undefined): number | undefined {
  return value !== undefined && Number.isFinite(value) && value >= 0 && value <= MAX_DELAY_MS
    ? Math.round(value)
    : undefined;
}
