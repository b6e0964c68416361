/**
 * A public adapter: leases by key. Re-entrant for the same owner, without a count: one release frees the key. Times are
 * ms. The lock conformance kit (`oqronkit/conformance`) checks what is said here.
 *
 * @example
 * if (await lock.acquire('nightly-report', 'process-1', 30_000)) {
 *   await report();
 *   await lock.release('nightly-report', 'process-1');
 * }
 * @publicApi
 */
export interface ILockAdapter {
  /** True when `ownerId` holds the key, from now on for `ttlMs`. */
  acquire(key: string, ownerId: string, ttlMs: number): Promise<boolean>;
  /** Holds the key for `ttlMs` from now on. False when `ownerId` does not hold it (any more). */
  renew(key: string, ownerId: string, ttlMs: number): Promise<boolean>;
  /** Frees the key. Harmless for whoever does not own it. */
  release(key: string, ownerId: string): Promise<void>;
  /** False after expiry. */
  isOwner(key: string, ownerId: string): Promise<boolean>;
  /** Renews each key on its own. */
  renewMany?(keys: readonly string[], ownerId: string, ttlMs: number): Promise<boolean[]>;
}
