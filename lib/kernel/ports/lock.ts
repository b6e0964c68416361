/**
 * A public adapter: leases by key. Re-entrant for the same owner.
 * @publicApi
 */
export interface ILockAdapter {
  /** True when `ownerId` holds the key now, for `ttlMs`. */
  acquire(key: string, ownerId: string, ttlMs: number): Promise<boolean>;
  /** False when `ownerId` does not hold it any more. */
  renew(key: string, ownerId: string, ttlMs: number): Promise<boolean>;
  /** Only the owner can release. */
  release(key: string, ownerId: string): Promise<void>;
  /** False after expiry. */
  isOwner(key: string, ownerId: string): Promise<boolean>;
  renewMany?(keys: readonly string[], ownerId: string, ttlMs: number): Promise<boolean[]>;
}
