import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import { createPostgresBackend } from '../../lib/backends/postgres/index.js';
import { complete, job, jobs } from '../../lib/conformance/build.js';
import { Bench } from '../../lib/conformance/bench.js';
import { volumeCases } from '../engine-stores/volume-cases.js';
import { databaseUrl } from '../support/postgres-server.js';

/** `OQRON_JOBS=100000` for the acceptance figure. */
const JOBS = Number(process.env['OQRON_JOBS'] ?? 8_000);
const CLAIMERS = 8;
const BATCH = 40;

/** A database of its own: its statistics count deadlocks for all who use it. */
const database = `oqron_volume_${randomUUID().replaceAll('-', '')}`;
const url = new URL(databaseUrl());
url.pathname = `/${database}`;

async function atServer<T>(ask: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: databaseUrl() });
  client.on('error', () => undefined);
  await client.connect();
  return ask(client).finally(() => client.end());
}

beforeAll(() => atServer((client) => client.query(`create database ${database}`)), 60_000);

afterAll(async () => {
  const deadlocks = await atServer(async (client) => {
    const { rows } = await client.query<{ deadlocks: string }>(
      'select deadlocks from pg_stat_database where datname = $1',
      [database],
    );
    await client.query(`drop database ${database} with (force)`);
    return rows[0]?.deadlocks;
  });
  expect(deadlocks).toBe('0');
}, 60_000);

describe(`${CLAIMERS} claimers and ${JOBS} jobs`, () => {
  it('claim no more than they asked for, each job once, while jobs and dependants are added beside', async () => {
    const backends = Array.from({ length: 4 }, () =>
      createPostgresBackend({ postgres: { connectionString: url.href, poolSize: 4 }, environment: 'claimers' }),
    );
    try {
      await Promise.all(backends.map((backend) => backend.open()));
      const benches = backends.map(({ store, signals }) => new Bench(store, signals));
      // The server's own clock, as in earnest: claims then use what they remember.
      for (const bench of benches) Object.defineProperty(bench, 'at', { value: {} });
      const seen = new Set<string>();
      let added = 0;
      const add = async (bench: Bench, n: number): Promise<void> => {
        const p = bench.process(`adder-${n}`);
        for (; added < JOBS;) {
          const from = (added += 500);
          await p.add('mail', ...jobs(498, { idGiven: false }, `${from}-`), ...family(from));
        }
      };
      const work = async (bench: Bench, n: number): Promise<void> => {
        const p = bench.process(`worker-${n}`);
        let held = await p.take('mail', BATCH);
        for (let idle = 0; idle < 1_000 && seen.size < added;) {
          expect(held.length).toBeLessThanOrEqual(BATCH);
          for (const { id, attempt } of held) {
            if (attempt !== 1) throw new Error(`job ${id} was handed out ${attempt} times`);
            if (seen.has(id)) throw new Error(`job ${id} was handed out twice`);
            seen.add(id);
          }
          idle = held.length === 0 ? idle + 1 : 0;
          const outcomes = held.map((one) => complete(one));
          const { verdicts, claim } = await p.settle('mail', outcomes, { count: BATCH });
          expect(verdicts.every((verdict) => verdict === 'settled')).toBe(true);
          held = claim?.jobs ?? [];
        }
      };
      const of = (n: number): Bench => benches[n % benches.length] as Bench;
      await Promise.all([
        ...[0, 1].map((n) => add(of(n), n)),
        ...Array.from({ length: CLAIMERS }, (_, n) => work(of(n), n)),
      ]);
      expect(seen.size).toBe(added);
      await of(0).counts('mail', { completed: added });
      await of(0).sound();
    } finally {
      await Promise.all(backends.map((backend) => backend.close()));
    }
  }, 600_000);
});

/** A parent and its child. */
function family(from: number): ReturnType<typeof jobs> {
  const parent = job(`parent-${from}`);
  const refs = [{ queue: 'mail', id: parent.id }];
  return [parent, job(`child-${from}`, { parents: { refs, policy: 'block' } })];
}

volumeCases((name) => Promise.resolve({ mode: 'db', postgres: { connectionString: url.href }, environment: name }));
