import { afterAll, afterEach, describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import { createLockAdapter, type LockAdapter } from '../../lib/engine/adapters.js';
import { lockConformance, realTime } from '../../lib/conformance/index.js';
import { startCluster, type RedisCluster } from '../support/redis-cluster.js';
import { prefixedLock } from '../support/prefixed-lock.js';
import { redisSpace } from '../support/redis-space.js';
import { failureOf, until } from '../support/until.js';

const open: LockAdapter[] = [];
let cluster: RedisCluster | undefined;
let cases = 0;

afterEach(async () => {
  for (const lock of open.splice(0)) await lock.close();
});
afterAll(() => cluster?.stop());

async function lockOf(redis: string | object): Promise<LockAdapter> {
  const lock = await createLockAdapter({ type: 'redis', redis });
  open.push(lock);
  return lock;
}

lockConformance(
  { describe, it },
  async () => {
    const { url, project } = await redisSpace();
    const { lock, end } = prefixedLock(await lockOf(url), `${project}:${(cases += 1)}:`);
    return { adapter: lock, clock: realTime, close: end };
  },
  { unitMs: 150 },
);

describe('on a Redis Cluster', () => {
  it('each key has its own node, and many are renewed at once', async () => {
    cluster = await startCluster();
    const lock = await lockOf(cluster.client);
    const keys = Array.from({ length: 1_200 }, (_, i) => `key-${i}`);
    for (const key of keys.slice(0, 20)) expect(await lock.acquire(key, 'a', 60_000)).toBe(true);
    const renewed = await lock.renewMany(keys, 'a', 60_000);
    expect(renewed).toEqual(keys.map((_, i) => i < 20));
    const sizes = await Promise.all(
      cluster.servers.map(async ({ url }) => {
        const node = new Redis(url);
        const size = await node.dbsize();
        node.disconnect();
        return size;
      }),
    );
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(20);
    expect(sizes.filter((size) => size > 0).length).toBeGreaterThan(1);
  }, 30_000);
});

describe('a lock on Redis', () => {
  it('is the same for every process, and forgets leases that have ended', async () => {
    const { url, project } = await redisSpace();
    const [one, other] = [await lockOf(url), await lockOf(url)];
    const redis = new Redis(url);
    try {
      for (let n = 0; n < 50; n += 1) await one.acquire(`${project}:short-${n}`, 'a', 20);
      expect(await one.acquire(`${project}:long`, 'a', 60_000)).toBe(true);
      expect(await other.acquire(`${project}:long`, 'b', 60_000)).toBe(false);
      const keys = (): Promise<string[]> => redis.keys(`oqron:lock:{${project}:*`);
      await until('the short ones to be forgotten', async () => (await keys()).length === 1);
      expect(await keys()).toEqual([`oqron:lock:{${project}:long}`]);
      await one.release(`${project}:long`, 'a');
    } finally {
      redis.disconnect();
    }
  });

  it('keeps keys apart that only look alike', async () => {
    const { url, project } = await redisSpace();
    const lock = await lockOf(url);
    const keys = ['a\u0000', 'a', 'a%00', 'a\uD800', 'a\uFFFD', 'a{b}', 'a%7Bb%7D', ''].map(
      (key) => `${project}:${key}`,
    );
    for (const [i, key] of keys.entries()) expect(await lock.acquire(key, `owner-${i}\u0000`, 60_000)).toBe(true);
    for (const [i, key] of keys.entries()) expect(await lock.isOwner(key, `owner-${i}\u0000`)).toBe(true);
    for (const [i, key] of keys.entries()) await lock.release(key, `owner-${i}\u0000`);
  });

  it('says where the server is when it cannot be reached, and when it was closed', async () => {
    const error = await failureOf(createLockAdapter({ type: 'redis', redis: 'redis://:hush@127.0.0.1:1' }));
    expect(error).toMatchObject({ code: 'STORE_UNREACHABLE' });
    expect(error.message).toMatch(/createLockAdapter \(Redis at redis:\/\/127\.0\.0\.1:1: connect ECONNREFUSED/);
    expect(error.message).not.toContain('hush');
    const lock = await lockOf((await redisSpace()).url);
    await lock.close();
    await lock.close();
    await expect(lock.acquire('key', 'a', 1_000)).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' });
    await expect(lock.isOwner('key', 'a')).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' });
  });

  it.each([0, -1, Number.NaN, Infinity])('refuses %p as a lifetime', async (ttlMs) => {
    const lock = await lockOf((await redisSpace()).url);
    const failure = { code: 'INVALID_OPTIONS' };
    await expect(lock.acquire('key', 'a', ttlMs)).rejects.toMatchObject(failure);
    await expect(lock.renew('key', 'a', ttlMs)).rejects.toMatchObject(failure);
    await expect(lock.renewMany(['key'], 'a', ttlMs)).rejects.toMatchObject(failure);
  });
});
