import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { Pool } from 'pg';
import { openJobs } from '../../lib/backends/postgres/decode.js';
import { LeaseNumbers } from '../../lib/backends/postgres/lease-numbers.js';
import type { PostgresBackend } from '../../lib/backends/postgres/index.js';
import { job } from '../../lib/conformance/build.js';
import { freshBackend } from '../support/postgres.js';
import { postgresSpace, type PostgresSpace } from '../support/postgres-space.js';
import { until } from '../support/until.js';

const QUEUE = 'last-look';
const POLICY = '[true, 1, 0, 0, true, null, null, true, null, null, false, null]';
const FAR_TURN = 1;

let space: PostgresSpace;
let pool: Pool;
let backend: PostgresBackend;

beforeAll(async () => {
  space = await postgresSpace();
  backend = await freshBackend();
  pool = new Pool({ connectionString: space.url });
});
afterAll(async () => {
  await pool.end();
  await backend.close();
});

const sql = (text: string): string => space.names.sql(text);

it('hands out a job that comes between two looks that found nothing and the last one', async () => {
  await backend.store.admin.declare({ client: 'p', n: 1, acked: 0 }, QUEUE, {});
  const found = await pool.query(
    sql(`select q.id, s.project, s.environment, (select last_value from oqron.returned) as returned
      from oqron.queue q join oqron.space s on s.id = q.space_id where q.name = $1`),
    [QUEUE],
  );
  const { id, project, environment, returned } = found.rows[0] as Record<string, string>;
  await backend.store.enqueue({ client: 'p', n: 2, acked: 1 }, QUEUE, [[job('late')]]);
  // A claim passes over what another one looks at, and waits for this lock before its last look.
  const other = await pool.connect();
  await other.query('begin');
  await other.query(sql('select from oqron.ready where queue_id = $1 for update'), [id]);
  await other.query(sql(`select pg_advisory_xact_lock_shared(hashtext('oqron.idle'), $1)`), [id]);
  const request = [
    ...[QUEUE, 'w', 1, 0, 1, 30_000, 'w', 'last-look', POLICY, false],
    ...[null, null, null, true, FAR_TURN, Number(returned)],
  ];
  const claim = pool.query(sql('select * from oqron.claim_v1($1, $2, null, 100, $3)'), [
    project,
    environment,
    JSON.stringify([request]),
  ]);
  await until('the claim to wait', async () => {
    const waiting = await pool.query(
      `select from pg_locks where locktype = 'advisory' and not granted and objid = $1`,
      [id],
    );
    return waiting.rowCount;
  });
  await other.query('commit');
  other.release();
  const { rows } = await claim;
  const jobs = openJobs((rows[0] as { jobs: string }).jobs, new LeaseNumbers());
  expect(jobs.map(({ id: one }) => one)).toEqual(['late']);
});
