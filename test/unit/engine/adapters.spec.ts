import { describe, expect, it } from '@jest/globals';
import {
  createAdapters,
  createBroker,
  createBrokerAdapter,
  createLock,
  createLockAdapter,
  createStorage,
  createStorageAdapter,
  type AdapterOptions,
  type AdaptersOptions,
  type IBrokerEngine,
  type ILockAdapter,
  type IStorageEngine,
} from 'oqronkit';

const redis = 'redis://localhost:6379';
const postgres = { connectionString: 'postgresql://localhost/none' };

const factories = { createStorageAdapter, createBrokerAdapter, createLockAdapter };

describe.each(Object.entries(factories))('%s', (name, create) => {
  it('makes an adapter of its own each time', async () => {
    const [one, other] = [await create({ type: 'memory' }), await create({ type: 'memory' })];
    expect(one).not.toBe(other);
  });

  it('refuses an unknown type, an unknown option, and a connection that is missing', async () => {
    const refused = async (options: unknown, problem: string): Promise<void> => {
      const failure = { code: 'INVALID_OPTIONS', message: expect.stringMatching(`^${name}: .*${problem}`) };
      await expect(create(options as AdapterOptions)).rejects.toMatchObject(failure);
    };
    await refused({ type: 'mongodb' }, 'expected one of memory, redis, postgres, got "mongodb"');
    await refused({ type: 'memory', redi: redis }, 'did you mean "redis"');
    await refused({ type: 'redis' }, 'type "redis" needs redis');
    await refused({ type: 'postgres', redis }, 'type "postgres" needs postgres');
    await refused({ type: 'redis', redis: 6379 }, 'redis: expected a url or an object');
    await refused(undefined, 'expected object');
  });
});

describe.each([
  ['createStorageAdapter', createStorageAdapter],
  ['createBrokerAdapter', createBrokerAdapter],
] as const)('%s', (name, create) => {
  it.each([
    { type: 'redis', redis },
    { type: 'postgres', postgres },
  ] as const)('says that the type $type has not landed', async (options) => {
    const failure = { code: 'MODULE_NOT_AVAILABLE', message: expect.stringContaining(`${name}() of the type`) };
    await expect(create(options)).rejects.toMatchObject(failure);
  });
});

describe('createLockAdapter', () => {
  it('answers one that can be closed, whatever its type', async () => {
    const lock = await createLockAdapter({ type: 'memory' });
    await lock.close();
    await lock.close();
    expect(await lock.acquire('key', 'a', 1_000)).toBe(true);
  });

  it.each([
    { type: 'redis', redis: 'redis://127.0.0.1:1' },
    { type: 'postgres', postgres: { connectionString: 'postgresql://127.0.0.1:1/none' } },
  ] as const)('connects at once: $type', async (options) => {
    await expect(createLockAdapter(options)).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' });
  });
});

describe('createAdapters', () => {
  it('makes the three of the default mode, on one clock, and closes them as often as asked', async () => {
    const { storage, broker, lock, close } = await createAdapters();
    await storage.save('invoices', '1', { total: 1 });
    await broker.publish('mail', 'a');
    expect(await lock.acquire('leader', 'a', 1_000)).toBe(true);
    await close();
    await close();
    const other = await createAdapters({ mode: 'default' });
    expect(await other.storage.count('invoices')).toBe(0);
  });

  it('takes adapters of your own, and leaves closing them to you', async () => {
    const { storage, broker, lock } = await createAdapters();
    let closed = 0;
    const own = { storage, broker, lock, close: async () => void (closed += 1) };
    const adapters = await createAdapters({ mode: 'custom', adapters: own });
    await adapters.storage.save('invoices', '1', { total: 1 });
    expect(await storage.count('invoices')).toBe(1);
    await adapters.close();
    expect(closed).toBe(0);
  });

  it.each([
    { mode: 'redis', redis },
    { mode: 'db', postgres },
    { mode: 'hybrid-db', redis, postgres },
  ] as const)('says that the mode $mode has not landed', async (options) => {
    await expect(createAdapters(options)).rejects.toMatchObject({ code: 'MODULE_NOT_AVAILABLE' });
  });

  it.each([
    [{ mode: 'mongodb' }, ['mode: expected one of default, redis, db, hybrid-db, custom, got "mongodb"']],
    [{ mode: 'hybrid-db' }, ['mode "hybrid-db" needs postgres', 'mode "hybrid-db" needs redis']],
    [{ mode: 'custom' }, ['mode "custom" needs adapters']],
    [{ mode: 'default', storage: {} }, ['unknown option "storage"']],
    [
      { mode: 'custom', adapters: { broker: { publish: 1 }, lock: { acquire() {}, renew() {}, release() {} } } },
      [
        'adapters.storage.save is missing',
        ...['get', 'list', 'delete', 'prune', 'count'].map((name) => `adapters.storage.${name} is missing`),
        'adapters.broker.publish: expected a function, got number',
        ...['claim', 'extendLock', 'ack', 'nack', 'pause', 'resume'].map(
          (name) => `adapters.broker.${name} is missing`,
        ),
        'adapters.lock.isOwner is missing',
      ],
    ],
  ] as const)('refuses %j with every problem', async (options, problems) => {
    await expect(createAdapters(options as unknown as AdaptersOptions)).rejects.toMatchObject({
      code: 'INVALID_OPTIONS',
      problems: problems.map((problem) => expect.stringContaining(problem)),
    });
  });
});

describe('adapters of your own', () => {
  const custom: readonly [string, (impl: never) => unknown, readonly string[]][] = [
    ['createStorage', createStorage, ['save', 'get', 'list', 'delete', 'prune', 'count']],
    ['createBroker', createBroker, ['publish', 'claim', 'extendLock', 'ack', 'nack', 'pause', 'resume']],
    ['createLock', createLock, ['acquire', 'renew', 'release', 'isOwner']],
  ];

  it.each(custom)('%s names every method that is missing', (name, create, required) => {
    for (const nothing of [{}, null, undefined, 'text']) {
      expect(() => create(nothing as never)).toThrow(
        expect.objectContaining({
          code: 'INVALID_OPTIONS',
          message: expect.stringMatching(`^${name}: ${required.length} problems`),
          problems: required.map((method) => `${method} is missing: expected a function`),
        }),
      );
    }
    const all = Object.fromEntries(required.map((method) => [method, () => undefined]));
    const { [required[1] as string]: _left, ...rest } = all;
    expect(() => create(rest as never)).toThrow(`${name}: ${required[1]} is missing: expected a function`);
    expect(() => create({ ...all, [required[0] as string]: 5 } as never)).toThrow('expected a function, got number');
    expect(Object.keys(create(all as never) as object)).toEqual(required);
  });

  it('bind their methods, so that an instance of a class will do', async () => {
    class Lock implements ILockAdapter {
      readonly #owners = new Map<string, string>();
      async acquire(key: string, ownerId: string): Promise<boolean> {
        if (this.#owners.has(key)) return this.isOwner(key, ownerId);
        this.#owners.set(key, ownerId);
        return true;
      }
      renew(key: string, ownerId: string): Promise<boolean> {
        return this.isOwner(key, ownerId);
      }
      async release(key: string): Promise<void> {
        this.#owners.delete(key);
      }
      async isOwner(key: string, ownerId: string): Promise<boolean> {
        return this.#owners.get(key) === ownerId;
      }
    }
    const { acquire, isOwner } = createLock(new Lock());
    expect(await acquire('key', 'a', 1_000)).toBe(true);
    expect(await isOwner('key', 'a')).toBe(true);
  });

  it('keep their optional methods, and refuse one that is no function', async () => {
    const { storage, broker } = await createAdapters();
    const bulk = createStorage(storage);
    await bulk.bulkSave?.('people', [{ id: 'a', data: { n: 1 } }]);
    expect(await storage.get('people', 'a')).toEqual({ n: 1 });
    const wrong = Object.assign(Object.create(broker) as IBrokerEngine, { size: 5 }) as unknown as IBrokerEngine;
    expect(() => createBroker(wrong)).toThrow('size: expected a function, got number');
    const none: Partial<IStorageEngine> = Object.assign(Object.create(storage) as object, { bulkGet: undefined });
    expect(createStorage(none as IStorageEngine).bulkGet).toBeUndefined();
  });
});
