// BullMQ on Redis, as its documentation advises for throughput: no metrics, no listeners of events, a bounded history.
import { Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';

export async function connect({ url, space: prefix }) {
  const open = [];
  const connection = () => {
    const client = new Redis(url, { maxRetriesPerRequest: null });
    open.unshift(client);
    return client;
  };
  /** Workers of one process may share it; each makes another one that waits for jobs. */
  let shared;
  const queues = new Map();
  const queueOf = async (name) => {
    if (!queues.has(name)) {
      const queue = new Queue(name, { connection: connection(), prefix });
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
      const worker = new Worker(name, ({ data }) => handler(data), {
        connection: many ? (shared ??= connection()) : connection(),
        prefix,
        concurrency,
        // By count only: an age as well, which is our default, would cost it a look at the history for each job.
        removeOnComplete: { count: keep },
        removeOnFail: { count: keep },
      });
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
      for (const one of open) await (one instanceof Redis ? one.quit() : one.close());
    },
  };
}
