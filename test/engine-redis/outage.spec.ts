import { afterEach, describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import { startServer, type RedisServer } from '../support/redis-server.js';
import { until } from '../support/until.js';
import type { EngineProcess } from '../engine-stores/engine-process.js';
import { Fleet } from '../engine-stores/fleet.js';

const BACK_WITHIN_MS = 3_000;

let server: RedisServer | undefined;
let fleet: Fleet | undefined;

afterEach(async () => {
  await fleet?.end();
  await server?.stop();
  server = fleet = undefined;
});

async function begin(...settings: readonly string[]): Promise<{ server: RedisServer; fleet: Fleet }> {
  server = await startServer(...settings);
  fleet = new Fleet({ mode: 'redis', redis: server.url, project: 'outage' });
  return { server, fleet };
}

const stopAll = (children: readonly EngineProcess[]): Promise<(number | null)[]> =>
  Promise.all(children.map((child) => child.stop()));

/** What was said of rejections that nobody handled; Node ends a process with one, but our test's own would hide it. */
const complaints = (children: readonly EngineProcess[]): string[] =>
  children.map(({ output }) => output).filter((text) => /unhandled/i.test(text));

describe('a server that is restarted', () => {
  it(`is used again within ${BACK_WITHIN_MS} ms, and no acknowledged job is lost`, async () => {
    const { server, fleet } = await begin('--appendonly', 'yes', '--appendfsync', 'always');
    const worker = { concurrency: 10 };
    const busy = await fleet.start({ name: 'busy', handler: 'quick', worker });
    const holder = await fleet.start({ name: 'holder', handler: 'hold', worker: { concurrency: 3 } });
    const producer = await fleet.start({ name: 'producer' });
    const children = [busy, holder, producer];
    // Its jobs run through the whole outage.
    producer.add(200, 'before', 20);
    await holder.told('running', 3);
    await fleet.untilCompleted(197, 15_000);

    await server.kill();
    producer.add(500, 'during', 50);
    await server.restart();
    const back = performance.now();
    await fleet.untilCompleted(198, 15_000);
    const backMs = Math.round(performance.now() - back);
    console.info(`first job finished ${backMs} ms after the server was back`);
    expect(backMs).toBeLessThan(BACK_WITHIN_MS);

    await producer.told('added', 2);
    holder.release();
    await fleet.untilCompleted(700, 15_000);
    expect(complaints(children)).toEqual([]);
    const runs = [...fleet.ledger.runs().values()];
    expect(runs).toHaveLength(700);
    expect(runs.filter((who) => who.length !== 1)).toEqual([]);
    expect(await fleet.problems()).toEqual([]);
    expect(await stopAll(children)).toEqual([0, 0, 0]);
  }, 30_000);
});

describe('connections that are cut and scripts that are forgotten, again and again', () => {
  it('lose nothing and run nothing twice', async () => {
    const { server, fleet } = await begin();
    const worker = { concurrency: 5 };
    const children = await Promise.all([
      fleet.start({ name: 'one', handler: 'slow', worker }),
      fleet.start({ name: 'two', handler: 'slow', worker }),
      fleet.start({ name: 'producer' }),
    ]);
    const producer = children[2];
    const nemesis = new Redis(server.url);
    let strikes = 0;
    try {
      producer.add(2_000, 'job', 25);
      let struckAt = 0;
      const look = async (): Promise<boolean> => {
        // Its connections are cut as well.
        const { completed } = await until('an answer', () => fleet.queue.counts());
        if (completed >= struckAt + 50 || strikes === 0) {
          struckAt = completed;
          strikes += 1;
          await nemesis.script('FLUSH');
          await nemesis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
          await nemesis.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
        }
        return completed === 2_000;
      };
      await until('all jobs to be completed', look, 25_000);
    } finally {
      nemesis.disconnect();
    }
    await producer.told('added');
    expect(strikes).toBeGreaterThan(10);
    await fleet.untilCompleted(2_000, 5_000);
    expect(complaints(children)).toEqual([]);
    const runs = [...fleet.ledger.runs().values()];
    expect(runs).toHaveLength(2_000);
    expect(runs.filter((who) => who.length !== 1)).toEqual([]);
    expect(await fleet.problems()).toEqual([]);
    expect(await stopAll(children)).toEqual([0, 0, 0]);
  }, 45_000);
});
