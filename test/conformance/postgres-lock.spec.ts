import { afterEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { createLockAdapter, type LockAdapter } from '../../lib/engine/adapters.js';
import { lockConformance, realTime } from '../../lib/conformance/index.js';
import { postgresSpace } from '../support/postgres-space.js';
import { prefixedLock } from '../support/prefixed-lock.js';
import { failureOf, until } from '../support/until.js';

const open: LockAdapter[] = [];
let cases = 0;

afterEach(async () => {
  for (const lock of open.splice(0)) await lock.close();
});

async function lockOf(options: object = {}): Promise<LockAdapter> {
  const { url, schema } = await postgresSpace();
  const postgres = { connectionString: url, schema, ...options };
  const lock = await createLockAdapter({ type: 'postgres', postgres });
  open.push(lock);
  return lock;
}

lockConformance(
  { describe, it },
  async () => {
    const { lock, end } = prefixedLock(await lockOf(), `${(cases += 1)}:`);
    return { adapter: lock, clock: realTime, close: end };
  },
  { unitMs: 150 },
);

describe('a lock on PostgreSQL', () => {
  it('is the same for every process, and forgets leases that have ended', async () => {
    const [one, other] = [await lockOf(), await lockOf()];
    const { url, schema } = await postgresSpace();
    const client = new pg.Client(url);
    await client.connect();
    try {
      for (let n = 0; n < 25; n += 1) await one.acquire(`short-${n}`, 'a', n < 20 ? 1 : 10);
      expect(await one.acquire('long', 'a', 60_000)).toBe(true);
      expect(await other.acquire('long', 'b', 60_000)).toBe(false);
      const rows = async (): Promise<number> => {
        const { rows } = await client.query<{ n: number }>(`select count(*)::int as n from "${schema}".oqron_lock`);
        return rows[0]?.n ?? -1;
      };
      // Each new key removes up to ten that have ended.
      let keys = 0;
      await until('the rows to be removed', async () => {
        await one.acquire(`new-${(keys += 1)}`, 'a', 60_000);
        return (await rows()) === 1 + keys;
      });
      expect(keys).toBeLessThan(100);
    } finally {
      await client.end();
    }
  });

  it('is bound to no session: a lease outlives the connection that took it', async () => {
    const lock = await lockOf();
    await lock.acquire('pooled', 'a', 60_000);
    await lock.close();
    const again = await lockOf();
    expect(await again.isOwner('pooled', 'a')).toBe(true);
    expect(await again.acquire('pooled', 'b', 1_000)).toBe(false);
    await again.release('pooled', 'a');
    expect(await again.acquire('pooled', 'b', 1_000)).toBe(true);
  });

  it('many who renew, take and free the same keys at once never wait for each other in a circle', async () => {
    const locks = await Promise.all(Array.from({ length: 4 }, () => lockOf()));
    const keys = Array.from({ length: 50 }, (_, i) => `busy-${i}`);
    for (const key of keys) await locks[0]?.acquire(key, 'a', 60_000);
    const work = locks.map(async (lock, n) => {
      for (let turn = 0; turn < 20; turn += 1) {
        const order = n % 2 === 0 ? keys : keys.toReversed();
        expect(await lock.renewMany(order, 'a', 60_000)).toEqual(order.map(() => true));
        await lock.acquire(`mine-${n}-${turn}`, 'a', 1);
      }
    });
    await Promise.all(work);
  });

  it('keeps keys apart that only look alike, however long they are', async () => {
    const lock = await lockOf();
    const long = 'x'.repeat(10_000);
    const keys = ['a\u0000', 'a', 'a%00', 'a\uD800', 'a\uFFFD', 'a{b}', 'a%7Bb%7D', '', long, `${long}y`];
    for (const [i, key] of keys.entries()) expect(await lock.acquire(key, `owner-${i}\u0000`, 60_000)).toBe(true);
    for (const [i, key] of keys.entries()) expect(await lock.isOwner(key, `owner-${i}\u0000`)).toBe(true);
    expect(await lock.renewMany(keys, 'owner-3\u0000', 60_000)).toEqual(keys.map((_, i) => i === 3));
    for (const [i, key] of keys.entries()) await lock.release(key, `owner-${i}\u0000`);
  });

  it('makes its table where it may, and says so where it may not', async () => {
    const error = await failureOf(lockOf({ tablePrefix: 'nothing_here', migrate: false }));
    expect(error).toMatchObject({ code: 'SCHEMA_MISSING' });
  });

  it('says where the server is when it cannot be reached', async () => {
    const postgres = { connectionString: 'postgresql://ada:hush@127.0.0.1:1/shop' };
    const error = await failureOf(createLockAdapter({ type: 'postgres', postgres }));
    expect(error).toMatchObject({ code: 'STORE_UNREACHABLE' });
    expect(error.message).toMatch(/createLockAdapter \(PostgreSQL at .*127\.0\.0\.1:1.*ECONNREFUSED/);
    expect(error.message).not.toContain('hush');
  });
});
