// bee-queue on Redis, as its documentation advises for throughput: no events, no jobs kept in the memory of the producer.
// It cannot bound its history, so it deletes nothing here, and it keeps no results: less work than ours. Its leases are on:
// workers tell that they live, and jobs of one that does not are looked for.
import BeeQueue from 'bee-queue';

const COMMON = { getEvents: false, sendEvents: false, storeJobs: false };

export async function connect({ url, space: prefix }) {
  const open = new Set();
  const make = async (name, options) => {
    const queue = new BeeQueue(name, { ...COMMON, ...options, prefix, redis: { url } });
    queue.on('error', (error) => console.error(error));
    open.add(queue);
    await queue.ready();
    return queue;
  };
  const producers = new Map();
  const producerOf = (name) => {
    if (!producers.has(name)) producers.set(name, make(name, { isWorker: false }));
    return producers.get(name);
  };
  const close = async (queue) => {
    open.delete(queue);
    await queue.close();
  };
  return {
    async producer(name) {
      const queue = await producerOf(name);
      return {
        add: (data) => queue.createJob(data).save(),
        async addBulk(all) {
          const errors = await queue.saveAll(all.map((data) => queue.createJob(data)));
          for (const error of errors.values()) throw error;
        },
      };
    },
    async consumer(name, { handler, concurrency }) {
      const queue = await make(name, {});
      queue.process(concurrency, ({ data }) => handler(data));
      // As it advises: half of its `stallInterval`. The timer ends with the queue.
      void queue.checkStalledJobs(queue.settings.stallInterval / 2).catch((error) => console.error(error));
      return { close: () => close(queue) };
    },
    async counts(name) {
      const { waiting, active } = await (await producerOf(name)).checkHealth();
      return { waiting, active };
    },
    async close() {
      for (const queue of open) await close(queue);
    },
  };
}
