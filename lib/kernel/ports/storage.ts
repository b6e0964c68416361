/** One condition on a top-level field; a null or missing field satisfies none. @publicApi */
export interface StorageCondition {
  readonly field: string;
  readonly op: '$lt' | '$lte' | '$gt' | '$gte' | '$ne';
  readonly value: string | number | boolean | Date | null;
}

/** @publicApi */
export interface StorageListOptions {
  readonly limit?: number;
  readonly offset?: number;
  readonly orderBy?: {
    readonly field: string;
    readonly direction?: 'asc' | 'desc';
    readonly type?: 'string' | 'number' | 'date';
  };
  readonly where?: readonly StorageCondition[];
}

/**
 * A public adapter: keeps records by namespace and id. Stored values are copies. Filters are exact matches on
 * top-level fields, all of which must hold.
 * @publicApi
 */
export interface IStorageEngine {
  save<T>(namespace: string, id: string, data: T): Promise<void>;
  get<T>(namespace: string, id: string): Promise<T | null>;
  list<T>(namespace: string, filter?: Record<string, unknown>, opts?: StorageListOptions): Promise<T[]>;
  delete(namespace: string, id: string): Promise<void>;
  /** Deletes records older than `beforeMs` (ms since the epoch) and answers how many. */
  prune(namespace: string, beforeMs: number): Promise<number>;
  count(namespace: string, filter?: Record<string, unknown>): Promise<number>;
  /** True when it was saved, false when the id existed. */
  saveIfAbsent?<T>(namespace: string, id: string, data: T): Promise<boolean>;
  bulkSave?<T>(namespace: string, items: readonly { id: string; data: T }[]): Promise<void>;
  bulkGet?<T>(namespace: string, ids: readonly string[]): Promise<(T | null)[]>;
  bulkDelete?(namespace: string, ids: readonly string[]): Promise<void>;
  increment?(namespace: string, id: string, field: string, by: number): Promise<number>;
  /** Saves only while the stored `field` equals `expected`. */
  compareAndSet?<T>(namespace: string, id: string, field: string, expected: unknown, data: T): Promise<boolean>;
  bulkCompareAndSet?<T>(
    namespace: string,
    field: string,
    items: readonly { id: string; expected: unknown; data: T }[],
  ): Promise<boolean[]>;
}
