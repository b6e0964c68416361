import type { DefinitionStatus } from '../../engine/registry.js';
import type { Listener } from './listeners.js';

interface Row {
  readonly place: string;
  readonly what: string;
  readonly state: string;
}

/**
 * One aligned line for each handler and listener: where it is, what it serves, and how, or why not.
 *
 * @param places of definitions, by kind and name; what has none was not defined by a decorator and is left out
 */
export function bootstrapTable(
  statuses: readonly DefinitionStatus[],
  places: ReadonlyMap<string, string>,
  listeners: readonly Listener[],
): string[] {
  const rows: Row[] = [];
  for (const status of statuses) {
    const what = `${status.kind} ${status.name}`;
    const place = places.get(what);
    if (place !== undefined) rows.push({ place, what: `{${what}}`, state: stateOf(status) });
  }
  for (const { place, event, queue, scope } of listeners) {
    const of = queue === undefined ? '' : ` of ${queue}`;
    rows.push({ place: place.name, what: `{on ${event}${of}}`, state: `scope ${scope}` });
  }
  const placeWidth = widest(rows.map(({ place }) => place));
  const whatWidth = widest(rows.map(({ what }) => what));
  return rows.map(({ place, what, state }) => `${place.padEnd(placeWidth)} ${what.padEnd(whatWidth)} ${state}`);
}

function stateOf({ active, reason, concurrency, handlers }: DefinitionStatus): string {
  if (!active) return `inactive: ${reason}`;
  const names = handlers.length > 0 ? `, names ${handlers.join(', ')}` : '';
  return `concurrency ${concurrency}${names}`;
}

function widest(texts: readonly string[]): number {
  return Math.max(0, ...texts.map((text) => text.length));
}
