import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import type { PostgresParts } from '../../lib/backends/postgres/parts.js';
import { PostgresJobStore } from '../../lib/backends/postgres/postgres-job-store.js';
import { Bench } from '../../lib/conformance/bench.js';
import { child, complete, fail, ids, job, jobs, release, retry } from '../../lib/conformance/build.js';
import { systemClock } from '../../lib/kernel/ports/system-clock.js';
import { DEFAULT_HISTORY_LIMITS } from '../../lib/kernel/ports/backend.js';
import { postgresSpace } from '../support/postgres-space.js';

/** Rows of each kind in the tables. */
const MANY = 60_000;
/** Rows that a scan may throw away. */
const FEW = 300;

const HOT = ['job', 'ready', 'parked', 'lease', 'done', 'link', 'outbox', 'call', 'history', 'dedup'];

/** A node of a plan, as `explain (format json)` names its parts. */
interface Node {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Index Cond'?: string;
  readonly 'Actual Rows'?: number;
  readonly 'Actual Loops'?: number;
  readonly 'Rows Removed by Filter'?: number;
  readonly Plans?: readonly Node[];
}

/** A session whose every statement, those inside of functions too, tells how it was carried out. */
class Watched {
  readonly bad = new Set<string>();
  plans = 0;
  watching = false;

  private constructor(
    readonly client: Client,
    readonly bench: Bench,
  ) {}

  static async open(environment: string): Promise<Watched> {
    const { url, names } = await postgresSpace();
    const client = new Client({ connectionString: url });
    client.on('error', () => undefined);
    await client.connect();
    await client.query(`load 'auto_explain'; set auto_explain.log_min_duration = 0;
      set auto_explain.log_nested_statements = on; set auto_explain.log_analyze = on; set auto_explain.log_timing = off;
      set auto_explain.log_format = json; set auto_explain.log_level = notice; set client_min_messages = notice`);
    const query = async (text: string, values: unknown[]): Promise<unknown[]> =>
      (await client.query(text, values)).rows;
    const lane = { query, repeated: query };
    const limits = DEFAULT_HISTORY_LIMITS;
    const parts = { pools: { lane: () => lane }, names, project: 'plans', environment, limits, clock: systemClock };
    const store = new PostgresJobStore(
      () => parts as unknown as PostgresParts,
      () => 'unknown',
    );
    const watched = new Watched(client, new Bench(store, undefined));
    client.on('notice', ({ message = '' }) => watched.#look(message));
    return watched;
  }

  #look(message: string): void {
    const at = message.indexOf('{');
    if (!this.watching || at < 0) return;
    const { Plan, 'Query Text': text } = JSON.parse(message.slice(at)) as { Plan: Node; 'Query Text': string };
    this.plans += 1;
    this.#walk(Plan, text.replaceAll(/\s+/g, ' ').slice(0, 160));
  }

  #walk(node: Node, text: string): void {
    const table = node['Relation Name']?.replace('oqron_', '') ?? '';
    if (HOT.includes(table) && node['Node Type'] !== 'ModifyTable') {
      const kind = node['Node Type'];
      const removed = node['Rows Removed by Filter'] ?? 0;
      const rows = (node['Actual Rows'] ?? 0) * (node['Actual Loops'] ?? 1);
      const byIndex = /^Index (Only )?Scan$/.test(kind) && node['Index Cond'] !== undefined;
      if (!byIndex && kind !== 'Tid Scan') this.bad.add(`${kind} of ${table}: ${text}`);
      else if (removed > FEW || rows > 2_000)
        this.bad.add(`${kind} of ${table}, ${rows} rows, ${removed} more: ${text}`);
    }
    for (const inner of node.Plans ?? []) this.#walk(inner, text);
  }

  async close(): Promise<void> {
    await this.client.end();
  }
}

let round = 0;

/** What a busy queue does all the time, and what happens to it now and then. */
async function live({ bench }: Watched): Promise<void> {
  const prefix = `round-${(round += 1)}-`;
  const p = bench.process(`p${round}`);
  await p.add('mail', ...jobs(80, { idGiven: false }, prefix));
  await p.add('mail', ...jobs(10, { keep: { completed: { count: 5, ageMs: null, from: 'job' } } }, `${prefix}kept-`));
  await p.add('mail', ...jobs(10, { keep: { completed: { count: 0, ageMs: null, from: 'job' } } }, `${prefix}gone-`));
  await p.add('mail', ...jobs(20, {}, prefix), ...jobs(20, { delayMs: 50 }, `${prefix}later-`));
  await p.add('mail', job(`${prefix}key`, { dedup: { key: prefix, mode: 'replace' } }));
  const parents = ids(await p.add('mail', ...jobs(5, {}, `${prefix}parent-`)));
  await p.add('mail', child(`${prefix}child`, parents));
  const held = await p.take('mail', 100);
  expect(held).toHaveLength(100);
  await p.extend('mail', held);
  const notes = held.slice(0, 3).map(({ id, fence }) => ({ queue: 'mail', id, fence, progress: { percent: 5 } }));
  await bench.store.annotate(notes, bench.at);
  const outcomes = held.map((one, i) => {
    if (i === 1) return fail(one);
    if (i === 2) return retry(one, 1_000);
    return i === 3 ? release(one) : complete(one);
  });
  const { claim } = await p.settle('mail', outcomes, { count: 100 });
  bench.forward(100);
  await p.settle(
    'mail',
    (claim?.jobs ?? []).map((one) => complete(one)),
    { count: 1 },
  );
  bench.forward(60_000);
  await bench.sweep(['mail']);
  await p.finish('mail', ...(await p.take('mail', 100)).map((one) => complete(one)));
}

/** Other queues are large, and so is the history of this one; their statistics are as old as the test says. */
async function fill(queue: string): Promise<void> {
  const { names, pools } = await postgresSpace();
  const run = (text: string): Promise<unknown> => pools.main.query(names.render(text));
  const from = 1_000_000 * (round + 1);
  await run(`insert into oqron.queue (space_id, name, linked) select id, 'big', true from oqron.space
    where environment = '${queue}' on conflict do nothing`);
  const big = `(select max(id) from oqron.queue where name = 'big')`;
  const mail = `(select max(id) from oqron.queue where name = 'mail')`;
  await run(`insert into oqron.job (seq, queue_id, created_at, id, name, data)
    select ${from} + i, case when i % 2 = 0 then ${big} else ${mail} end, 1000, 'old-' || ${from} + i, 'default', 'x'
    from generate_series(1, ${4 * MANY}) i`);
  await run(`insert into oqron.ready (ord, seq, run_at, queue_id, rank, size)
    select ${from} + i, ${from} + i, 1000, case when i % 2 = 0 then ${big} else ${mail} end, 0, 1
    from generate_series(1, ${MANY}) i`);
  await run(`insert into oqron.lease (fence, seq, until, ord, run_at, started_at, queue_id, size, flags, attempt, stalled,
      policy, id, owner)
    select ${from} + i, ${from} + i, 9e15, i, 1000, 1000, ${big}, 1, 0, 1, 0, 1, 'old-' || ${from} + i, 'somebody'
    from generate_series(${MANY + 1}, ${2 * MANY}) i where i % 2 = 0`);
  await run(`insert into oqron.done (seq, finished_at, ord, run_at, fence, queue_id, flags, attempt, stalled, place)
    select ${from} + i, 1000 + i, ${from} + i, 1000, ${from} + i, case when i % 2 = 0 then ${big} else ${mail} end, 0, 1,
      0, 7 + i % 3 from generate_series(${2 * MANY + 1}, ${3 * MANY}) i`);
  await run(`insert into oqron.parked (seq, ord, run_at, k1, queue_id, size, place)
    select ${from} + i, ${from} + i, 9e12 + i, 9e12 + i, case when i % 2 = 0 then ${big} else ${mail} end, 1, 3
    from generate_series(${3 * MANY + 1}, ${4 * MANY}) i`);
  await run(`insert into oqron.dedup (queue_id, key, seq, throttle, until, id, created_at, run_at)
    select ${mail}, 'key-' || ${from} + i, ${from} + i, true, 9e15, 'old', 1, 1 from generate_series(1, ${MANY}) i`);
  await run(`select setval('oqron.ord', ${from} + 900000)`);
}

describe('plans of the hot statements', () => {
  let early: Watched;

  beforeAll(async () => {
    // Plans are kept from when the tables were empty, and known to be. Whatever is done to a table has them made anew,
    // so it is done before.
    const { names, pools } = await postgresSpace();
    for (const table of HOT) {
      await pools.main.query(names.render(`alter table oqron.${table} set (autovacuum_enabled = off)`));
      await pools.main.query(names.render(`vacuum analyze oqron.${table}`));
    }
    early = await Watched.open('plans');
    await live(early);
    await live(early);
    await fill('plans');
  }, 60_000);

  afterAll(() => early?.close());

  const badPlans = async (watched: Watched): Promise<string[]> => {
    watched.bad.clear();
    watched.plans = 0;
    watched.watching = true;
    await live(watched);
    watched.watching = false;
    if (watched.plans < 200) throw new Error(`only ${watched.plans} plans were told`);
    return [...watched.bad];
  };

  it('would be told apart from one that reads a whole table', async () => {
    const { names } = await postgresSpace();
    const watched = await Watched.open('plans');
    try {
      watched.watching = true;
      await watched.client.query(names.render('select max(run_at) from oqron.ready'));
      await watched.client.query('set enable_seqscan = off');
      await watched.client.query(names.render('select max(run_at) from oqron.ready where queue_id > 0'));
      await watched.client.query(names.render(`select * from oqron.ready where queue_id > 0 and size = -1`));
      expect(watched.bad.size).toBeGreaterThan(1);
    } finally {
      await watched.close();
    }
  });

  it('read by index what they need, as planned while the tables were empty', async () => {
    expect(await badPlans(early)).toEqual([]);
  }, 60_000);

  it('read by index what they need, as planned without statistics', async () => {
    const late = await Watched.open('plans');
    try {
      expect(await badPlans(late)).toEqual([]);
    } finally {
      await late.close();
    }
  }, 60_000);

  it('read by index what they need, as planned with statistics', async () => {
    const { names, pools } = await postgresSpace();
    for (const table of HOT) await pools.main.query(names.render(`analyze oqron.${table}`));
    const late = await Watched.open('plans');
    try {
      expect(await badPlans(late)).toEqual([]);
      expect(await badPlans(early)).toEqual([]);
    } finally {
      await late.close();
    }
  }, 60_000);
});
