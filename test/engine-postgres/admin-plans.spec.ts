import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { FunctionRunner } from '../../lib/backends/postgres/function-runner.js';
import type { PostgresParts } from '../../lib/backends/postgres/parts.js';
import { readTarget } from '../../lib/backends/postgres/options.js';
import { PostgresPools } from '../../lib/backends/postgres/pools.js';
import { PostgresAdmin } from '../../lib/backends/postgres/postgres-admin.js';
import { JOB_STATUSES } from '../../lib/kernel/job/states.js';
import { DEFAULT_HISTORY_LIMITS } from '../../lib/kernel/ports/backend.js';
import { systemClock } from '../../lib/kernel/ports/system-clock.js';
import { postgresSpace } from '../support/postgres-space.js';

/** Jobs in the tables, over ten queues. */
const JOBS = 80_000;
/** Rows of one table that an operation on one job may read by an index. */
const FEW = 200;
/** The same for a page of 1 000 jobs; the last page of a check counts each set up to 10 000 entries. */
const PAGE = 15_000;
/** Rows that may be read by scanning a table: those of one that is small. */
const SCAN = 200;

let pools: PostgresPools;
let admin: PostgresAdmin;
let sql: (text: string) => Promise<Record<string, unknown>[]>;
let calls = 0;

const call = (): { client: string; n: number; acked: number } => ({ client: 'p', n: (calls += 1), acked: calls - 1 });

/** As many jobs of each kind, written without the store: half of what waits is waited for by a blocked one. */
const FILL = [
  `insert into oqron.space (project, environment) values ('p', 'e')`,
  `insert into oqron.queue (space_id, name, recorded) select 1, 'q' || i, true from generate_series(0, 9) i`,
  `insert into oqron.job (seq, queue_id, created_at, id, name, data)
   select i, 1 + i % 10, 1000, 'job-' || i, 'default', repeat('x', 100) from generate_series(1, ${JOBS}) i`,
  `insert into oqron.ready (ord, seq, run_at, queue_id, rank, size, flags)
   select i, i, 1000, 1 + i % 10, 0, 100, case when i <= ${JOBS / 8} then 2 else 0 end from generate_series(1, ${JOBS / 4}) i`,
  `insert into oqron.parked (seq, ord, run_at, k1, queue_id, size, place)
   select i, i, 9e12 + i, 9e12 + i, 1 + i % 10, 100, 3 from generate_series(${JOBS / 4 + 1}, ${JOBS / 2}) i`,
  `insert into oqron.parked (seq, ord, run_at, k1, queue_id, size, place, flags)
   select i, i, 1000, 0, 1 + i % 10, 100, 4, 1 from generate_series(${JOBS / 2 + 1}, ${JOBS / 2 + JOBS / 8}) i`,
  `insert into oqron.link (child, n, parent, queue_id, id, policy, waits, bound)
   select seq, 1, seq - ${JOBS / 2}, queue_id, 'job-' || (seq - ${JOBS / 2}), 0, true, true from oqron.parked where place = 4`,
  `insert into oqron.done (seq, finished_at, ord, run_at, fence, queue_id, flags, attempt, stalled, place)
   select i, extract(epoch from now()) * 1000 - 100000 + i, i, 1000, i, 1 + i % 10, 4, 1, 0, 7 + i % 3
   from generate_series(${JOBS / 2 + JOBS / 8 + 1}, ${JOBS}) i`,
  `insert into oqron.history (seq, timeline) select seq, '{f1000:1:x}' from oqron.done`,
  `insert into oqron.count (queue_id, place, n) select queue_id, 1, count(*) from oqron.ready group by 1`,
  `insert into oqron.count (queue_id, place, n) select queue_id, place, count(*) from oqron.parked group by 1, 2`,
  `insert into oqron.count (queue_id, place, n) select queue_id, place, count(*) from oqron.done group by 1, 2`,
  `select setval('oqron.ord', 1000000)`,
];

const TABLES = ['job', 'ready', 'parked', 'done', 'history', 'link', 'count'];

beforeAll(async () => {
  const { url, schema, names } = await postgresSpace();
  // One connection: its own statistics tell what each operation read.
  pools = await PostgresPools.open(
    readTarget({ connectionString: url, schema, poolSize: 1 }),
    systemClock,
    () => undefined,
  );
  const limits = DEFAULT_HISTORY_LIMITS;
  const parts = { pools, names, project: 'p', environment: 'e', limits, clock: systemClock } as PostgresParts;
  admin = new PostgresAdmin(() => parts, new FunctionRunner(() => parts));
  sql = (text) => pools.main.query(names.render(text));
  for (const table of TABLES) await sql(`alter table oqron.${table} set (autovacuum_enabled = off)`);
  for (const text of FILL) await sql(text);
});

afterAll(() => pools?.close());

/** Rows that were read by scanning a table, and by an index: for each table. */
type Read = Readonly<Record<string, readonly [scanned: number, fetched: number]>>;

async function readSoFar(): Promise<Read> {
  const rows = await sql(`select relname, seq_tup_read::float8 as scanned, idx_tup_fetch::float8 as fetched
    from pg_stat_xact_all_tables
    where relid in (${TABLES.map((table) => `'oqron.${table}'::regclass`).join(', ')})`);
  return Object.fromEntries(rows.map((row) => [row['relname'], [Number(row['scanned']), Number(row['fetched'])]]));
}

/** Runs it and says of which tables it read more than `most` rows, or scanned more than a page or two. */
async function greedy(most: number, operation: () => Promise<unknown>): Promise<string[]> {
  const before = await readSoFar();
  await operation();
  const after = await readSoFar();
  return Object.entries(after).flatMap(([table, [scanned, fetched]]) => {
    const [scannedBefore, fetchedBefore] = before[table] ?? [0, 0];
    // The server starts anew when it has passed its numbers on to the shared statistics.
    const anew = scanned < scannedBefore || fetched < fetchedBefore;
    const all = scanned - (anew ? 0 : scannedBefore);
    const some = fetched - (anew ? 0 : fetchedBefore);
    return all > SCAN || some > most ? [`${table}: ${all} scanned, ${some} by an index`] : [];
  });
}

/** Each run of the list works on other jobs. */
function operations(run: number): readonly (readonly [string, number, () => Promise<unknown>])[] {
  const queue = 'q1';
  const at = (n: number): string => `job-${n + 1 + 10 * run}`;
  const as = { newId: `again-${run}`, from: JOB_STATUSES };
  const ten = Array.from({ length: 10 }, (_, i) => at(10 * i));
  return [
    ['get', FEW, () => admin.get(queue, at(JOBS - 1_000))],
    ['counts', FEW, () => admin.counts(queue)],
    ['record', FEW, () => admin.record(queue)],
    ['locate', FEW, () => admin.locate(ten)],
    ['cancel a job that others wait for', FEW, () => admin.cancel(call(), queue, at(100), undefined)],
    ['cancel a blocked job', FEW, () => admin.cancel(call(), queue, at(JOBS / 2 + 1_000), undefined)],
    ['remove a finished job', FEW, () => admin.remove(call(), queue, at(JOBS - 2_000))],
    ['promote', FEW, () => admin.promote(call(), queue, at(JOBS / 4 + 1_000))],
    ['updateData', FEW, () => admin.updateData(call(), queue, at(JOBS / 4 + 2_000), 'x')],
    ['changeDelay', FEW, () => admin.changeDelay(call(), queue, at(JOBS / 4 + 3_000), 5)],
    ['changePriority', FEW, () => admin.changePriority(call(), queue, at(JOBS / 8 + 1_000), 5)],
    ['retry', FEW, () => admin.retry(call(), queue, at(JOBS - 3_000), as)],
    ['pause', FEW, () => admin.pause(call(), queue)],
    ['resume', FEW, () => admin.resume(call(), queue)],
    ['obliterate 20', 20 * FEW, () => admin.obliterate(call(), 'q2', { limit: 20 })],
    ...JOB_STATUSES.map(
      (status) => [`find 20 ${status}`, FEW, () => admin.find({ queue, status, limit: 20 })] as const,
    ),
    ['find with a filter', PAGE, () => admin.find({ queue, status: 'failed', limit: 5, filter: { name: 'none' } })],
    ['verify a page of waiting', PAGE, () => admin.verify({ queue, limit: 1_000 })],
    ['verify a page of blocked', PAGE, () => admin.verify({ queue, limit: 1_000, cursor: '4:-1:-1:' })],
    ['verify a page of finished', PAGE, () => admin.verify({ queue, limit: 1_000, cursor: '7:-1:-1:' })],
    ['verify the last page', PAGE, () => admin.verify({ queue, limit: 1_000, cursor: '13:0:0:7a' })],
  ];
}

describe('what administration reads', () => {
  for (const [run, how] of ['before the tables were ever analyzed', 'after they were analyzed'].entries()) {
    it(`does not grow with the tables: ${how}`, async () => {
      if (run === 1) for (const table of TABLES) await sql(`analyze oqron.${table}`);
      for (const [name, most, operation] of operations(run)) {
        expect({ name, greedy: await greedy(most, operation) }).toEqual({ name, greedy: [] });
      }
    });
  }
});
