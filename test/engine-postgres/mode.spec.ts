import { inspect } from 'node:util';
import { Injectable, Module } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Pool, types } from 'pg';
import {
  defineQueue,
  OqronContainer,
  OqronEngine,
  OqronKit,
  ReadOnlyNamespaceError,
  StoreUnreachableError,
  type OqronConfig,
} from 'oqronkit';
import { OqronModule, Worker } from 'oqronkit/nestjs';
import { startPostgres, type Cluster } from '../support/postgres-server.js';
import { postgresSpace } from '../support/postgres-space.js';
import { RecordingLogger } from '../support/recording-logger.js';
import { failureOf, until } from '../support/until.js';

const PASSWORD = 'hush/hush';
const ENCODED = encodeURIComponent(PASSWORD);

const engines: OqronEngine[] = [];

afterEach(async () => {
  await OqronKit.stop();
  for (const engine of engines.splice(0)) await engine.stop();
});

function engineOf(config: OqronConfig): OqronEngine {
  const engine = new OqronEngine({ mode: 'db', logger: false, ...config });
  engines.push(engine);
  return engine;
}

let environments = 0;

async function home(): Promise<{ postgres: { connectionString: string; schema: string }; environment: string }> {
  const { url, schema } = await postgresSpace();
  return { postgres: { connectionString: url, schema }, environment: `mode-${(environments += 1)}` };
}

describe('the mode "db"', () => {
  // With the default schema these would write into somebody's own database.
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = await startPostgres();
  }, 60_000);

  afterAll(() => cluster?.stop());

  it.each(['a url', 'a connection string', 'options', 'a socket', 'a pool'])('connects by %s', async (how) => {
    const { port, url, folder } = cluster;
    const own = new Pool({ connectionString: url, max: 3 });
    own.on('error', () => undefined);
    const given: Record<string, string | object> = {
      'a url': url,
      'a connection string': { connectionString: url, schema: 'Jobs', tablePrefix: 'shop' },
      options: { host: '127.0.0.1', port, user: 'postgres', database: 'postgres', poolSize: 2 },
      'a socket': { host: folder, port, user: 'postgres', database: 'postgres' },
      'a pool': own,
    };
    try {
      const engine = engineOf({ postgres: given[how] ?? '', environment: how });
      const sums = engine.queue<number[], number>({
        name: 'sums',
        handler: ({ data }) => data.reduce((a, b) => a + b, 0),
      });
      expect(engine.health()).toMatchObject({ state: 'new', backend: 'postgres', durability: 'unknown' });
      await engine.start();
      const job = await sums.add([1, 2, 3]);
      expect(await job.waitUntilFinished()).toBe(6);
      await until('the wake-up channel to be proven', () => engine.health().signals);
      expect(engine.health()).toMatchObject({ state: 'started', durability: 'power', running: 0 });
      await engine.stop();
      expect(engine.health().state).toBe('stopped');
      // Only what the engine opened was closed.
      expect((await own.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
      expect(own.totalCount).toBe(1);
    } finally {
      await own.end();
    }
  });

  it('closes all of its connections, and needs no more than it says', async () => {
    const watch = new Pool({ connectionString: cluster.url, max: 1 });
    const count = async (): Promise<number> => {
      const { rows } = await watch.query<{ n: number }>(
        "select count(*)::int as n from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()",
      );
      return rows[0]?.n ?? -1;
    };
    try {
      await until('others to be gone', async () => (await count()) === 0);
      const engine = engineOf({ postgres: { connectionString: cluster.url, poolSize: 3 }, environment: 'count' });
      engine.worker({ topic: 'work', concurrency: 50, handler: () => undefined });
      await engine.start();
      const queue = engine.producer('work');
      await Promise.all(Array.from({ length: 500 }, () => queue.add(1)));
      await until('all to be done', async () => (await queue.count('completed')) === 500);
      expect(await count()).toBeLessThanOrEqual(3 + 3 + 1 + 1);
      await engine.stop();
      await until('its connections to be closed', async () => (await count()) === 0);
    } finally {
      await watch.end();
    }
  });

  it.each<[string, string[]]>([
    ['process', ['synchronous_commit=off']],
    ['server', ['fsync=off']],
  ])(
    'says that an acknowledged job survives the end of the %s',
    async (durability, settings) => {
      const other = await startPostgres(...settings);
      try {
        const log = new RecordingLogger();
        const engine = engineOf({ postgres: other.url, logger: log });
        await engine.start();
        expect(engine.health().durability).toBe(durability);
        expect(log.matching('warn', new RegExp(settings[0]?.split('=')[0] ?? '')).length).toBe(1);
        await engine.stop();
      } finally {
        await other.stop();
      }
    },
    30_000,
  );

  it('works whatever the application told pg to do with its values', async () => {
    const { environment, postgres } = await home();
    const before = types.getTypeParser(20);
    types.setTypeParser(20, () => {
      throw new Error('not for us');
    });
    try {
      const engine = engineOf({ postgres, environment });
      engine.worker({ topic: 'mails', handler: () => ({ fine: true }) });
      await engine.start();
      const job = await engine.producer('mails').add({ n: 1 });
      expect(await job.waitUntilFinished({ timeout: 10_000 })).toEqual({ fine: true });
    } finally {
      types.setTypeParser(20, before);
    }
  });
});

describe('an engine on PostgreSQL', () => {
  it('takes jobs before the start, from the first call on', async () => {
    const engine = engineOf(await home());
    await engine.producer('mails').add(1, { jobId: 'early' });
    expect(await engine.producer('mails').getJob('early')).toMatchObject({ status: 'waiting' });
  });

  it('keeps projects and environments apart, whatever their names are', async () => {
    const { postgres, environment } = await home();
    const of = (project: string, name: string) => engineOf({ postgres, project, environment: environment + name });
    const shop = of('a', 'b:c');
    const twin = of('a', 'b:c');
    const other = of('a:b', 'c');
    await shop.producer('mails').add({ of: 'shop' }, { jobId: 'x' });
    expect((await twin.producer('mails').add({ of: 'twin' }, { jobId: 'x' })).created).toBe(false);
    expect(await other.producer('mails').getJob('x')).toBeUndefined();
    expect((await other.producer('mails').add({ of: 'other' }, { jobId: 'x' })).created).toBe(true);
    expect((await twin.producer('mails').getJob('x'))?.data).toEqual({ of: 'shop' });
  });

  it('shows the jobs as records', async () => {
    const config = { mode: 'db', ...(await home()), logger: false } satisfies OqronConfig;
    await OqronKit.init({ config });
    const adapters = OqronContainer.get();
    await OqronKit.engine.producer('mails').add({ to: 'ada' }, { jobId: 'm' });
    expect(await adapters.storage.get('jobs', 'm')).toMatchObject({ queueName: 'mails', data: { to: 'ada' } });
    expect(await adapters.storage.count('jobs', { status: 'waiting' })).toBe(1);
    expect(await failureOf(adapters.storage.delete('jobs', 'm'))).toBeInstanceOf(ReadOnlyNamespaceError);
  });

  it('runs in a Nest application', async () => {
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
      imports: [OqronModule.forRoot({ mode: 'db', ...(await home()), logger: false })],
    })
    class Shop {}
    const app = await Test.createTestingModule({ imports: [Shop] }).compile();
    await app.init();
    try {
      const engine = app.get(OqronEngine);
      expect(engine.health()).toMatchObject({ state: 'started', backend: 'postgres' });
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
      'postgresql://127.0.0.1:1/shop',
      /PostgreSQL at postgresql:\/\/127\.0\.0\.1:1\/shop: connect ECONNREFUSED 127\.0\.0\.1:1\)/,
    ],
    [
      'a host is unknown',
      { host: 'nowhere.invalid' },
      /PostgreSQL at postgresql:\/\/nowhere\.invalid:5432: getaddrinfo E/,
    ],
  ])('says where and why: %s', async (_why, postgres, message) => {
    const engine = engineOf({ postgres });
    const error = await failureOf(engine.start());
    expect(error).toBeInstanceOf(StoreUnreachableError);
    expect(error.message).toMatch(message);
    expect(engine.health().state).toBe('new');
    await expect(engine.producer('mails').add(1)).rejects.toBeInstanceOf(StoreUnreachableError);
  });

  it('says which tables are missing when it may not make them', async () => {
    const { postgres, environment } = await home();
    const engine = engineOf({ postgres: { ...postgres, tablePrefix: 'none', migrate: false }, environment });
    expect(await failureOf(engine.start())).toMatchObject({
      code: 'SCHEMA_MISSING',
      message: expect.stringContaining(`--schema ${postgres.schema} --prefix none`),
    });
    await engineOf({ postgres: { ...postgres, migrate: false }, environment }).start();
  });

  it('because of the listening address leaves no connection open, and can be tried again', async () => {
    const { postgres, environment } = await home();
    const { pools } = await postgresSpace();
    const name = `oqron-${environment}`;
    const open = async (): Promise<unknown> =>
      (await pools.main.rows('select count(*) from pg_stat_activity where application_name = $1', [name]))[0]?.[0];
    const given = { ...postgres, application_name: name, listenUrl: 'postgresql://127.0.0.1:1/shop' };
    const engine = engineOf({ postgres: given, environment });
    const error = await failureOf(engine.start());
    expect(error).toMatchObject({ code: 'STORE_UNREACHABLE' });
    await until('its connections to be closed', async () => (await open()) === 0);
    expect(await failureOf(engine.start())).toMatchObject({ code: 'STORE_UNREACHABLE' });
  });
});

describe('a password', () => {
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = await startPostgres();
    const admin = new Pool({ connectionString: cluster.url, max: 1 });
    await admin.query(`alter role postgres password '${PASSWORD}'`);
    const { rows } = await admin.query<{ file: string }>("select current_setting('hba_file') as file");
    // From now on everybody is asked.
    await admin.query(`copy (select 'host all all 127.0.0.1/32 scram-sha-256') to '${rows[0]?.file}'`);
    await admin.query('select pg_reload_conf()');
    await admin.end();
  }, 60_000);

  afterAll(() => cluster?.stop());

  it('is used, and shown by nothing that is printed', async () => {
    const log = new RecordingLogger();
    const engine = engineOf({ postgres: cluster.url.replace('postgres@', `postgres:${ENCODED}@`), logger: log });
    await engine.start();
    await cluster.end('SIGQUIT');
    await until('word of the broken connection', () => log.matching('warn', /PostgreSQL connection/).length > 0);
    await cluster.start();
    await until('the server to be used again', async () => (await engine.producer('mails').add(1)).id);
    const printed = inspect([engine, engine.manager, engine.adapters, log.lines], { depth: 12 });
    expect(printed).toContain('PostgreSQL 1');
    for (const secret of [PASSWORD, ENCODED]) expect(printed).not.toContain(secret);
  }, 30_000);

  it.each<[string, (cluster: Cluster) => string | object]>([
    ['in a url', ({ url }) => url.replace('postgres@', `postgres:${ENCODED}x@`)],
    ['in options', ({ port }) => ({ host: '127.0.0.1', port, user: 'postgres', password: `${PASSWORD}x` })],
  ])('that is wrong is an error that does not show it: %s', async (_where, postgres) => {
    const log = new RecordingLogger();
    const engine = engineOf({ postgres: postgres(cluster), logger: log });
    const error = await failureOf(engine.start());
    expect(error).toBeInstanceOf(StoreUnreachableError);
    expect(error.message).toContain('password authentication failed');
    expect(error.message).toContain(`:${cluster.port}`);
    expect(inspect([error, log.lines], { depth: 12, showHidden: true })).not.toMatch(/hush/);
  });
});
