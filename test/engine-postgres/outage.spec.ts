import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import type { EngineProcess } from '../engine-stores/engine-process.js';
import { Fleet } from '../engine-stores/fleet.js';
import { startPostgres, type Cluster } from '../support/postgres-server.js';
import { until } from '../support/until.js';

const BACK_WITHIN_MS = 3_000;

let cluster: Cluster;
let fleet: Fleet | undefined;
let spaces = 0;

beforeAll(async () => {
  cluster = await startPostgres();
}, 60_000);

afterEach(async () => {
  await fleet?.end();
  fleet = undefined;
});

afterAll(() => cluster?.stop());

function begin(): Fleet {
  const environment = `outage-${(spaces += 1)}`;
  fleet = new Fleet({ mode: 'db', postgres: { connectionString: cluster.url }, environment });
  return fleet;
}

const stopAll = (children: readonly EngineProcess[]): Promise<(number | null)[]> =>
  Promise.all(children.map((child) => child.stop()));

/** What was said of rejections that nobody handled; Node ends a process with one, but our test's own would hide it. */
const complaints = (children: readonly EngineProcess[]): string[] =>
  children.map(({ output }) => output).filter((text) => /unhandled/i.test(text));

async function admin(): Promise<Client> {
  const client = new Client({ connectionString: cluster.url, application_name: 'nemesis' });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

describe('a server that crashes and is started again', () => {
  it(`is used again within ${BACK_WITHIN_MS} ms, and no acknowledged job is lost`, async () => {
    const fleet = begin();
    const worker = { concurrency: 10 };
    const busy = await fleet.start({ name: 'busy', handler: 'quick', worker });
    const holder = await fleet.start({ name: 'holder', handler: 'hold', worker: { concurrency: 3 } });
    const producer = await fleet.start({ name: 'producer' });
    const children = [busy, holder, producer];
    // Its jobs run through the whole outage.
    producer.add(200, 'before', 20);
    await holder.told('running', 3);
    await fleet.untilCompleted(197, 15_000);

    await cluster.end('SIGQUIT');
    producer.add(500, 'during', 50);
    await cluster.start();
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
  }, 45_000);
});

describe('connections that are cut, again and again', () => {
  it('lose nothing and run nothing twice', async () => {
    const fleet = begin();
    const worker = { concurrency: 5 };
    const children = await Promise.all([
      fleet.start({ name: 'one', handler: 'slow', worker }),
      fleet.start({ name: 'two', handler: 'slow', worker }),
      fleet.start({ name: 'producer' }),
    ]);
    const producer = children[2];
    const nemesis = await admin();
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
          await nemesis.query(
            "select pg_terminate_backend(pid) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()",
          );
        }
        return completed === 2_000;
      };
      await until('all jobs to be completed', look, 35_000);
    } finally {
      await nemesis.end();
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
  }, 60_000);
});

describe('a server that takes no writes for a while', () => {
  it('delays jobs and loses none', async () => {
    const fleet = begin();
    const worker = await fleet.start({ name: 'one', handler: 'quick', worker: { concurrency: 5 } });
    const producer = await fleet.start({ name: 'producer' });
    producer.add(50, 'before');
    await fleet.untilCompleted(50, 15_000);
    const nemesis = await admin();
    try {
      const readOnly = async (value: 'on' | 'off'): Promise<void> => {
        await nemesis.query(`alter system set default_transaction_read_only = ${value}`);
        await nemesis.query('select pg_reload_conf()');
      };
      await readOnly('on');
      await until('writes to be refused', async () => {
        const { rows } = await nemesis.query<{ v: string }>(
          "select current_setting('default_transaction_read_only') as v",
        );
        return rows[0]?.v === 'on';
      });
      producer.add(50, 'during', 10);
      await until('the server to refuse a write', () => /read-only transaction/.test(cluster.log()), 10_000);
      expect(producer.ids('added')).toHaveLength(1);
      await nemesis.query('set default_transaction_read_only = off');
      await readOnly('off');
    } finally {
      await nemesis.end();
    }
    await producer.told('added', 2);
    await fleet.untilCompleted(100, 15_000);
    const runs = [...fleet.ledger.runs().values()];
    expect(runs).toHaveLength(100);
    expect(runs.filter((who) => who.length !== 1)).toEqual([]);
    expect(await stopAll([worker, producer])).toEqual([0, 0]);
  }, 60_000);
});
