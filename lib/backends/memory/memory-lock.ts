import { refuse, ttlProblem } from '../../kernel/adapters/arguments.js';
import type { Clock } from '../../kernel/ports/clock.js';
import type { ILockAdapter } from '../../kernel/ports/lock.js';
import { OrderedSet, type Placed } from './ordered-set.js';

/** A lease, placed by when it ends. */
interface Lease extends Placed {
  readonly key: string;
  readonly ownerId: string;
}

/**
 * Leases in this process's memory, measured on the monotonic clock. Leases that ended are forgotten by whoever comes
 * next, so keys that are never used again do not pile up.
 */
export class MemoryLock implements Required<ILockAdapter> {
  readonly #leases = new Map<string, Lease>();
  readonly #byEnd = new OrderedSet<Lease>();
  #placed = 0;

  constructor(private readonly clock: Clock) {}

  /** Leases that are held now. */
  get size(): number {
    this.#forgetEnded();
    return this.#leases.size;
  }

  async acquire(key: string, ownerId: string, ttlMs: number): Promise<boolean> {
    refuse(`MemoryLock.acquire ("${key}")`, ttlProblem('ttlMs', ttlMs));
    const lease = this.#live(key);
    if (lease && lease.ownerId !== ownerId) return false;
    this.#hold(key, ownerId, ttlMs);
    return true;
  }

  async renew(key: string, ownerId: string, ttlMs: number): Promise<boolean> {
    refuse(`MemoryLock.renew ("${key}")`, ttlProblem('ttlMs', ttlMs));
    return this.#renew(key, ownerId, ttlMs);
  }

  async renewMany(keys: readonly string[], ownerId: string, ttlMs: number): Promise<boolean[]> {
    refuse('MemoryLock.renewMany', ttlProblem('ttlMs', ttlMs));
    return keys.map((key) => this.#renew(key, ownerId, ttlMs));
  }

  async release(key: string, ownerId: string): Promise<void> {
    const lease = this.#live(key);
    if (lease?.ownerId === ownerId) this.#drop(lease);
  }

  async isOwner(key: string, ownerId: string): Promise<boolean> {
    return this.#live(key)?.ownerId === ownerId;
  }

  #renew(key: string, ownerId: string, ttlMs: number): boolean {
    if (this.#live(key)?.ownerId !== ownerId) return false;
    this.#hold(key, ownerId, ttlMs);
    return true;
  }

  #live(key: string): Lease | undefined {
    this.#forgetEnded();
    return this.#leases.get(key);
  }

  #hold(key: string, ownerId: string, ttlMs: number): void {
    const before = this.#leases.get(key);
    if (before) this.#byEnd.delete(before);
    this.#placed += 1;
    const lease: Lease = { key, ownerId, k1: this.clock.monotonic() + ttlMs, k2: this.#placed };
    this.#leases.set(key, lease);
    this.#byEnd.add(lease);
  }

  #forgetEnded(): void {
    const now = this.clock.monotonic();
    for (let lease = this.#byEnd.first(); lease && lease.k1 <= now; lease = this.#byEnd.first()) this.#drop(lease);
  }

  #drop(lease: Lease): void {
    this.#byEnd.delete(lease);
    this.#leases.delete(lease.key);
  }
}
