import { afterEach, describe, expect, it } from '@jest/globals';
import {
  AmbiguousJobError,
  OqronContainer,
  OqronEngine,
  OqronKit,
  ReadOnlyNamespaceError,
  type Codec,
  type IStorageEngine,
  type Job,
  type OqronConfig,
} from 'oqronkit';
import { createMemoryBackend, VirtualClock } from 'oqronkit/testing';
import { wrapBackend } from '../support/wrapped-backend.js';

const silent = { logger: false } satisfies OqronConfig;

const started: OqronEngine[] = [];
afterEach(async () => {
  await OqronKit.stop();
  for (const engine of started.splice(0)) await engine.stop();
});

async function start(
  config: OqronConfig = {},
  parts: ConstructorParameters<typeof OqronEngine>[1] = {},
): Promise<OqronEngine> {
  const engine = new OqronEngine({ ...silent, ...config }, parts);
  started.push(engine);
  await engine.start();
  return engine;
}

const ids = (jobs: readonly Job[]): string[] => jobs.map(({ id }) => id);

describe('OqronContainer', () => {
  it('gives the adapters of the default engine, the same ones each time', async () => {
    const engine = await OqronKit.init({ config: silent });
    const { storage, broker, lock } = OqronContainer.get();
    expect(OqronContainer.get()).toBe(engine.adapters);
    expect(OqronContainer.get().storage).toBe(storage);
    await storage.save('settings', 'theme', { dark: true });
    expect(await storage.get('settings', 'theme')).toEqual({ dark: true });
    await broker.publish('letters', 'a');
    expect(await broker.claim('letters', 'c', 1, 1_000)).toEqual(['a']);
    expect(await lock.acquire('report', 'a', 1_000)).toBe(true);
  });

  it('says before init and after stop that there is no engine', async () => {
    const failure = expect.objectContaining({ code: 'ENGINE_STATE' });
    expect(() => OqronContainer.get()).toThrow(failure);
    await OqronKit.init({ config: silent });
    const { storage } = OqronContainer.get();
    await OqronKit.stop();
    expect(() => OqronContainer.get()).toThrow(failure);
    await expect(storage.get('jobs', 'a')).rejects.toEqual(failure);
  });

  it('throws for a part that the backend does not have, when it is read', async () => {
    const { lock } = createMemoryBackend().adapters ?? {};
    const backend = wrapBackend(createMemoryBackend(), (_operation, _args, run) => run(), {
      adapters: lock ? { lock } : {},
    });
    const { adapters } = await start({}, { backend });
    const failure = expect.objectContaining({
      code: 'MODULE_NOT_AVAILABLE',
      message: expect.stringContaining('the storage adapter of the backend "memory"'),
    });
    expect(() => adapters.broker).toThrow('the broker adapter');
    // Jobs are the engine's own; they can be looked at wherever they are.
    expect(await adapters.storage.list('jobs')).toEqual([]);
    await expect(adapters.storage.save('settings', 'theme', {})).rejects.toEqual(failure);
    await expect(adapters.storage.get('settings', 'theme')).rejects.toEqual(failure);
    expect(await adapters.lock.acquire('key', 'a', 1_000)).toBe(true);
  });

  it('runs on the clock of its engine', async () => {
    const clock = new VirtualClock();
    const { adapters } = await start({}, { clock });
    await adapters.lock.acquire('key', 'a', 60_000);
    await clock.advance(60_000);
    expect(await adapters.lock.isOwner('key', 'a')).toBe(false);
  });

  it('isolates projects and environments on one backend', async () => {
    const backend = createMemoryBackend();
    const shop = await start({ project: 'shop', environment: 'a:b' }, { backend });
    const twin = await start({ project: 'shop', environment: 'a:b' }, { backend });
    const other = await start({ project: 'shop:a', environment: 'b' }, { backend });
    await shop.adapters.storage.save('settings', 'theme', { dark: true });
    expect(await twin.adapters.storage.get('settings', 'theme')).toEqual({ dark: true });
    expect(await other.adapters.storage.get('settings', 'theme')).toBeNull();
    expect(await shop.adapters.lock.acquire('leader', 'a', 60_000)).toBe(true);
    expect(await twin.adapters.lock.acquire('leader', 'b', 60_000)).toBe(false);
    expect(await other.adapters.lock.acquire('leader', 'b', 60_000)).toBe(true);
  });
});

describe('the namespace "jobs"', () => {
  async function withJobs(): Promise<{ engine: OqronEngine; storage: IStorageEngine; clock: VirtualClock }> {
    const clock = new VirtualClock();
    const engine = await start({ project: 'shop' }, { clock });
    const mail = engine.queue<{ to: string }>({ name: 'mail' });
    const sms = engine.queue<{ to: string }>({ name: 'sms' });
    await mail.add({ to: 'ada' }, { jobId: 'm1', priority: 3, correlationId: 'order-7' });
    await clock.advance(1);
    await mail.add({ to: 'bob' }, { jobId: 'm2', priority: 1, delay: '1h' });
    await clock.advance(1);
    await sms.add({ to: 'cyd' }, { jobId: 's1', priority: 2, correlationId: 'order-7' });
    const cancelled = await sms.add({ to: 'dan' }, { jobId: 's2' });
    await cancelled.cancel('enough');
    return { engine, storage: engine.adapters.storage, clock };
  }

  it('finds a job by its id, as users read it', async () => {
    const { storage, clock } = await withJobs();
    expect(await storage.get<Job>('jobs', 'm2')).toMatchObject({
      id: 'm2',
      queueName: 'mail',
      project: 'shop',
      status: 'delayed',
      data: { to: 'bob' },
      priority: 1,
      createdAt: clock.now() - 1,
    });
    expect(await storage.get('jobs', 'unknown')).toBeNull();
    expect(await storage.bulkGet?.<Job>('jobs', ['s2', 'unknown'])).toEqual([
      expect.objectContaining({ id: 's2', status: 'cancelled', reason: 'enough' }),
      null,
    ]);
  });

  it('names the queues when several have a job of the id', async () => {
    const { engine, storage } = await withJobs();
    await engine.producer('sms').add({ to: 'eve' }, { jobId: 'm1' });
    const failure = await storage.get('jobs', 'm1').catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(AmbiguousJobError);
    expect(failure).toMatchObject({ code: 'AMBIGUOUS_JOB', id: 'm1', queues: ['mail', 'sms'] });
    const both = await storage.list<Job>('jobs', { id: 'm1' });
    expect(both.map(({ queueName }) => queueName)).toEqual(['mail', 'sms']);
    expect(ids(await storage.list<Job>('jobs', { id: 'm1', queueName: 'sms' }))).toEqual(['m1']);
  });

  it('lists by queue, state and any other field', async () => {
    const { storage } = await withJobs();
    expect(ids(await storage.list<Job>('jobs')).toSorted()).toEqual(['m1', 'm2', 's1', 's2']);
    expect(ids(await storage.list<Job>('jobs', { queueName: 'mail' }))).toEqual(['m1', 'm2']);
    expect(ids(await storage.list<Job>('jobs', { queueName: 'sms', status: 'cancelled' }))).toEqual(['s2']);
    expect(ids(await storage.list<Job>('jobs', { status: 'waiting' }))).toEqual(['m1', 's1']);
    expect(ids(await storage.list<Job>('jobs', { correlationId: 'order-7' }))).toEqual(['m1', 's1']);
    expect(ids(await storage.list<Job>('jobs', { correlationId: 'order-7', priority: 2 }))).toEqual(['s1']);
    expect(await storage.list('jobs', { status: 'unknown' })).toEqual([]);
    expect(await storage.list('jobs', { queueName: 'unknown' })).toEqual([]);
    expect(await storage.list('jobs', { queueName: null })).toEqual([]);
    const where = [{ field: 'priority', op: '$gte', value: 2 }] as const;
    expect(ids(await storage.list<Job>('jobs', {}, { where })).toSorted()).toEqual(['m1', 's1']);
  });

  it('orders and cuts', async () => {
    const { storage } = await withJobs();
    const orderBy = { field: 'priority', type: 'number' } as const;
    expect(ids(await storage.list<Job>('jobs', {}, { orderBy }))).toEqual(['s2', 'm2', 's1', 'm1']);
    expect(ids(await storage.list<Job>('jobs', {}, { orderBy, limit: 2, offset: 1 }))).toEqual(['m2', 's1']);
    const newest = { field: 'createdAt', direction: 'desc' } as const;
    expect(ids(await storage.list<Job>('jobs', {}, { orderBy: newest, limit: 2 }))).toEqual(['s1', 's2']);
    expect(ids(await storage.list<Job>('jobs', {}, { limit: 1, offset: 1 }))).toEqual(['m2']);
    expect(await storage.list('jobs', {}, { limit: 0 })).toEqual([]);
    await expect(storage.list('jobs', { name: undefined })).rejects.toMatchObject({ code: 'INVALID_OPTIONS' });
  });

  it('walks over more jobs than a page, and keeps the best of them', async () => {
    const engine = await start();
    const numbers = engine.queue<{ n: number }>({ name: 'numbers' });
    await numbers.addBulk(
      Array.from({ length: 2_300 }, (_, n) => ({ data: { n }, opts: { jobId: `n${n}`, priority: (n * 7) % 2_300 } })),
    );
    const { storage } = engine.adapters;
    expect(await storage.list('jobs')).toHaveLength(2_300);
    expect(await storage.count('jobs', { priority: 7 })).toBe(1);
    const orderBy = { field: 'priority', type: 'number' } as const;
    const best = await storage.list<Job>('jobs', {}, { orderBy, limit: 3, offset: 1 });
    expect(best.map(({ priority }) => priority)).toEqual([1, 2, 3]);
  });

  it('counts', async () => {
    const { storage } = await withJobs();
    expect(await storage.count('jobs')).toBe(4);
    expect(await storage.count('jobs', { queueName: 'mail' })).toBe(2);
    expect(await storage.count('jobs', { status: 'waiting' })).toBe(2);
    expect(await storage.count('jobs', { queueName: 'sms', status: 'cancelled' })).toBe(1);
    expect(await storage.count('jobs', { queueName: 'sms', status: 'unknown' })).toBe(0);
    expect(await storage.count('jobs', { correlationId: 'order-7' })).toBe(2);
  });

  it('gives copies', async () => {
    const { storage } = await withJobs();
    const job = await storage.get<{ data: { to: string } }>('jobs', 'm1');
    if (job) job.data.to = 'nobody';
    expect(await storage.get<Job>('jobs', 'm1')).toMatchObject({ data: { to: 'ada' } });
  });

  it('decodes with the codec of the queue, and shows as text what no definition here can read', async () => {
    const shout: Codec = {
      encode: (value) => `!${String(value)}`,
      decode: (text) => text.slice(1),
    };
    const backend = createMemoryBackend();
    const known = await start({}, { backend });
    const job = await known.queue<string>({ name: 'shouts', codec: shout }).add('hey');
    const other = await start({}, { backend });
    expect(await known.adapters.storage.get('jobs', job.id)).toMatchObject({ data: 'hey' });
    expect(await other.adapters.storage.get('jobs', job.id)).toMatchObject({ data: '!hey' });
  });

  it('refuses every write', async () => {
    const { storage } = (await withJobs()) as { storage: Required<IStorageEngine> };
    const writes = [
      () => storage.save('jobs', 'm1', {}),
      () => storage.delete('jobs', 'm1'),
      () => storage.prune('jobs', Number.MAX_SAFE_INTEGER),
      () => storage.saveIfAbsent('jobs', 'x', {}),
      () => storage.bulkSave('jobs', [{ id: 'm1', data: {} }]),
      () => storage.bulkDelete('jobs', ['m1']),
      () => storage.increment('jobs', 'm1', 'priority', 1),
      () => storage.compareAndSet('jobs', 'm1', 'priority', 3, {}),
      () => storage.bulkCompareAndSet('jobs', 'priority', [{ id: 'm1', expected: 3, data: {} }]),
    ];
    for (const write of writes) {
      const failure = await (write() as Promise<unknown>).catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(ReadOnlyNamespaceError);
      expect(failure).toMatchObject({ code: 'READ_ONLY_NAMESPACE' });
    }
    expect(await storage.count('jobs')).toBe(4);
  });
});
