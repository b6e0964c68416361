import { afterEach, describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import { OqronEngine } from 'oqronkit';
import { startServer, type RedisServer } from '../support/redis-server.js';
import { until } from '../support/until.js';

const QUEUES = 100;
/** Longer than the longest sleep of an idle consumer, so that every queue is looked at in it. */
const WINDOW_MS = 15_000;

let server: RedisServer | undefined;
let engine: OqronEngine | undefined;

afterEach(async () => {
  await engine?.stop();
  await server?.stop();
});

/** Calls by command since the last reset, as the server counts them: also those that scripts make. */
async function commandStats(redis: Redis): Promise<Map<string, number>> {
  const lines = (await redis.info('commandstats')).matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm);
  return new Map([...lines].map(([, name = '', calls]) => [name, Number(calls)]));
}

describe(`${QUEUES} idle queues in one process`, () => {
  it('cost at most 20 commands per second and 3 connections', async () => {
    server = await startServer();
    engine = new OqronEngine({ mode: 'redis', redis: server.url, project: 'idle', logger: false });
    for (let n = 0; n < QUEUES; n += 1) engine.worker({ topic: `queue-${n}`, handler: () => undefined });
    await engine.start();
    await until('the wake-up channel to be proven', () => engine?.health().signals);

    const redis = new Redis(server.url);
    const monitor = await redis.monitor();
    const sent: string[] = [];
    // What a script does comes as from "lua", and is no command of a client.
    monitor.on('monitor', (_time: string, [command = '']: string[], source: string) => {
      if (source !== 'lua') sent.push(command.toLowerCase());
    });
    try {
      const clients = String(await redis.client('LIST'))
        .trim()
        .split('\n');
      expect(clients.length - 2).toBeLessThanOrEqual(3);
      await redis.config('RESETSTAT');
      sent.length = 0;
      const began = performance.now();
      await until('the window to pass', () => performance.now() - began > WINDOW_MS, WINDOW_MS + 5_000);
      const seconds = (performance.now() - began) / 1_000;
      const perSecond = sent.length / seconds;
      const scripts = (await commandStats(redis)).get('evalsha') ?? 0;
      console.info(`${perSecond.toFixed(1)} commands/s of clients, ${(scripts / seconds).toFixed(1)} scripts/s`);
      expect(perSecond).toBeLessThanOrEqual(20);
      // Somebody did look: otherwise this proves nothing.
      expect(scripts).toBeGreaterThanOrEqual(QUEUES);
      expect(scripts).toBeLessThanOrEqual(20 * seconds);
    } finally {
      monitor.disconnect();
      redis.disconnect();
    }
    // They are awake when a job comes.
    const job = await engine.producer('queue-42').add(1);
    await job.waitUntilFinished({ timeout: 2_000 });
  }, 30_000);
});
