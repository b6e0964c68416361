import { Controller, Get, Injectable, Module } from '@nestjs/common';
import { HealthCheck, HealthCheckService, TerminusModule } from '@nestjs/terminus';
import { Test, type TestingModule } from '@nestjs/testing';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { defineQueue, InvalidOptionsError, OqronEngine, OqronManager, type Backend } from 'oqronkit';
import { OqronModule, OqronRunner, Worker } from 'oqronkit/nestjs';
import { OqronHealthIndicator } from 'oqronkit/nestjs/terminus';
import { createMemoryBackend, OqronTester, VirtualClock, withOqronTesting } from 'oqronkit/nestjs/testing';
import { failureOf, gate } from '../support/until.js';
import { wrapBackend } from '../support/wrapped-backend.js';

const Mail = defineQueue<{ n: number }>('mail');

let open = gate();

@Injectable()
class MailWorker {
  @Worker(Mail)
  async run(): Promise<void> {
    await open.opened;
  }
}

@Controller('health')
class HealthController {
  constructor(
    private readonly health: HealthCheckService,
    private readonly oqron: OqronHealthIndicator,
  ) {}

  @Get('ready')
  @HealthCheck()
  ready() {
    return this.health.check([
      () => this.oqron.pingCheck('oqron', { degraded: '500ms' }),
      () => this.oqron.queueLag(Mail, { degraded: '1m', down: '5m' }),
    ]);
  }
}

@Module({ imports: [TerminusModule], providers: [OqronHealthIndicator], controllers: [HealthController] })
class HealthModule {}

@Module({
  providers: [MailWorker],
  imports: [HealthModule, OqronModule.forRoot({ mode: 'redis', redis: 'redis://x' })],
})
class AppModule {}

let app: TestingModule;
let clock: VirtualClock;
let broken: (operation: string) => Promise<unknown> | undefined;

async function start({ init = true } = {}): Promise<OqronHealthIndicator> {
  const memory = createMemoryBackend({ clock });
  const backend: Backend = wrapBackend(memory, (operation, _args, run) => broken(operation) ?? run(), {
    ...(memory.leader && { leader: memory.leader }),
  });
  const builder = Test.createTestingModule({ imports: [AppModule] });
  app = await withOqronTesting(builder, { clock, backend, patience: 500 }).compile();
  app.useLogger(false);
  if (init) await app.init();
  return app.get(OqronHealthIndicator);
}

beforeEach(() => {
  clock = new VirtualClock();
  open = gate();
  broken = () => undefined;
});
afterEach(async () => {
  open.open();
  broken = () => undefined;
  await app.close();
});

describe('pingCheck', () => {
  it('is up on a live connection, and tells leader, store and round trip', async () => {
    const oqron = await start();
    await clock.settle();
    expect(await oqron.pingCheck('oqron')).toEqual({
      oqron: {
        status: 'up',
        state: 'started',
        backend: 'memory',
        durability: 'none',
        running: 0,
        zombies: 0,
        signals: true,
        warnings: [],
        leader: expect.objectContaining({ name: 'sweep', state: 'leader' }),
        roundTripMs: 0,
        responseTime: expect.any(Number),
      },
    });
  });

  it('is down before the start, and after the drain', async () => {
    const oqron = await start({ init: false });
    expect(await oqron.pingCheck('oqron')).toMatchObject({
      oqron: { status: 'down', message: 'the engine has not been started', state: 'new' },
    });
    await app.init();
    expect(await oqron.pingCheck('oqron')).toMatchObject({ oqron: { status: 'up' } });
    await app.get(OqronRunner).stop();
    expect(await oqron.pingCheck('oqron')).toMatchObject({ oqron: { status: 'down', state: 'drained' } });
  });

  it('is down when the store fails, or does not answer in time', async () => {
    const oqron = await start();
    broken = (operation) => (operation === 'admin.queues' ? Promise.reject(new Error('no server')) : undefined);
    expect(await oqron.pingCheck('oqron')).toMatchObject({ oqron: { status: 'down', message: 'no server' } });
    broken = (operation) => (operation === 'admin.queues' ? new Promise(() => undefined) : undefined);
    expect(await oqron.pingCheck('oqron', { timeout: 30 })).toMatchObject({
      oqron: { status: 'down', message: 'timeout of 30ms exceeded' },
    });
  });

  it('is degraded when the store is slow', async () => {
    const oqron = await start();
    broken = (operation) => (operation === 'admin.queues' ? clock.advance('600ms').then(() => []) : undefined);
    expect(await oqron.pingCheck('oqron', { degraded: '500ms' })).toMatchObject({
      oqron: { status: 'degraded', roundTripMs: 600, message: 'the store takes 600 ms to answer' },
    });
    expect(await oqron.pingCheck('oqron', { degraded: '1s' })).toMatchObject({ oqron: { status: 'up' } });
  });

  it('refuses options that are no durations', async () => {
    const oqron = await start();
    const wrong = failureOf(oqron.pingCheck('oqron', { timeout: 'soon' as never }));
    expect(await wrong).toBeInstanceOf(InvalidOptionsError);
  });
});

describe('loopsCheck', () => {
  it('is down when a consumer does not ask for jobs any more, and then so is pingCheck', async () => {
    const oqron = await start();
    await clock.advance('5m');
    expect(await oqron.loopsCheck('loops')).toMatchObject({ loops: { status: 'up', state: 'started' } });
    // Both calls that the loop may have under way hang: nothing ever wakes it again.
    broken = (operation) => (operation === 'claim' ? new Promise(() => undefined) : undefined);
    await clock.advance('5m');
    expect(await oqron.loopsCheck('loops')).toMatchObject({ loops: { status: 'up' } });
    await clock.advance('5s');
    expect(await oqron.loopsCheck('loops')).toMatchObject({
      loops: { status: 'down', message: expect.stringMatching(/the worker "mail" has not asked for jobs for \d+ ms/) },
    });
    expect(await oqron.pingCheck('oqron')).toMatchObject({ oqron: { status: 'down' } });
  });

  it('is up while all slots are taken for hours, and while the store is away', async () => {
    const oqron = await start();
    await app.get(OqronEngine).producer(Mail).add({ n: 1 });
    await clock.advance('3h');
    expect(app.get(OqronEngine).health().running).toBe(1);
    for (let look = 0; look < 3; look += 1) {
      expect(await oqron.loopsCheck('loops')).toMatchObject({ loops: { status: 'up' } });
      await clock.advance('10s');
    }
    open.open();
    await clock.settle();
    broken = (operation) => (operation === 'claim' ? Promise.reject(new Error('no server')) : undefined);
    for (let look = 0; look < 5; look += 1) {
      await clock.advance('1m');
      expect(await oqron.loopsCheck('loops')).toMatchObject({ loops: { status: 'up' } });
    }
  });
});

describe('queueLag', () => {
  it('goes up, degraded, down with the age of the job that waits longest', async () => {
    const oqron = await start();
    const mail = app.get(OqronEngine).producer(Mail);
    const lag = () => oqron.queueLag(Mail, { degraded: '1m', down: '5m' });
    expect(await lag()).toMatchObject({ mail: { status: 'up', lagMs: 0, waiting: 0, paused: false } });
    await mail.addBulk([{ data: { n: 1 } }, { data: { n: 2 } }, { data: { n: 3 }, opts: { delay: '1h' } }]);
    await clock.advance('50s');
    expect(await lag()).toMatchObject({ mail: { status: 'up', lagMs: 50_000, waiting: 1, active: 1, delayed: 1 } });
    await clock.advance('20s');
    expect(await lag()).toMatchObject({
      mail: { status: 'degraded', message: 'a job of queue "mail" has been waiting for 70000 ms' },
    });
    await clock.advance('5m');
    expect(await lag()).toMatchObject({ mail: { status: 'down', lagMs: 370_000 } });
    open.open();
    await app.get(OqronTester).drain();
    expect(await lag()).toMatchObject({ mail: { status: 'up', lagMs: 0 } });
  });

  it('counts delayed jobs once they are due, also where nobody consumes', async () => {
    const oqron = await start();
    await app.get(OqronEngine).producer('nobody').add({}, { delay: '10m' });
    const lag = () => oqron.queueLag('nobody', { down: '5m', key: 'orphans' });
    await clock.advance('9m');
    expect(await lag()).toMatchObject({ orphans: { status: 'up', lagMs: 0 } });
    await clock.advance('7m');
    expect(await lag()).toMatchObject({ orphans: { status: 'down', lagMs: 360_000 } });
  });

  it('shows a queue that stands still on purpose, and does not judge it', async () => {
    const oqron = await start();
    const manager: OqronManager = app.get(OqronEngine).manager;
    await app
      .get(OqronEngine)
      .producer(Mail)
      .addBulk([{ data: { n: 1 } }, { data: { n: 2 } }]);
    await clock.settle();
    await manager.pauseQueue('mail');
    await clock.advance('1h');
    expect(await oqron.queueLag('mail', { down: '5m' })).toMatchObject({ mail: { status: 'up', paused: true } });
    await manager.resumeQueue('mail');
    await manager.disableInstance('worker', 'mail');
    expect(await oqron.queueLag('mail', { down: '5m' })).toMatchObject({ mail: { status: 'up', disabled: true } });
  });

  it('is down for a queue that nobody knows', async () => {
    const oqron = await start();
    expect(await oqron.queueLag('maill', { down: '5m' })).toMatchObject({
      maill: { status: 'down', message: expect.stringContaining('there is no queue "maill"') },
    });
  });
});

describe('in a health check of terminus', () => {
  it('answers ok, degraded and error', async () => {
    await start();
    const health = app.get(HealthController);
    expect(await health.ready()).toMatchObject({ status: 'ok', info: { oqron: { status: 'up' } } });
    await app
      .get(OqronEngine)
      .producer(Mail)
      .addBulk([{ data: { n: 1 } }, { data: { n: 2 } }]);
    await clock.advance('2m');
    expect(await health.ready()).toMatchObject({ status: 'degraded', details: { mail: { status: 'degraded' } } });
    await clock.advance('5m');
    expect(await failureOf(health.ready())).toMatchObject({ status: 503 });
  });
});
