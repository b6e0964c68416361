import type { ILockAdapter } from '../../lib/kernel/ports/lock.js';

/** A lock under whose keys nobody else works, and a way to leave none of them behind. */
export function prefixedLock(
  lock: Required<ILockAdapter>,
  prefix: string,
): { readonly lock: Required<ILockAdapter>; end(): Promise<void> } {
  const used = new Map<string, Set<string>>();
  const at = (key: string, owner: string): string => {
    const owners = used.get(prefix + key) ?? new Set();
    used.set(prefix + key, owners.add(owner));
    return prefix + key;
  };
  return {
    lock: {
      acquire: (key, owner, ttlMs) => lock.acquire(at(key, owner), owner, ttlMs),
      renew: (key, owner, ttlMs) => lock.renew(at(key, owner), owner, ttlMs),
      renewMany: (keys, owner, ttlMs) => {
        const all = keys.map((key) => at(key, owner));
        return lock.renewMany(all, owner, ttlMs);
      },
      release: (key, owner) => lock.release(at(key, owner), owner),
      isOwner: (key, owner) => lock.isOwner(at(key, owner), owner),
    },
    end: async () => {
      for (const [key, owners] of used) for (const owner of owners) await lock.release(key, owner);
    },
  };
}
