import type { TransactionRow } from '../ports/transaction.js';

/** `$1`, `$2`, ... of a statement as question marks, with the values in the order in which they stand. */
export function questionMarks(
  text: string,
  values: readonly unknown[],
  escape: (mark: string) => string,
): { readonly text: string; readonly values: unknown[] } {
  const inOrder: unknown[] = [];
  const marked = text.replace(/\$(\d+)|\?/g, (found, number: string | undefined) => {
    if (number === undefined) return escape(found);
    inOrder.push(values[Number(number) - 1]);
    return '?';
  });
  return { text: marked, values: inOrder };
}

/**
 * The rows of an answer: clients give a list, or an object with `rows`.
 *
 * @throws TypeError when it is neither: the object is not what it looks like
 */
export function rowsOf(answer: unknown): readonly TransactionRow[] {
  if (Array.isArray(answer)) return answer as readonly TransactionRow[];
  if (typeof answer === 'object' && answer !== null) {
    const rows: unknown = Reflect.get(answer, 'rows');
    if (Array.isArray(rows)) return rows as readonly TransactionRow[];
  }
  throw new TypeError('The transaction answered a query with neither rows nor { rows }.');
}

type Callable = (...args: readonly unknown[]) => unknown;

/** What can have members: ORMs hand out objects and functions. */
export function isObject(value: unknown): value is object {
  return (typeof value === 'object' && value !== null) || typeof value === 'function';
}

/** True when the object has a method of each name. */
export function hasMethods(value: object, ...names: readonly string[]): boolean {
  return names.every((name) => typeof Reflect.get(value, name) === 'function');
}

/** Calls a method that {@link hasMethods} has found. */
export function call(target: object, method: string, ...args: readonly unknown[]): unknown {
  return Reflect.apply(Reflect.get(target, method) as Callable, target, args);
}
