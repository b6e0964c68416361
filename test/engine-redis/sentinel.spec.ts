import { afterEach, describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import { OqronEngine } from 'oqronkit';
import { MASTER, startSentinel, type RedisSentinel } from '../support/redis-sentinel.js';
import { RecordingLogger } from '../support/recording-logger.js';
import { until } from '../support/until.js';

let place: RedisSentinel | undefined;
const engines: OqronEngine[] = [];

afterEach(async () => {
  for (const engine of engines.splice(0)) await engine.stop();
  await place?.stop();
  place = undefined;
});

function engineOf({ sentinels }: RedisSentinel, log = new RecordingLogger()): OqronEngine {
  const redis = { sentinels, name: MASTER };
  const engine = new OqronEngine({ mode: 'redis', redis, project: 'sentinel', logger: log });
  engines.push(engine);
  return engine;
}

/** Resolves when the replica has confirmed everything that was written so far. */
async function replicated(url: string): Promise<void> {
  const redis = new Redis(url);
  try {
    // The connection's own last write is what WAIT waits for.
    await redis.set('replicated', '1');
    expect(await redis.wait(1, 5_000)).toBe(1);
  } finally {
    redis.disconnect();
  }
}

describe('a master behind Sentinel', () => {
  it('that dies is replaced: the engine goes on, and loses nothing that the replica had', async () => {
    place = await startSentinel();
    const { master, replica } = place;
    const producer = engineOf(place);
    const ran = new Map<string, number>();
    const fences = new Map<string, number>();
    const log = new RecordingLogger();
    const worker = engineOf(place, log);
    worker.worker<number, void>({
      topic: 'work',
      concurrency: 10,
      handler: ({ id, fence }) => {
        ran.set(id, (ran.get(id) ?? 0) + 1);
        fences.set(id, fence);
      },
    });
    await worker.start();
    const queue = producer.producer<number>('work');
    const before = await queue.addBulk(Array.from({ length: 50 }, (_, i) => ({ data: i })));
    await until('the first jobs to be done', async () => (await queue.count('completed')) === 50);
    const highest = Math.max(...fences.values());
    await queue.pause();
    const waiting = await queue.addBulk(Array.from({ length: 50 }, (_, i) => ({ data: i })));
    await worker.adapters.lock.acquire('report', 'a', 60_000);
    await replicated(master.url);

    await master.kill();
    const killedAt = performance.now();
    // An add that is under way meanwhile is sent again, under its number, until somebody answers.
    const during = queue.add(1);
    await until('the replica to be the master', async () => (await place?.masterPort()) === replica.port, 15_000);
    await during;
    await queue.resume();
    const late = await queue.add(2);
    await late.waitUntilFinished({ timeout: 10_000 });
    console.info(`the next job finished ${Math.round(performance.now() - killedAt)} ms after the master died`);
    await until('all jobs to be done', async () => (await queue.count('completed')) === 102, 10_000);

    const ids = [...before, ...waiting, await during, late].map(({ id }) => id);
    expect(ids.filter((id) => ran.get(id) !== 1)).toEqual([]);
    expect(ran.size).toBe(ids.length);
    for (const { id } of waiting) expect(fences.get(id)).toBeGreaterThan(highest);
    expect(await worker.adapters.lock.isOwner('report', 'a')).toBe(true);
    const problems: unknown[] = [];
    for await (const problem of worker.manager.verifyAll()) problems.push(problem);
    expect(problems).toEqual([]);
    expect(log.matching('error', /unhandled/i)).toEqual([]);
  }, 45_000);

  it('that becomes a replica without dying is left for the new one', async () => {
    place = await startSentinel();
    const { replica, sentinels } = place;
    const engine = engineOf(place);
    const echo = engine.queue<number, number>({ name: 'echo', handler: ({ data }) => data });
    await engine.start();
    expect(await (await echo.add(1)).waitUntilFinished()).toBe(1);
    const sentinel = new Redis({ ...sentinels[0] });
    await sentinel.call('SENTINEL', 'FAILOVER', MASTER);
    sentinel.disconnect();
    await until('the replica to be the master', async () => (await place?.masterPort()) === replica.port, 15_000);
    expect(await (await echo.add(2)).waitUntilFinished({ timeout: 15_000 })).toBe(2);
    const redis = new Redis(replica.url);
    expect(Number(await redis.exists('oqron:{sentinel:development:echo}:meta'))).toBe(1);
    redis.disconnect();
  }, 45_000);
});
