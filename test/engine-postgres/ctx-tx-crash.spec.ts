import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Pool } from 'pg';
import { OqronEngine, queueModule } from 'oqronkit';
import { build, ROOT } from '../support/build.js';
import { postgresSpace, type PostgresSpace } from '../support/postgres-space.js';
import { RecordingLogger } from '../support/recording-logger.js';
import { until } from '../support/until.js';

/**
 * Orders. Each is added in a transaction that commits or is rolled back; its handler runs in another one, which adds a
 * receipt, which runs in a third: with attempts that fail, more than 1 000 transactions. `OQRON_TX_JOBS=10000` by hand.
 */
const JOBS = Number(process.env['OQRON_TX_JOBS'] ?? 500);
const PROCESSES = 3;
/** Of 1 000 attempts this many take their process with them, and this many are rolled back. */
const CRASHES = 40;
const ROLLBACKS = 150;

let space: PostgresSpace;
let pool: Pool;
const environment = 'crash';

beforeAll(async () => {
  build();
  space = await postgresSpace();
  pool = new Pool({ connectionString: space.url, max: 8 });
  pool.on('error', () => undefined);
  await pool.query(`create table "${space.schema}".effect (job text not null, part text not null)`);
}, 120_000);
afterAll(() => pool.end());

/** Workers that are replaced as they die. */
class Workers {
  deaths = 0;
  output = '';
  #ended = false;
  readonly #children = new Set<ChildProcess>();

  constructor(private readonly home: object) {
    for (let i = 0; i < PROCESSES; i += 1) this.#start();
  }

  #start(): void {
    const settings = { home: this.home, schema: space.schema, crashes: CRASHES / 1_000, rollbacks: ROLLBACKS / 1_000 };
    const program = join(ROOT, 'test/engine-postgres/tx-child.mjs');
    const child = spawn(process.execPath, [program, JSON.stringify(settings)], {
      cwd: ROOT,
      env: { ...process.env, NODE_OPTIONS: '' },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    this.#children.add(child);
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => (this.output += text));
    }
    child.once('exit', (code, signal) => {
      this.#children.delete(child);
      if (signal === 'SIGKILL') this.deaths += 1;
      else if (!this.#ended) this.output += `\na worker ended with ${code}\n`;
      if (!this.#ended) this.#start();
    });
  }

  async stop(): Promise<void> {
    this.#ended = true;
    for (const child of this.#children) child.kill('SIGKILL');
    await until('the workers to end', () => this.#children.size === 0);
  }
}

describe(`transactions of ${JOBS} orders that commit, are rolled back, or die with their process`, () => {
  it(
    'end with effects = completed jobs, exactly',
    async () => {
      const postgres = { connectionString: space.url, schema: space.schema, poolSize: 4 };
      const home = { mode: 'db' as const, postgres, environment };
      const engine = new OqronEngine({
        ...home,
        logger: new RecordingLogger(),
        modules: [queueModule({ consume: false })],
      });
      const orders = engine.queue<number>({ name: 'orders' });
      const receipts = engine.queue({ name: 'receipts' });
      await orders.counts();
      const workers = new Workers(home);
      try {
        const added: string[] = [];
        const one = async (n: number): Promise<void> => {
          const client = await pool.connect();
          try {
            await client.query('begin');
            await orders.add(n, { tx: client, jobId: `order-${n}` });
            await client.query(`insert into "${space.schema}".effect values ($1, 'order')`, [`order-${n}`]);
            const commits = n % 4 !== 0;
            await client.query(commits ? 'commit' : 'rollback');
            if (commits) added.push(`order-${n}`);
          } finally {
            client.release();
          }
        };
        let next = 0;
        const lane = async (): Promise<void> => {
          for (let n = next++; n < JOBS; n = next++) await one(n);
        };
        await Promise.all(Array.from({ length: 8 }, lane));

        const done = async (): Promise<boolean> => {
          const counts = await Promise.all([orders.counts(), receipts.counts()]);
          return counts.every(({ completed }) => completed >= added.length);
        };
        await until('all jobs to be completed', done, 30_000 + JOBS * 60).catch(async (error: unknown) => {
          const left = JSON.stringify([await orders.counts(), await receipts.counts()]);
          throw new Error(`${String(error)}\n${left}\n${workers.output}`);
        });
        console.info(`${added.length} of ${JOBS} adds were committed; ${workers.deaths} processes died`);

        const none = { waiting: 0, active: 0, delayed: 0, failed: 0, cancelled: 0, completed: added.length };
        expect(await orders.counts()).toMatchObject(none);
        expect(await receipts.counts()).toMatchObject(none);
        const { rows } = await pool.query<{ job: string; parts: string }>(
          `select job, string_agg(part, ' ' order by part) as parts from "${space.schema}".effect group by job`,
        );
        expect(rows.map(({ job }) => job).toSorted()).toEqual(added.toSorted());
        expect(rows.filter(({ parts }) => parts !== 'first order receipt second')).toEqual([]);
        expect(workers.deaths).toBeGreaterThan(0);
        expect(workers.output).not.toMatch(/unhandled|ended with/i);
      } finally {
        await workers.stop();
        await engine.stop();
      }
    },
    90_000 + JOBS * 70,
  );
});
