import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import { createPostgresBackend, type PostgresBackend } from '../../lib/backends/postgres/index.js';
import { Process, type World } from '../../lib/conformance/process.js';
import { child, complete, fail, job, jobs, policy, retry, storedError } from '../../lib/conformance/build.js';
import { postgresSpace } from '../support/postgres-space.js';
import { until } from '../support/until.js';

const DOCS = fileURLToPath(new URL('../../docs/postgresql.md', import.meta.url));

/** Every statement of the section about the views, in order. */
function documented(): string[] {
  const text = readFileSync(DOCS, 'utf8');
  const section = text.slice(text.indexOf('\n## Query jobs with SQL'));
  const end = section.indexOf('\n## ', 4);
  return [...section.slice(0, end < 0 ? undefined : end).matchAll(/```sql\n([\s\S]*?)```/g)].map(
    ([, sql]) => sql ?? '',
  );
}

/** The documented statement in which this stands. */
function statement(part: string): string {
  const found = documented().filter((sql) => sql.includes(part));
  if (found.length !== 1) throw new Error(`${found.length} documented statements have ${part}`);
  return found[0] as string;
}

let client: Client;
let backend: PostgresBackend;
let p: Process;

type Row = Record<string, unknown>;
const run = async (sql: string): Promise<Row[]> => (await client.query<Row>(sql)).rows;

beforeAll(async () => {
  const { url, schema } = await postgresSpace();
  client = new Client({ connectionString: url, options: `-c search_path="${schema}"` });
  client.on('error', () => undefined);
  await client.connect();
  backend = createPostgresBackend({
    postgres: { connectionString: url, schema, poolSize: 2 },
    project: 'shop',
    environment: 'production',
  });
  await backend.open();
  const { store } = backend;
  const world: World = { store, admin: store.admin, at: {} };
  p = new Process(world, 'worker-1');

  await p.add('mail', job('order-4711', { name: 'invoice', data: '{"n":1}', meta: { correlationId: 'req-1' } }));
  await p.finish('mail', retry(await p.takeOne('mail'), 0, { error: storedError('no paper') }));
  const logs = [{ at: 1_700_000_000_500, level: 'warn' as const, message: 'slow', meta: { ms: 5 } }];
  await p.finish('mail', complete(await p.takeOne('mail'), { result: '"sent"', note: { logs } }));
  await p.add('mail', job('bad-1'), job('bad-2'), job('bad-3'));
  for (const held of await p.take('mail', 3)) {
    await p.finish('mail', fail(held, { error: storedError(held.id === 'bad-3' ? 'other' : 'no such address') }));
  }
  await p.add('sms', job('stopped'), job('crashed'), job('runs', { meta: { correlationId: 'req-1' } }));
  await p.cancel('sms', 'stopped', 'not needed');
  await p.takeOne('sms', { leaseMs: 1, policy: policy({ guaranteedWorker: false }) });
  await until('the lease to expire', async () => (await store.sweep({ queues: ['sms'], limit: 10 })).swept.length > 0);
  await p.takeOne('sms');
  await p.add('sms', job('later', { delayMs: 60_000 }), child('waits', [{ queue: 'sms', id: 'runs' }]));
  await p.add('sms', child('orphan', [{ queue: 'sms', id: 'stopped' }], 'cascade-fail'));
  await p.disable('off');
  await p.add('off', job('held'));
  await p.add('many', ...jobs(1_000), job('needle'));
});

afterAll(async () => {
  await backend?.close();
  await client?.end();
});

describe('the documented statements', () => {
  it('run as they stand there', async () => {
    const all = documented();
    expect(all.length).toBeGreaterThan(7);
    for (const sql of all) if (!sql.startsWith('grant')) await run(sql);
    // A role of that name may be somebody's own.
    await run(statement('grant select').replace('reporting', 'current_user'));
  });

  it('tell the state of every queue', async () => {
    const rows = await run(statement('from oqron_queues'));
    expect(rows[0]).toMatchObject({ queue: 'many', waiting: '1001' });
    expect(rows).toHaveLength(4);
    const byName = new Map(rows.map((row) => [row['queue'], row]));
    expect(byName.get('mail')).toMatchObject({ completed: '1', failed: '3', waiting: '0', paused: false });
    expect(byName.get('sms')).toMatchObject({ delayed: '1', active: '1', failed: '2', disabled: false });
    expect(byName.get('off')).toMatchObject({ disabled: true, waiting: '0' });
  });

  it('tell of one job what happened to it', async () => {
    expect(await run(statement('data::jsonb'))).toEqual([
      { status: 'completed', attempt: 2, owner: 'worker-1', error_message: null, data: { n: 1 } },
    ]);
    const history = await run(statement('from oqron_job_history'));
    expect(history.map(({ event }) => event)).toEqual(['added', 'attempt-failed', 'started', 'completed']);
    expect(history[1]).toMatchObject({ attempt: 1, detail: 'Error: no paper' });
    const times = history.map(({ at }) => (at as Date).getTime());
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(await run(statement('from oqron_job_logs'))).toEqual([
      { at: new Date(1_700_000_000_500), level: 'warn', message: 'slow' },
    ]);
  });

  it('tell why jobs failed, what runs, how long it took, and what belongs together', async () => {
    expect(await run(statement('group by error_name'))).toMatchObject([
      { error_name: 'Error', error_message: 'no such address', count: '2' },
      { error_name: 'Error', error_message: 'other', count: '1' },
    ]);
    expect(await run(statement("status = 'active'"))).toMatchObject([{ queue: 'sms', id: 'runs', owner: 'worker-1' }]);
    const [times] = await run(statement('percentile_cont'));
    expect(times).toMatchObject({ name: 'invoice', count: '1' });
    expect(Number(times?.['waited_p95_s'])).toBeGreaterThanOrEqual(0);
    expect(Number(times?.['ran_p95_s'])).toBeGreaterThanOrEqual(0);
    expect((await run(statement('correlationId'))).map(({ id }) => id)).toEqual(['order-4711', 'runs']);
  });
});

describe('the view of jobs', () => {
  it('shows each job once, in the state and with the times that the store says', async () => {
    const { admin } = backend.store;
    for (const queue of ['mail', 'sms', 'off']) {
      const rows = await run(`select * from oqron_jobs where queue = '${queue}'`);
      const seen = rows.map(({ id }) => String(id));
      expect(new Set(seen).size).toBe(seen.length);
      for (const row of rows) {
        const stored = await admin.get(queue, String(row['id']));
        const ms = (column: string): number | undefined => (row[column] as Date | null)?.getTime();
        expect(row).toMatchObject({
          name: stored?.name,
          status: stored?.status,
          attempt: stored?.attempt,
          stalled_count: stored?.stalledCount,
          error_name: stored?.error?.name ?? null,
          error_code: stored?.error?.code ?? null,
          dead_letter: stored?.dead,
        });
        expect([ms('created_at'), ms('run_at'), ms('started_at'), ms('finished_at')]).toEqual([
          stored?.createdAt,
          stored?.runAt,
          stored?.startedAt,
          stored?.finishedAt,
        ]);
      }
    }
    const states = await run("select id, status from oqron_jobs where queue = 'sms' order by id");
    expect(states.map(({ id, status }) => `${String(id)} ${String(status)}`)).toEqual([
      'crashed failed',
      'later delayed',
      'orphan failed',
      'runs active',
      'stopped cancelled',
      'waits waiting-children',
    ]);
  });

  it('says in words why the store ended a job', async () => {
    const rows = await run(
      "select id, error_code, error_message, reason from oqron_jobs where queue = 'sms' and finished_at is not null order by id",
    );
    expect(rows).toEqual([
      {
        id: 'crashed',
        error_code: 'CRASHED',
        error_message: 'the lease of "worker-1" expired while the job ran',
        reason: null,
      },
      {
        id: 'orphan',
        error_code: 'PARENT_FAILED',
        error_message: 'its parent, job "stopped" of queue "sms", was cancelled',
        reason: null,
      },
      { id: 'stopped', error_code: null, error_message: null, reason: 'not needed' },
    ]);
  });

  it('finds a job by its id, and the jobs of a queue, by an index', async () => {
    for (const table of ['space', 'queue', 'job', 'ready', 'parked', 'lease', 'done'])
      await run(`analyze oqron_${table}`);
    const plan = async (where: string): Promise<string> => {
      const rows = await run(
        `explain select id, data from oqron_jobs where project = 'shop' and queue = 'many' and ${where}`,
      );
      return rows.map((row) => String(row['QUERY PLAN'])).join('\n');
    };
    // Small tables are read whole rather than by their index.
    await run('set enable_seqscan = off');
    expect(await plan("id = 'needle'")).not.toContain('Seq Scan');
    const failed = await plan("status = 'failed'");
    expect(failed).not.toContain('Seq Scan');
    expect(failed).not.toMatch(/oqron_(ready|lease)\b/);
  });
});
