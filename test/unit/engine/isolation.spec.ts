import { describe, expect, it } from '@jest/globals';
import { createAdapters, createBroker, createLock, createStorage } from 'oqronkit';
import fc from 'fast-check';
import { isolatedBroker, isolatedLock, isolatedStorage, scopedName } from '../../../lib/engine/isolation.js';

const shop = { project: 'shop', environment: 'production' };
const staging = { project: 'shop', environment: 'staging' };

describe('the name of a scope', () => {
  it('is readable: oqron:{project}:{environment}:{namespace}', () => {
    expect(scopedName(shop, 'invoices/2026')).toBe('oqron:shop:production:invoices/2026');
  });

  it('escapes what separates, and what Redis and PostgreSQL would not carry', () => {
    const name = scopedName({ project: 'a:b', environment: '100%' }, '{tag}\u0000\ud800 日本 🎈');
    expect(name).toBe('oqron:a%3Ab:100%25:%7Btag%7D%00%D800 日本 🎈');
  });

  it.each([
    [
      ['a:b', 'c', 'd'],
      ['a', 'b:c', 'd'],
    ],
    [
      ['a', 'b', 'c:d'],
      ['a', 'b:c', 'd'],
    ],
    [
      ['a%3Ab', 'c', 'd'],
      ['a:b', 'c', 'd'],
    ],
    [
      ['a', '', 'b'],
      ['a', 'b', ''],
    ],
    [
      ['\ud800', 'c', 'd'],
      ['\ud801', 'c', 'd'],
    ],
  ] as const)('is different for %j and %j', (one, other) => {
    const name = ([project, environment, namespace]: readonly [string, string, string]): string =>
      Buffer.from(scopedName({ project, environment }, namespace)).toString('hex');
    expect(name(one)).not.toBe(name(other));
  });

  it('is the same for no two triples, with any id behind it', () => {
    const part = fc.oneof(fc.string({ unit: fc.constantFrom(':', '%', '3', 'A', 'a', '{', '}') }), fc.string());
    const place = fc.tuple(part, part, part, part);
    const key = ([project, environment, namespace, id]: readonly string[]): string =>
      `${scopedName({ project: String(project), environment: String(environment) }, String(namespace))}:${id}`;
    fc.assert(
      fc.property(
        place,
        place,
        (one, other) => (key(one) === key(other)) === one.every((text, i) => text === other[i]),
      ),
      { numRuns: 2_000 },
    );
  });
});

describe('isolated adapters', () => {
  it('share a storage without seeing each other', async () => {
    const { storage } = await createAdapters();
    const [ours, theirs] = [isolatedStorage(storage, shop), isolatedStorage(storage, staging)];
    await ours.save('invoices', '1', { of: 'production' });
    await theirs.saveIfAbsent?.('invoices', '1', { of: 'staging' });
    await theirs.bulkSave?.('invoices', [{ id: '2', data: { of: 'staging' } }]);
    expect(await ours.list('invoices')).toEqual([{ of: 'production' }]);
    expect(await theirs.count('invoices')).toBe(2);
    expect(await theirs.prune('invoices', Number.MAX_SAFE_INTEGER)).toBe(2);
    expect(await ours.get('invoices', '1')).toEqual({ of: 'production' });
    expect(await storage.get('oqron:shop:production:invoices', '1')).toEqual({ of: 'production' });
  });

  it('share a broker without seeing each other', async () => {
    const { broker } = await createAdapters();
    const [ours, theirs] = [isolatedBroker(broker, shop), isolatedBroker(broker, staging)];
    await ours.publish('mail', 'a');
    await ours.pause('sms');
    expect(await theirs.claim('mail', 'c', 1, 60_000)).toEqual([]);
    expect(await theirs.isPaused?.('sms')).toBe(false);
    await theirs.publish('mail', 'a');
    expect(await theirs.claim('mail', 'c', 1, 60_000)).toEqual(['a']);
    expect(await ours.claimBlocking?.('mail', 'c', 1, 60_000, 0)).toEqual(['a']);
    const got: string[] = [];
    const stop = await ours.subscribe?.('news', (message) => got.push(message));
    await theirs.broadcast?.('news', 'theirs');
    await ours.broadcast?.('news', 'ours');
    await stop?.();
    expect(got).toEqual(['ours']);
  });

  it('extend no lock of another scope, not even without a name', async () => {
    const { broker } = await createAdapters();
    const [ours, theirs] = [isolatedBroker(broker, shop), isolatedBroker(broker, staging)];
    await theirs.publish('mail', 'a');
    await theirs.claim('mail', 'c', 1, 60_000);
    await expect(ours.extendLock('a', 'c', 60_000)).rejects.toMatchObject({ code: 'LOCK_NOT_HELD' });
    await expect(ours.extendLock('a', 'c', 60_000, 'mail')).rejects.toMatchObject({ code: 'LOCK_NOT_HELD' });
    await theirs.extendLock('a', 'c', 60_000);
    await theirs.extendLock('a', 'c', 60_000, 'mail');
  });

  it('share a lock without seeing each other', async () => {
    const { lock } = await createAdapters();
    const [ours, theirs] = [isolatedLock(lock, shop), isolatedLock(lock, staging)];
    expect(await ours.acquire('leader', 'a', 60_000)).toBe(true);
    expect(await theirs.acquire('leader', 'b', 60_000)).toBe(true);
    expect(await ours.renewMany?.(['leader', 'other'], 'a', 60_000)).toEqual([true, false]);
    await theirs.release('leader', 'a');
    expect(await ours.isOwner('leader', 'a')).toBe(true);
    expect(await lock.isOwner('oqron:shop:production:lock:leader', 'a')).toBe(true);
  });

  it('have the optional methods of the adapter that they wrap, and call it as itself', async () => {
    const refuse = (): Promise<never> => Promise.reject(new Error('not called'));
    class Storage {
      readonly asked: string[] = [];
      save = refuse;
      list = refuse;
      delete = refuse;
      prune = refuse;
      count = refuse;
      async get(namespace: string): Promise<null> {
        this.asked.push(namespace);
        return null;
      }
    }
    const inner = new Storage();
    const storage = isolatedStorage(inner, shop);
    await storage.get('invoices', '1');
    expect(inner.asked).toEqual(['oqron:shop:production:invoices']);
    expect(storage.bulkGet).toBeUndefined();
    expect(() => createStorage(storage)).not.toThrow();
    expect(() => createBroker(isolatedBroker({} as never, shop))).toThrow('publish is missing');
    expect(() => createLock(isolatedLock({} as never, shop))).toThrow('acquire is missing');
  });
});
