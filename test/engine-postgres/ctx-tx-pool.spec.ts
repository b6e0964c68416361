import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Pool } from 'pg';
import { OqronEngine, type JobContext } from 'oqronkit';
import { postgresSpace, type PostgresSpace } from '../support/postgres-space.js';
import { RecordingLogger } from '../support/recording-logger.js';
import { until } from '../support/until.js';

/** `OQRON_TX_SECONDS=30` by hand. */
const SECONDS = Number(process.env['OQRON_TX_SECONDS'] ?? 6);
const HANDLERS = 100;
const CONNECTIONS = 10;
/** How long one transaction stays open (s). A handler waits for its turn HANDLERS / CONNECTIONS times as long. */
const OPEN_S = 0.25;

let space: PostgresSpace;

beforeAll(async () => {
  space = await postgresSpace();
  await space.pools.main.query(`create table "${space.schema}".effect (job text not null)`);
});

/** The pool that they share: one that the application has, or the one that the engine makes. */
describe.each(['the application', 'the engine'])(
  `${HANDLERS} handlers in ctx.tx on ${CONNECTIONS} connections of %s`,
  (whose) => {
    let pool: Pool;
    beforeAll(() => {
      pool = new Pool({ connectionString: space.url, max: CONNECTIONS });
      pool.on('error', () => undefined);
    });
    afterAll(() => pool.end());

    it(
      `lose no lease in ${SECONDS} s, and other queues do not starve`,
      async () => {
        const log = new RecordingLogger();
        const postgres = { connectionString: space.url, schema: space.schema, poolSize: CONNECTIONS };
        const engine = new OqronEngine({ mode: 'db', postgres, environment: whose, logger: log });
        const lost: string[] = [];
        for (const event of ['worker:lost-lease', 'job:stalled', 'job:retry', 'job:fail'] as const) {
          engine.on(event, ({ id }) => lost.push(`${event} ${id}`));
        }
        const slow = engine.queue<string>({
          name: 'slow',
          concurrency: HANDLERS,
          // Shorter than a handler waits for a connection: its lease has to be renewed all the while.
          lockTtlMs: 1_500,
          heartbeatMs: 400,
          removeOnComplete: false,
          handler: (ctx: JobContext<string>) =>
            ctx.tx(
              async (client) => {
                await client.query(`insert into "${space.schema}".effect values ($1)`, [ctx.id]);
                await client.query(`select pg_sleep(${OPEN_S})`);
              },
              whose === 'the application' ? { using: pool } : {},
            ),
        } as never);
        const waits: number[] = [];
        const addTimes: number[] = [];
        let running = { active: 0, completed: 0 };
        const other = engine.queue<number>({
          name: 'other',
          concurrency: 5,
          pollIntervalMs: 200,
          handler: (ctx: JobContext<number>) => void waits.push(performance.now() - ctx.data),
        } as never);
        try {
          await engine.start();
          const end = performance.now() + SECONDS * 1_000;
          // More than there is time for.
          const total = HANDLERS + Math.ceil((2 * SECONDS * CONNECTIONS) / OPEN_S);
          await slow.addBulk(Array.from({ length: total }, (_, i) => ({ data: 'x', opts: { jobId: `s${i}` } })));
          await until('all handlers to run', async () => (await slow.counts()).active === HANDLERS);

          while (performance.now() < end) {
            const began = performance.now();
            await other.add(began);
            addTimes.push(performance.now() - began);
          }
          running = await slow.counts();
          expect(running.active).toBeGreaterThanOrEqual(HANDLERS - CONNECTIONS);
          await until('the others', () => waits.length === addTimes.length, 15_000);
        } finally {
          await engine.stop();
        }

        expect(lost).toEqual([]);
        const { completed } = running;
        console.info(
          `${whose}: ${completed} transactions; of ${waits.length} other jobs the slowest add took ` +
            `${Math.round(Math.max(...addTimes))} ms, the longest wait ${Math.round(Math.max(...waits))} ms`,
        );
        expect(completed).toBeGreaterThan((SECONDS * CONNECTIONS) / OPEN_S / 4);
        expect(Math.max(...addTimes)).toBeLessThan(1_500);
        // A wake-up that gets lost costs a poll interval.
        expect(waits.length).toBeGreaterThan(SECONDS * 20);
        const rows = await space.pools.main.query<{ n: number; jobs: number }>(
          `select count(*) as n, count(distinct job) as jobs from "${space.schema}".effect`,
        );
        expect(rows[0]?.n).toBe(rows[0]?.jobs);
        await space.pools.main.query(`truncate "${space.schema}".effect`);
      },
      60_000 + SECONDS * 3_000,
    );
  },
);
