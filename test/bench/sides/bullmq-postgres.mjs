// BullMQ on PostgreSQL, as its documentation advises for throughput: no metrics, no listeners of events, a bounded history.
import { createPostgresBackend, Queue, runMigrations, Worker } from 'bullmq';
import pg from 'pg';

const SCHEMA = 'bullmq';

export async function connect({ url }) {
  await migrate(url);
  const open = [];
  /** With pools of its own making, it asks for a `require` that modules do not have. */
  const poolOf = (max) => {
    const options = `-c search_path=${SCHEMA}`;
    const pool = new pg.Pool({ connectionString: url, max, options, keepAlive: true });
    pool.on('error', () => undefined);
    open.unshift({ close: () => pool.end() });
    return pool;
  };
  const queues = new Map();
  const queueOf = async (name) => {
    if (!queues.has(name)) {
      const queue = new Queue(name, { connection: poolOf(10) }, createPostgresBackend);
      queues.set(name, queue);
      open.unshift(queue);
      await queue.waitUntilReady();
    }
    return queues.get(name);
  };
  return {
    async producer(name) {
      const queue = await queueOf(name);
      return {
        add: (data) => queue.add('job', data),
        addBulk: (all) => queue.addBulk(all.map((data) => ({ name: 'job', data }))),
      };
    },
    async consumer(name, { handler, concurrency, keep, many }) {
      const options = {
        // One connection of each worker listens.
        connection: poolOf(many ? 2 : 11),
        concurrency,
        // By count only: an age as well, which is our default, would cost it a look at the history for each job.
        removeOnComplete: { count: keep },
        removeOnFail: { count: keep },
      };
      const worker = new Worker(name, ({ data }) => handler(data), options, createPostgresBackend);
      open.unshift(worker);
      worker.on('error', (error) => console.error(error));
      await worker.waitUntilReady();
      return { close: () => worker.close() };
    },
    async counts(name) {
      const { wait, active } = await (await queueOf(name)).getJobCounts('wait', 'active');
      return { waiting: wait, active };
    },
    async close() {
      for (const one of open) await one.close();
    },
  };
}

async function migrate(url) {
  const client = new pg.Client(url);
  await client.connect();
  await runMigrations(client);
  await client.end();
}
