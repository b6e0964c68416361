// pg-boss. It keeps what is done by age only (seven days), so it deletes nothing here, and stores results as we do. A job
// that is active for fifteen minutes expires, its default.
import pg from 'pg';
import { PgBoss } from 'pg-boss';

const SCHEMA = 'pgboss';

/** Jobs are fetched and completed in batches. Two in flight keep both the server and the process busy; more cost more than they bring. */
const BATCHES = 2;

export async function connect({ url, notify = false }) {
  const boss = new PgBoss({ connectionString: url, schema: SCHEMA, schedule: false, useListenNotify: notify });
  boss.on('error', (error) => console.error(error));
  await boss.start();
  const reads = new pg.Pool({ connectionString: url, max: 1 });
  reads.on('error', () => undefined);
  const made = new Map();
  const queueOf = (name) => {
    if (!made.has(name)) made.set(name, boss.createQueue(name, { notify }));
    return made.get(name);
  };
  return {
    async producer(name) {
      await queueOf(name);
      return {
        add: (data) => boss.send(name, data),
        addBulk: (all) =>
          boss.insert(
            name,
            all.map((data) => ({ data })),
          ),
      };
    },
    async consumer(name, { handler, concurrency, many }) {
      await queueOf(name);
      const workers = many ? 1 : Math.min(BATCHES, concurrency);
      const options = {
        localConcurrency: workers,
        batchSize: Math.ceil(concurrency / workers),
        burstWhenBatchFull: true,
        // Each job has its own outcome and result.
        perJobResults: true,
      };
      const one = async ({ id, data }) => ({ id, status: 'completed', output: { value: await handler(data) } });
      await boss.work(name, options, (jobs) => Promise.all(jobs.map(one)));
      return { close: () => boss.offWork(name) };
    },
    async counts(name) {
      const { rows } = await reads.query(
        `select count(*) filter (where state < 'active')::int as waiting,
            count(*) filter (where state = 'active')::int as active
          from ${SCHEMA}.job where name = $1 and state <= 'active'`,
        [name],
      );
      return rows[0];
    },
    async close() {
      await boss.stop({ graceful: true, timeout: 5_000 });
      await reads.end();
    },
  };
}
