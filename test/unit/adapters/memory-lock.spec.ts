import { describe, expect, it } from '@jest/globals';
import { VirtualClock } from 'oqronkit/testing';
import { MemoryLock } from '../../../lib/backends/memory/index.js';

// The rules of the interface are in the conformance kit; here is what it leaves to the adapter.

describe('MemoryLock', () => {
  it('ends a lease to the millisecond', async () => {
    const clock = new VirtualClock();
    const lock = new MemoryLock(clock);
    await lock.acquire('key', 'a', 1_000);
    await clock.advance(999);
    expect(await lock.isOwner('key', 'a')).toBe(true);
    await clock.advance(1);
    expect(await lock.isOwner('key', 'a')).toBe(false);
  });

  it('acquires again from now on, also for a shorter time', async () => {
    const clock = new VirtualClock();
    const lock = new MemoryLock(clock);
    await lock.acquire('key', 'a', 10_000);
    await lock.acquire('key', 'a', 1_000);
    await clock.advance(1_000);
    expect(await lock.acquire('key', 'b', 1_000)).toBe(true);
  });

  it('keeps nothing of leases that ended', async () => {
    const clock = new VirtualClock();
    const lock = new MemoryLock(clock);
    for (let i = 0; i < 1_000; i += 1) await lock.acquire(`key-${i}`, 'a', 1_000 + i);
    expect(lock.size).toBe(1_000);
    await clock.advance(1_500);
    expect(lock.size).toBe(499);
    await clock.advance(1_000);
    expect(lock.size).toBe(0);
  });

  it('refuses a time that is none', async () => {
    const lock = new MemoryLock(new VirtualClock());
    await expect(lock.acquire('key', 'a', 0)).rejects.toMatchObject({ code: 'INVALID_OPTIONS' });
    await expect(lock.renew('key', 'a', NaN)).rejects.toThrow('MemoryLock.renew ("key"): ttlMs');
    await expect(lock.renewMany(['key'], 'a', -1)).rejects.toThrow('MemoryLock.renewMany');
  });
});
