import { inspect } from 'node:util';
import { Injectable, Module } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import { Redis as Redis5 } from 'ioredis5';
import {
  defineQueue,
  ModuleNotAvailableError,
  OqronContainer,
  OqronEngine,
  OqronKit,
  ReadOnlyNamespaceError,
  StoreUnreachableError,
  type OqronConfig,
} from 'oqronkit';
import { OqronModule, Worker } from 'oqronkit/nestjs';
import { RecordingLogger } from '../support/recording-logger.js';
import { startServer, type RedisServer } from '../support/redis-server.js';
import { redisSpace } from '../support/redis-space.js';
import { failureOf, thrownBy, until } from '../support/until.js';

const PASSWORD = 'hush/hush';
const ENCODED = encodeURIComponent(PASSWORD);

const engines: OqronEngine[] = [];
const servers: RedisServer[] = [];

afterEach(async () => {
  await OqronKit.stop();
  for (const engine of engines.splice(0)) await engine.stop();
  for (const server of servers.splice(0)) await server.stop();
});

function engineOf(config: OqronConfig): OqronEngine {
  const engine = new OqronEngine({ mode: 'redis', logger: false, ...config });
  engines.push(engine);
  return engine;
}

async function serverOf(...settings: readonly string[]): Promise<RedisServer> {
  const server = await startServer(...settings);
  servers.push(server);
  return server;
}

/** How many others a server has as clients. */
async function clientsOf(redis: Redis): Promise<number> {
  return (
    String(await redis.client('LIST'))
      .trim()
      .split('\n').length - 1
  );
}

describe('the mode "redis"', () => {
  it.each(['a url', 'options', 'options with a url', 'a client', 'a client of ioredis 5'])(
    'connects by %s',
    async (how) => {
      const { url, project } = await redisSpace();
      const { hostname: host, port } = new URL(url);
      const own = how.endsWith('5') ? new Redis5(url) : new Redis(url);
      const given: Record<string, string | object> = {
        'a url': url,
        options: { host, port: Number(port) },
        'options with a url': { url, connectionName: 'shop' },
        'a client': own,
        'a client of ioredis 5': own,
      };
      try {
        const engine = engineOf({ redis: given[how] ?? '', project: `${project}:${how}` });
        const sums = engine.queue<number[], number>({
          name: 'sums',
          handler: ({ data }) => data.reduce((a, b) => a + b, 0),
        });
        expect(engine.health()).toMatchObject({
          state: 'new',
          backend: 'redis',
          durability: 'unknown',
          signals: false,
        });
        await engine.start();
        const job = await sums.add([1, 2, 3]);
        expect(await job.waitUntilFinished()).toBe(6);
        await until('the wake-up channel to be proven', () => engine.health().signals);
        expect(engine.health()).toMatchObject({ state: 'started', backend: 'redis', running: 0 });
        expect(engine.health().durability).not.toBe('unknown');
        await engine.stop();
        expect(engine.health().state).toBe('stopped');
        // Only what the engine opened was closed.
        expect(await own.ping()).toBe('PONG');
      } finally {
        own.disconnect();
      }
    },
  );

  it('takes jobs before the start, from the first call on', async () => {
    const { url, project } = await redisSpace();
    const engine = engineOf({ redis: url, project: `${project}:early` });
    await engine.producer('mails').add(1, { jobId: 'early' });
    expect(await engine.producer('mails').getJob('early')).toMatchObject({ status: 'waiting' });
  });

  it('says what an acknowledged job survives', async () => {
    const { url } = await serverOf('--appendonly', 'yes', '--appendfsync', 'always');
    const engine = engineOf({ redis: url });
    await engine.start();
    expect(engine.health().durability).toBe('power');
  });

  it('keeps projects and environments apart, whatever their names are', async () => {
    const { url, project } = await redisSpace();
    const of = (name: string, environment: string) =>
      engineOf({ redis: url, project: `${project}${name}`, environment });
    const shop = of('a', 'b:c');
    const twin = of('a', 'b:c');
    const other = of('a:b', 'c');
    await shop.producer('mails').add({ of: 'shop' }, { jobId: 'x' });
    expect((await twin.producer('mails').add({ of: 'twin' }, { jobId: 'x' })).created).toBe(false);
    expect(await other.producer('mails').getJob('x')).toBeUndefined();
    expect((await other.producer('mails').add({ of: 'other' }, { jobId: 'x' })).created).toBe(true);
    expect((await twin.producer('mails').getJob('x'))?.data).toEqual({ of: 'shop' });
  });

  it('shows the jobs as records; of the adapters that have not landed it says so', async () => {
    const { url, project } = await redisSpace();
    const config = { mode: 'redis', redis: url, project: `${project}:container`, logger: false } satisfies OqronConfig;
    await OqronKit.init({ config });
    const adapters = OqronContainer.get();
    await OqronKit.engine.producer('mails').add({ to: 'ada' }, { jobId: 'm' });
    expect(await adapters.storage.get('jobs', 'm')).toMatchObject({ queueName: 'mails', data: { to: 'ada' } });
    expect(await adapters.storage.count('jobs', { status: 'waiting' })).toBe(1);
    expect(await failureOf(adapters.storage.delete('jobs', 'm'))).toBeInstanceOf(ReadOnlyNamespaceError);
    expect(await failureOf(adapters.storage.get('settings', 'x'))).toBeInstanceOf(ModuleNotAvailableError);
    const error = thrownBy(() => adapters.broker);
    expect(error).toBeInstanceOf(ModuleNotAvailableError);
    expect(error.message).toContain('of the backend "redis"');
    expect(await adapters.lock.acquire('report', 'a', 1_000)).toBe(true);
  });

  it('has the lock, before the start too, for all processes of a project and environment and for no other', async () => {
    const { url, project } = await redisSpace();
    const of = (environment: string) => engineOf({ redis: url, project: `${project}:lock`, environment }).adapters.lock;
    const [one, twin, other] = [of('a'), of('a'), of('a:')];
    expect(await one.acquire('report', 'a', 60_000)).toBe(true);
    expect(await twin.acquire('report', 'b', 60_000)).toBe(false);
    expect(await other.acquire('report', 'b', 60_000)).toBe(true);
    expect(await twin.renewMany?.(['report', 'other'], 'a', 60_000)).toEqual([true, false]);
    await one.release('report', 'a');
    expect(await twin.isOwner('report', 'a')).toBe(false);
    await engines[0]?.stop();
    await expect(one.acquire('report', 'a', 60_000)).rejects.toMatchObject({ code: 'ENGINE_STATE' });
    await other.release('report', 'b');
  });

  it('runs in a Nest application', async () => {
    const { url, project } = await redisSpace();
    const Sums = defineQueue<number[], number>('sums');
    @Injectable()
    class Adder {
      @Worker(Sums)
      add(numbers: number[]): number {
        return numbers.reduce((a, b) => a + b, 0);
      }
    }
    @Module({
      providers: [Adder],
      imports: [OqronModule.forRoot({ mode: 'redis', redis: url, project: `${project}:nest`, logger: false })],
    })
    class Shop {}
    const app = await Test.createTestingModule({ imports: [Shop] }).compile();
    await app.init();
    try {
      const engine = app.get(OqronEngine);
      expect(engine.health()).toMatchObject({ state: 'started', backend: 'redis' });
      expect(await (await engine.producer(Sums).add([4, 5])).waitUntilFinished()).toBe(9);
    } finally {
      await app.close();
    }
  });
});

describe('a start that cannot succeed', () => {
  it.each<[string, string | object, RegExp]>([
    [
      'nobody listens',
      'redis://127.0.0.1:1/3',
      /Redis at redis:\/\/127\.0\.0\.1:1\/3: connect ECONNREFUSED 127\.0\.0\.1:1\)/,
    ],
    ['a host is unknown', { host: 'nowhere.invalid' }, /Redis at redis:\/\/nowhere\.invalid:6379: getaddrinfo E/],
  ])('says where and why: %s', async (_why, redis, message) => {
    const engine = engineOf({ redis });
    const error = await failureOf(engine.start());
    expect(error).toBeInstanceOf(StoreUnreachableError);
    expect(error.message).toMatch(message);
    expect(engine.health().state).toBe('new');
    await expect(engine.producer('mails').add(1)).rejects.toBeInstanceOf(StoreUnreachableError);
  });

  it('can be tried again when the server is there', async () => {
    const server = await serverOf('--appendonly', 'yes');
    await server.kill();
    const engine = engineOf({ redis: server.url });
    expect(await failureOf(engine.start())).toBeInstanceOf(StoreUnreachableError);
    await server.restart();
    await engine.start();
    expect(engine.health().state).toBe('started');
  });

  it('leaves no connection open: when a definition is refused, and in a Nest application', async () => {
    const { url } = await serverOf();
    const redis = new Redis(url);
    try {
      const first = engineOf({ redis: url });
      await first.queue({ name: 'mails', strategy: 'lifo' }).add(1);
      await first.stop();
      const second = engineOf({ redis: url });
      second.queue({ name: 'mails', strategy: 'fifo', handler: () => undefined });
      expect(await failureOf(second.start())).toMatchObject({ code: 'STRATEGY_MISMATCH' });
      await until('its connections to be closed', async () => (await clientsOf(redis)) === 0);
      expect(await failureOf(second.start())).toMatchObject({ code: 'STRATEGY_MISMATCH' });

      @Injectable()
      class Mails {
        @Worker('mails', { strategy: 'fifo' })
        send(): void {}
      }
      const app = await Test.createTestingModule({
        providers: [Mails],
        imports: [OqronModule.forRoot({ mode: 'redis', redis: url, logger: false })],
      }).compile();
      expect(await failureOf(app.init())).toMatchObject({ code: 'STRATEGY_MISMATCH' });
      await until('its connections to be closed', async () => (await clientsOf(redis)) === 0);
    } finally {
      redis.disconnect();
    }
  });
});

describe('a password', () => {
  const settings = ['--requirepass', PASSWORD];

  it('is used, and shown by nothing that is printed', async () => {
    const server = await serverOf(...settings);
    const log = new RecordingLogger();
    const engine = engineOf({ redis: server.url.replace('//', `//:${ENCODED}@`), logger: log });
    await engine.start();
    await server.kill();
    await until('word of the broken connection', () => log.matching('warn', /Redis connection/).length > 0);
    await server.restart();
    await until('the server to be used again', async () => (await engine.producer('mails').add(1)).id);
    const printed = inspect([engine, engine.manager, engine.adapters, log.lines], { depth: 12 });
    expect(printed).toContain(`Redis 7`.slice(0, 5));
    for (const secret of [PASSWORD, ENCODED]) expect(printed).not.toContain(secret);
  });

  it.each<[string, (server: RedisServer) => string | object]>([
    ['in a url', ({ url }) => url.replace('//', `//:${ENCODED}x@`)],
    ['in options', ({ port }) => ({ port, password: `${PASSWORD}x` })],
    ['with a name', ({ port }) => ({ port, username: 'ada', password: `${PASSWORD}x` })],
  ])('that is wrong is an error that does not show it: %s', async (_where, redis) => {
    const server = await serverOf(...settings);
    const log = new RecordingLogger();
    const engine = engineOf({ redis: redis(server), logger: log });
    const error = await failureOf(engine.start());
    expect(error).toBeInstanceOf(StoreUnreachableError);
    expect(error.message).toContain('WRONGPASS');
    expect(error.message).toContain(`:${server.port}`);
    expect(inspect([error, log.lines], { depth: 12, showHidden: true })).not.toMatch(/hush/);
  });

  it('that is missing is named', async () => {
    const server = await serverOf(...settings);
    const error = await failureOf(engineOf({ redis: server.url }).start());
    expect(error).toBeInstanceOf(StoreUnreachableError);
    expect(error.message).toContain('NOAUTH');
  });
});
