import { deepCopy } from '../../kernel/adapters/copy.js';
import { checkQuery, fieldOf, matches, recordOrder, sameValue } from '../../kernel/adapters/record-query.js';
import { InvalidOptionsError, InvalidPayloadError } from '../../kernel/errors/index.js';
import type { Clock } from '../../kernel/ports/clock.js';
import type { IStorageEngine, StorageListOptions } from '../../kernel/ports/storage.js';
import { OrderedSet, type Placed } from './ordered-set.js';

/** A record, placed by when it was saved last: pruning takes from the front and looks at nothing else. */
interface MemoryRecord extends Placed {
  readonly id: string;
  data: unknown;
}

interface Namespace {
  /** In the order of creation, which is the order of a list that asks for none. */
  readonly records: Map<string, MemoryRecord>;
  readonly byAge: OrderedSet<MemoryRecord>;
}

/**
 * Records in this process's memory: copies go in and out, Dates included. Each method is one transition, so nothing
 * that runs beside it sees half of a bulk.
 */
export class MemoryStorage implements Required<IStorageEngine> {
  readonly #namespaces = new Map<string, Namespace>();
  #saves = 0;

  constructor(private readonly clock: Clock) {}

  async save<T>(namespace: string, id: string, data: T): Promise<void> {
    this.#put(namespace, id, copyOf('save', namespace, id, data));
  }

  async get<T>(namespace: string, id: string): Promise<T | null> {
    return this.#read<T>(namespace, id);
  }

  async list<T>(namespace: string, filter?: Record<string, unknown>, opts?: StorageListOptions): Promise<T[]> {
    checkQuery(`MemoryStorage.list (namespace "${namespace}")`, filter, opts);
    const { limit = Infinity, offset = 0, orderBy, where } = opts ?? {};
    const found: MemoryRecord[] = [];
    for (const record of this.#namespaces.get(namespace)?.records.values() ?? []) {
      if (!orderBy && found.length >= offset + limit) break;
      if (matches(record.data, { filter, where })) found.push(record);
    }
    if (orderBy) {
      const order = recordOrder(orderBy);
      // Equal records keep one order, or a walk over pages would miss some and repeat others.
      found.sort((a, b) => order(a.data, b.data) || (a.id < b.id ? -1 : 1));
    }
    return found.slice(offset, offset + limit).map(({ data }) => deepCopy(data) as T);
  }

  async delete(namespace: string, id: string): Promise<void> {
    this.#remove(namespace, id);
  }

  async prune(namespace: string, beforeMs: number): Promise<number> {
    const space = this.#namespaces.get(namespace);
    let pruned = 0;
    for (let oldest = space?.byAge.first(); oldest && oldest.k1 < beforeMs; oldest = space?.byAge.first()) {
      this.#remove(namespace, oldest.id);
      pruned += 1;
    }
    return pruned;
  }

  async count(namespace: string, filter?: Record<string, unknown>): Promise<number> {
    checkQuery(`MemoryStorage.count (namespace "${namespace}")`, filter, undefined);
    const records = this.#namespaces.get(namespace)?.records;
    if (!records || !filter) return records?.size ?? 0;
    let count = 0;
    for (const { data } of records.values()) if (matches(data, { filter })) count += 1;
    return count;
  }

  async saveIfAbsent<T>(namespace: string, id: string, data: T): Promise<boolean> {
    const copy = copyOf('saveIfAbsent', namespace, id, data);
    if (this.#find(namespace, id)) return false;
    this.#put(namespace, id, copy);
    return true;
  }

  async bulkSave<T>(namespace: string, items: readonly { id: string; data: T }[]): Promise<void> {
    // All are copied before one is saved: data that cannot be copied leaves nothing half done.
    const copies = items.map(({ id, data }) => ({ id, data: copyOf('bulkSave', namespace, id, data) }));
    for (const { id, data } of copies) this.#put(namespace, id, data);
  }

  async bulkGet<T>(namespace: string, ids: readonly string[]): Promise<(T | null)[]> {
    return ids.map((id) => this.#read<T>(namespace, id));
  }

  async bulkDelete(namespace: string, ids: readonly string[]): Promise<void> {
    for (const id of ids) this.#remove(namespace, id);
  }

  async increment(namespace: string, id: string, field: string, by: number): Promise<number> {
    const where = `MemoryStorage.increment (namespace "${namespace}", id "${id}")`;
    if (!Number.isFinite(by)) throw new InvalidOptionsError(where, [`by: expected a number, got ${String(by)}`]);
    const data = this.#find(namespace, id)?.data ?? {};
    const before = fieldOf(data, field) ?? 0;
    if (typeof data !== 'object' || Array.isArray(data) || typeof before !== 'number') {
      throw new InvalidOptionsError(where, [`field "${field}" holds no number that could be counted up`]);
    }
    const after = before + by;
    this.#put(namespace, id, { ...data, [field]: after });
    return after;
  }

  async compareAndSet<T>(namespace: string, id: string, field: string, expected: unknown, data: T): Promise<boolean> {
    return this.#swap(namespace, id, field, expected, copyOf('compareAndSet', namespace, id, data));
  }

  async bulkCompareAndSet<T>(
    namespace: string,
    field: string,
    items: readonly { id: string; expected: unknown; data: T }[],
  ): Promise<boolean[]> {
    const copies = items.map((item) => ({ ...item, data: copyOf('bulkCompareAndSet', namespace, item.id, item.data) }));
    return copies.map(({ id, expected, data }) => this.#swap(namespace, id, field, expected, data));
  }

  #find(namespace: string, id: string): MemoryRecord | undefined {
    return this.#namespaces.get(namespace)?.records.get(id);
  }

  #read<T>(namespace: string, id: string): T | null {
    const record = this.#find(namespace, id);
    return record ? (deepCopy(record.data) as T) : null;
  }

  #swap(namespace: string, id: string, field: string, expected: unknown, data: unknown): boolean {
    const record = this.#find(namespace, id);
    if (!record || !sameValue(fieldOf(record.data, field), expected)) return false;
    this.#put(namespace, id, data);
    return true;
  }

  #put(namespace: string, id: string, data: unknown): void {
    let space = this.#namespaces.get(namespace);
    if (!space) this.#namespaces.set(namespace, (space = { records: new Map(), byAge: new OrderedSet() }));
    this.#saves += 1;
    let record = space.records.get(id);
    if (record) space.byAge.delete(record);
    else space.records.set(id, (record = { id, data, k1: 0, k2: 0 }));
    Object.assign(record, { data, k1: this.clock.now(), k2: this.#saves });
    space.byAge.add(record);
  }

  #remove(namespace: string, id: string): void {
    const space = this.#namespaces.get(namespace);
    const record = space?.records.get(id);
    if (!space || !record) return;
    space.records.delete(id);
    space.byAge.delete(record);
    if (space.records.size === 0) this.#namespaces.delete(namespace);
  }
}

function copyOf(method: string, namespace: string, id: string, data: unknown): unknown {
  const where = `MemoryStorage.${method} (namespace "${namespace}", id "${id}")`;
  if (data === undefined) throw new InvalidPayloadError(where, 'there is no data to save; save null or an object');
  try {
    return deepCopy(data);
  } catch (error) {
    throw new InvalidPayloadError(where, 'the data holds something that cannot be copied, such as a function', {
      cause: error,
    });
  }
}
