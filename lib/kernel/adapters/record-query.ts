import { isDeepStrictEqual, types } from 'node:util';
import { z } from 'zod';
import { InvalidOptionsError } from '../errors/index.js';
import type { StorageCondition, StorageListOptions } from '../ports/storage.js';
import { checkOptions, integer, strict } from '../validation.js';

/**
 * What `list` and `count` of a storage mean, for every store that filters in this process. A store that filters in its
 * server has to come to the same answers; the conformance kit compares them.
 */
export interface RecordQuery {
  readonly filter?: Readonly<Record<string, unknown>> | undefined;
  readonly where?: readonly StorageCondition[] | undefined;
}

const scalar = z.union(
  [z.string(), z.number(), z.boolean(), z.custom<Date>(types.isDate), z.null()],
  'expected a plain value or a Date',
);

const listOptions = strict({
  limit: integer(0, Number.MAX_SAFE_INTEGER).optional(),
  offset: integer(0, Number.MAX_SAFE_INTEGER).optional(),
  orderBy: strict({
    field: z.string(),
    direction: z.enum(['asc', 'desc']).optional(),
    type: z.enum(['string', 'number', 'date']).optional(),
  }).optional(),
  where: z
    .array(strict({ field: z.string(), op: z.enum(['$lt', '$lte', '$gt', '$gte', '$ne']), value: scalar }))
    .optional(),
});

/**
 * Refuses what is no query. An `undefined` in a filter is refused too: to drop the condition would answer records that
 * the caller meant to leave out.
 *
 * @throws InvalidOptionsError with every problem
 */
export function checkQuery(where: string, filter: RecordQuery['filter'], opts: StorageListOptions | undefined): void {
  const problems = Object.entries(filter ?? {}).flatMap(([field, value]) =>
    value === undefined ? [`filter.${field}: expected a value; leave the field out, or look for null`] : [],
  );
  if (opts !== undefined) problems.push(...(checkOptions(listOptions, opts).problems ?? []));
  if (problems.length > 0) throw new InvalidOptionsError(where, problems);
}

/** True when the record meets every filter and every condition. */
export function matches(record: unknown, { filter, where }: RecordQuery): boolean {
  for (const field in filter) {
    if (!sameValue(fieldOf(record, field), filter[field])) return false;
  }
  return where?.every((condition) => satisfies(fieldOf(record, condition.field), condition)) ?? true;
}

/** A top-level field of a record; what it inherits is none of its fields. */
export function fieldOf(record: unknown, field: string): unknown {
  if (typeof record !== 'object' || record === null || !Object.hasOwn(record, field)) return undefined;
  return (record as Readonly<Record<string, unknown>>)[field];
}

/** Equal in value: Dates by time, lists and objects by content, and null like a field that is missing. */
export function sameValue(a: unknown, b: unknown): boolean {
  return a === b || (a == null && b == null) || isDeepStrictEqual(a, b);
}

/** Compares records for `orderBy`. Those without a usable value come last in both directions; 0 = equal. */
export function recordOrder(orderBy: NonNullable<StorageListOptions['orderBy']>): (a: unknown, b: unknown) => number {
  const { field, direction, type } = orderBy;
  const sign = direction === 'desc' ? -1 : 1;
  return (a, b) => {
    const left = sortKey(fieldOf(a, field), type);
    const right = sortKey(fieldOf(b, field), type);
    if (left === undefined || right === undefined) return Number(left === undefined) - Number(right === undefined);
    if (typeof left !== typeof right) return typeof left === 'number' ? -sign : sign;
    return left < right ? -sign : left > right ? sign : 0;
  };
}

function satisfies(value: unknown, { op, value: bound }: StorageCondition): boolean {
  if (value == null) return false;
  if (op === '$ne') return !sameValue(value, bound);
  const [a, b] = [plain(value), plain(bound)];
  // Values of different kinds have no order: neither is below the other.
  if (a === undefined || typeof a !== typeof b || types.isDate(value) !== types.isDate(bound)) return false;
  const below = a < (b as typeof a);
  const above = a > (b as typeof a);
  if (op === '$lt') return below;
  if (op === '$gt') return above;
  return a === b || (op === '$lte' ? below : above);
}

function plain(value: unknown): string | number | boolean | undefined {
  if (types.isDate(value)) return value.getTime();
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : undefined;
}

/** What a field is sorted by: as `type` says, else as it is, numbers before texts. */
function sortKey(value: unknown, type: 'string' | 'number' | 'date' | undefined): string | number | undefined {
  if (type === 'string') return types.isDate(value) ? isoOf(value) : plain(value)?.toString();
  if (type === undefined && typeof value === 'string') return value;
  const key = type === 'date' && typeof value === 'string' ? Date.parse(value) : value === '' ? NaN : plain(value);
  const number = key === undefined ? NaN : Number(key);
  return Number.isNaN(number) ? undefined : number;
}

function isoOf(date: Date): string | undefined {
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString();
}
