import { Injectable, Module } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { Test, type TestingModule } from '@nestjs/testing';
import { afterEach, describe, expect, it } from '@jest/globals';
import { OqronEngine, type OqronConfig } from 'oqronkit';
import { OqronModule, Worker } from 'oqronkit/nestjs';
import { OqronHealthIndicator } from 'oqronkit/nestjs/terminus';
import { OqronTester } from 'oqronkit/testing';
import { postgresSpace } from '../support/postgres-space.js';
import { startServer, type RedisServer } from '../support/redis-server.js';
import { redisSpace } from '../support/redis-space.js';
import { gate, until } from '../support/until.js';

let app: TestingModule | undefined;
let server: RedisServer | undefined;
let open = gate();
afterEach(async () => {
  open.open();
  await app?.close();
  await server?.stop();
  app = server = undefined;
  open = gate();
});

@Injectable()
class Slow {
  @Worker('slow')
  async run(): Promise<string> {
    await open.opened;
    return 'done';
  }
}

async function start(config: OqronConfig): Promise<OqronHealthIndicator> {
  @Module({
    imports: [TerminusModule, OqronModule.forRoot({ logger: false, ...config })],
    providers: [OqronHealthIndicator, Slow],
  })
  class AppModule {}
  app = await Test.createTestingModule({ imports: [AppModule] }).compile();
  await app.init();
  return app.get(OqronHealthIndicator);
}

const stores: [string, () => Promise<OqronConfig>][] = [
  [
    'redis',
    async () => {
      const { url, project } = await redisSpace();
      return { mode: 'redis', redis: url, project };
    },
  ],
  [
    'postgres',
    async () => {
      const { url, schema } = await postgresSpace();
      return { mode: 'db', postgres: { connectionString: url, schema } };
    },
  ],
];

describe.each(stores)('over %s', (backend, config) => {
  it('tells round trips and the lag of a queue on the live connections', async () => {
    const oqron = await start(await config());
    const engine = app?.get(OqronEngine) as OqronEngine;
    expect(await oqron.pingCheck('oqron', { timeout: '5s' })).toMatchObject({
      oqron: { status: 'up', backend, roundTripMs: expect.any(Number) },
    });
    const slow = engine.producer<unknown, string>('slow');
    await slow.addBulk([{ data: 1 }, { data: 2 }, { data: 3, opts: { delay: '1h' } }]);
    await engine.producer('nobody').add({}, { delay: 30 });
    await until('one to run', () => engine.health().running === 1);
    const late = { timeout: '5s', down: 50 } as const;
    await until('a lag', async () => (await oqron.queueLag('slow', late))['slow']?.status === 'down');
    expect(await oqron.queueLag('slow', { ...late, down: '1h' })).toMatchObject({
      slow: { status: 'up', waiting: 1, active: 1, delayed: 1, paused: false },
    });
    // Due, and nobody asks for it.
    await until('a lag', async () => (await oqron.queueLag('nobody', late))['nobody']?.status === 'down');
    await engine.manager.obliterate('nobody', { force: true });
    open.open();
    await new OqronTester(engine, { patience: '15s' }).drain();
    expect(await oqron.queueLag('slow', late)).toMatchObject({ slow: { status: 'up', lagMs: 0, delayed: 1 } });
    await engine.manager.obliterate('slow', { force: true });
  });
});

describe('a Redis that goes away', () => {
  it('is down within the timeout, comes back, and kills no worker meanwhile', async () => {
    server = await startServer();
    const oqron = await start({ mode: 'redis', redis: server.url });
    expect(await oqron.pingCheck('oqron', { timeout: '5s' })).toMatchObject({ oqron: { status: 'up' } });
    await server.kill();
    const before = performance.now();
    expect(await oqron.pingCheck('oqron', { timeout: 300 })).toMatchObject({ oqron: { status: 'down' } });
    expect(performance.now() - before).toBeLessThan(3_000);
    expect(await oqron.loopsCheck('loops')).toMatchObject({ loops: { status: 'up' } });
    await server.restart();
    const up = async () => (await oqron.pingCheck('oqron', { timeout: '1s' })).oqron.status === 'up';
    expect(await until('it to be up', up, 15_000)).toBe(true);
  }, 40_000);
});
