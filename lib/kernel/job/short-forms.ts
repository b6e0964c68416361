import { parentFailedError } from './parent-errors.js';
import { crashedError, stalledTooOftenError } from './stall-errors.js';
import type { FinalStatus } from './states.js';
import type { JobRef, StoredError, TimelineEntry } from './stored-job.js';

/** How a parent ended, as one letter. */
const HOW: Readonly<Record<string, FinalStatus | 'removed'>> = {
  c: 'completed',
  f: 'failed',
  x: 'cancelled',
  r: 'removed',
};

/**
 * What stores on servers keep of an error. A user's error is JSON; those that scripts and functions of the server make
 * are short codes, so that none of them writes sentences: `k<owner>` crashed, `s<count>:<cap>` stalled too often,
 * `p<how><ref>` a parent failed.
 */
export function openError(text: string): StoredError {
  const rest = text.slice(1);
  switch (text[0]) {
    case 'k':
      return crashedError(rest);
    case 's': {
      const [count, maxStalledCount] = rest.split(':').map(Number);
      return stalledTooOftenError(count ?? 0, { maxStalledCount: maxStalledCount ?? 0 });
    }
    case 'p':
      return parentFailedError(openRef(rest.slice(1)), HOW[rest[0] ?? ''] ?? 'removed');
    default:
      return JSON.parse(text) as StoredError;
  }
}

/** `queue`, a line break, `id`. */
export function openRef(text: string): JobRef {
  const end = text.indexOf('\n');
  return { queue: text.slice(0, end), id: text.slice(end + 1) };
}

const EVENTS: Readonly<Record<string, TimelineEntry['event']>> = {
  f: 'attempt-failed',
  s: 'stalled',
  r: 'released',
  p: 'promoted',
  d: 'rescheduled',
  u: 'updated',
  h: 'held',
};

/** Code and time, attempt, detail: `f1700000000000:2:Error: it failed`. */
export function openTimeline(line: string): TimelineEntry {
  const first = line.indexOf(':');
  const second = line.indexOf(':', first + 1);
  const attempt = line.slice(first + 1, second);
  const detail = line.slice(second + 1);
  return {
    at: Number(line.slice(1, first)),
    event: EVENTS[line[0] ?? ''] ?? 'updated',
    ...(attempt !== '' && { attempt: Number(attempt) }),
    ...(detail !== '' && { detail }),
  };
}
