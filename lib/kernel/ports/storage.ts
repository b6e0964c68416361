/** One condition on a top-level field; a null or missing field satisfies none. @publicApi */
export interface StorageCondition {
  readonly field: string;
  readonly op: '$lt' | '$lte' | '$gt' | '$gte' | '$ne';
  readonly value: string | number | boolean | Date | null;
}

/** How a list is cut and ordered. @publicApi */
export interface StorageListOptions {
  /** At most so many records. @default all */
  readonly limit?: number;
  /** Leaves out so many records first. @default 0 */
  readonly offset?: number;
  /** Records without a value come last in both directions, equals in the order of their ids. @default the adapter's own */
  readonly orderBy?: {
    readonly field: string;
    /** @default 'asc' */
    readonly direction?: 'asc' | 'desc';
    /** What the values are compared as. @default what they are */
    readonly type?: 'string' | 'number' | 'date';
  };
  /** More conditions, all of which have to hold. */
  readonly where?: readonly StorageCondition[];
}

/**
 * A public adapter: keeps records by namespace and id. Stored values are copies. Filters are exact matches on
 * top-level fields, all of which must hold; null matches a field that is null or missing. The storage conformance kit
 * (`oqronkit/conformance`) checks what is said here.
 *
 * @example
 * await storage.save('invoices', '7', { total: 12, paid: false });
 * await storage.list('invoices', { paid: false }, { orderBy: { field: 'total', type: 'number' }, limit: 10 });
 * @publicApi
 */
export interface IStorageEngine {
  /** Saves the record, or replaces the whole of it. */
  save<T>(namespace: string, id: string, data: T): Promise<void>;
  /** The record, or null. */
  get<T>(namespace: string, id: string): Promise<T | null>;
  /** The records that match. */
  list<T>(namespace: string, filter?: Record<string, unknown>, opts?: StorageListOptions): Promise<T[]>;
  /** Harmless when there is no such record. */
  delete(namespace: string, id: string): Promise<void>;
  /** Deletes records that were last saved before `beforeMs` (ms since the epoch) and answers how many. */
  prune(namespace: string, beforeMs: number): Promise<number>;
  /** How many records a list with this filter would answer. */
  count(namespace: string, filter?: Record<string, unknown>): Promise<number>;
  /** True when it was saved, false when the id existed. */
  saveIfAbsent?<T>(namespace: string, id: string, data: T): Promise<boolean>;
  bulkSave?<T>(namespace: string, items: readonly { id: string; data: T }[]): Promise<void>;
  /** In the order of the ids; null for what is not there. */
  bulkGet?<T>(namespace: string, ids: readonly string[]): Promise<(T | null)[]>;
  bulkDelete?(namespace: string, ids: readonly string[]): Promise<void>;
  /** Adds to a field and answers the sum. A record or field that is missing counts as 0. */
  increment?(namespace: string, id: string, field: string, by: number): Promise<number>;
  /**
   * Replaces the record only while its `field` equals `expected` (null: while it is null or missing), and answers
   * whether it did. It never makes a new record.
   */
  compareAndSet?<T>(namespace: string, id: string, field: string, expected: unknown, data: T): Promise<boolean>;
  /** The same for many records, each on its own. */
  bulkCompareAndSet?<T>(
    namespace: string,
    field: string,
    items: readonly { id: string; expected: unknown; data: T }[],
  ): Promise<boolean[]>;
}
