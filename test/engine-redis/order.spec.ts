import { afterEach, describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import { OqronEngine, queueModule, workerModule, type OqronConfig } from 'oqronkit';
import { startServer, type RedisServer } from '../support/redis.js';
import { until } from '../support/until.js';

// Two calls are under way at once, for adds and for claims: neither overtakes the other.

const JOBS = 6_000;
const KILL_EVERY = 500;

let server: RedisServer | undefined;
const engines: OqronEngine[] = [];

afterEach(async () => {
  for (const engine of engines.splice(0)) await engine.stop();
  await server?.stop();
});

function make({ url }: RedisServer, modules: OqronConfig['modules']): OqronEngine {
  const engine = new OqronEngine({ mode: 'redis', redis: url, logger: false, modules });
  engines.push(engine);
  return engine;
}

describe('the order of jobs', () => {
  it('is kept by one slot that claims ahead', async () => {
    server = await startServer();
    const producer = make(server, [queueModule({ consume: false })]);
    const queue = producer.queue<number>({ name: 'orders' });
    await producer.start();
    await queue.addBulk(Array.from({ length: JOBS }, (_, i) => ({ data: i })));
    const seen: number[] = [];
    const consumer = make(server, [workerModule()]);
    consumer.worker<number>({
      topic: 'orders',
      concurrency: 1,
      handler: async ({ data }) => void seen.push(data),
    });
    await consumer.start();
    await until('all jobs to run', () => seen.length >= JOBS, 20_000);
    expect(seen).toEqual(Array.from({ length: JOBS }, (_, i) => i));
  });
});

describe('the order of adds', () => {
  it('is kept while connections are cut and scripts are forgotten', async () => {
    server = await startServer();
    const engine = make(server, [queueModule({ consume: false })]);
    const queue = engine.queue<number>({ name: 'orders' });
    await engine.start();
    const nemesis = new Redis(server.url);
    nemesis.on('error', () => undefined);
    const adds: Promise<unknown>[] = [];
    for (let i = 0; i < JOBS; i += 1) {
      adds.push(queue.add(i));
      // Single adds over many ticks: each tick is a call, and the calls overlap.
      if (i % 40 === 39) await new Promise((go) => setImmediate(go));
      if (i % KILL_EVERY !== KILL_EVERY - 1) continue;
      void nemesis.script('FLUSH').catch(() => undefined);
      await nemesis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    }
    await Promise.all(adds);
    nemesis.disconnect();
    const seen: number[] = [];
    for (let cursor: string | undefined; ;) {
      const page = await queue.getJobs({ status: 'waiting', limit: 1_000, ...(cursor ? { cursor } : {}) });
      seen.push(...page.jobs.map(({ data }) => data as number));
      cursor = page.cursor;
      if (cursor === undefined) break;
    }
    expect(seen).toEqual(Array.from({ length: JOBS }, (_, i) => i));
  });
});
