import { closest, distance } from 'fastest-levenshtein';
import { z } from 'zod';
import { InvalidOptionsError } from './errors/index.js';
import { MAX_DELAY_MS } from './job/limits.js';
import { idProblem, nameProblem } from './job/ids.js';
import { parseDuration } from './job/duration.js';

/** An object whose unknown keys are errors that name the nearest known one. */
export function strict<S extends z.core.$ZodLooseShape>(shape: S) {
  const known = Object.keys(shape);
  return z.strictObject(shape, {
    error: (issue) => {
      if (issue.code !== 'unrecognized_keys') return undefined;
      return issue.keys.map((key) => `unknown option "${key}"${suggest(key, known)}`).join('; ');
    },
  });
}

function suggest(key: string, known: readonly string[]): string {
  const nearest = known.length > 0 ? closest(key, [...known]) : undefined;
  const near =
    nearest !== undefined && distance(key.toLowerCase(), nearest.toLowerCase()) <= Math.max(2, key.length / 3);
  return near ? `, did you mean "${nearest}"?` : `; known: ${known.join(', ')}`;
}

/** Checks `value` and answers it parsed; throws one `InvalidOptionsError` with every problem found. */
export function parseOptions<S extends z.ZodType>(where: string, schema: S, value: unknown): z.output<S> {
  const checked = checkOptions(schema, value);
  if (checked.problems) throw new InvalidOptionsError(where, checked.problems);
  return checked.value;
}

/** The same without throwing, for callers that join the problems of several checks. */
export function checkOptions<S extends z.ZodType>(
  schema: S,
  value: unknown,
): { value: z.output<S>; problems?: undefined } | { problems: string[] } {
  const result = schema.safeParse(value);
  return result.success ? { value: result.data } : { problems: problemsOf(result.error) };
}

/** Every problem as a sentence that begins with the option's path. */
function problemsOf(error: z.ZodError): string[] {
  return error.issues.map((issue) => {
    const path = issue.path.map(String).join('.');
    return path === '' ? issue.message : `${path}: ${issue.message}`;
  });
}

/** Milliseconds or a text such as `'5m'`, as ms. */
export const duration = z.unknown().transform((value, ctx) => {
  const ms = parseDuration(value);
  if (ms !== undefined) return ms;
  ctx.addIssue(`expected ms (0 to ${MAX_DELAY_MS}) or a text such as '30s', '5m', '1h', '3d', got ${show(value)}`);
  return z.NEVER;
});

/** A duration above zero. */
export const positiveDuration = duration.refine((ms) => ms > 0, 'expected a duration above zero');

/** A queue or job name. */
export const name = z.unknown().transform((value, ctx) => {
  const problem = nameProblem(value);
  if (problem === undefined) return value as string;
  ctx.addIssue(problem);
  return z.NEVER;
});

/** A caller-given job id. */
export const jobId = z.unknown().transform((value, ctx) => {
  const problem = idProblem(value);
  if (problem === undefined) return value as string;
  ctx.addIssue(problem);
  return z.NEVER;
});

/** A whole number in a range. */
export function integer(min: number, max: number) {
  const message = `expected a whole number from ${min} to ${max}`;
  return z.number(message).int(message).min(min, message).max(max, message);
}

/** A function, typed by the caller. */
export function fn<F>() {
  return z.custom<F>((value) => typeof value === 'function', 'expected a function');
}

function show(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 80)) : String(value);
}
