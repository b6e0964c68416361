import { v7 } from 'uuid';
import type { Clock, Random } from '../ports/clock.js';
import { MAX_ID_BYTES } from './limits.js';

const NAME = /^[A-Za-z0-9_.:/@-]{1,128}$/;
// Control characters would break logs and protocols; a lone surrogate cannot be encoded as UTF-8.
// eslint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u001f\u007f]/;

/** The name of a job that names none. */
export const DEFAULT_JOB_NAME = 'default';

/** What is wrong with a queue or job name, or `undefined`. */
export function nameProblem(name: unknown): string | undefined {
  if (typeof name === 'string' && NAME.test(name)) return undefined;
  return `${show(name)} is not a name: expected 1 to 128 of the characters A-Z a-z 0-9 _ . : / @ -`;
}

/** What is wrong with a caller-given job id, or `undefined`. */
export function idProblem(id: unknown): string | undefined {
  if (typeof id !== 'string') return `jobId ${show(id)} is not a string`;
  if (id === '') return 'jobId is empty';
  if (CONTROL.test(id)) return `jobId ${show(id)} contains control characters`;
  if (!id.isWellFormed()) return 'jobId contains half of a surrogate pair';
  const bytes = Buffer.byteLength(id);
  return bytes > MAX_ID_BYTES ? `jobId has ${bytes} bytes, the limit is ${MAX_ID_BYTES}` : undefined;
}

function show(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 140)) : `(${typeof value})`;
}

/**
 * Makes UUIDv7 ids (RFC 9562): unique without asking anyone, and ordered by time, which keeps indexes local.
 */
export function idFactory(clock: Clock, random: Random): () => string {
  return () => v7({ msecs: clock.now(), random: random.bytes(16) });
}
