// We. A file of this folder is one side of a comparison and exports
//   connect({ url, space, ...options of the target }) -> { producer(queue), consumer(queue, options), counts(queue), close() }
// A producer has `add(data)` and `addBulk([data])`; a consumer runs until `close()`. `keep` = finished jobs that stay.
// When a process consumes `many` queues, `consuming()` is called, where there is one, after the last of them.
import { OqronEngine } from '../lib/oqronkit.mjs';

const AGE_SECONDS = 24 * 3600;

/** `prefetch` = the option of a queue; without it the default. */
export async function connect({ mode, url, space, prefetch }) {
  const store = mode === 'db' ? { mode, postgres: url } : { mode, redis: url };
  const engine = new OqronEngine({ ...store, project: space, logger: false });
  await engine.start();
  const queues = new Map();
  const queueOf = (name, options = {}) => {
    if (!queues.has(name)) queues.set(name, engine.queue({ name, ...options }));
    return queues.get(name);
  };
  return {
    async producer(name) {
      const queue = queueOf(name);
      return {
        add: (data) => queue.add(data),
        addBulk: (all) => queue.addBulk(all.map((data) => ({ data }))),
      };
    },
    async consumer(name, { handler, concurrency, keep }) {
      queueOf(name, {
        concurrency,
        ...(prefetch !== undefined && { prefetch }),
        // The age is the default one.
        removeOnComplete: keep === 0 ? true : { count: keep, age: AGE_SECONDS },
        handler: ({ data }) => handler(data),
      });
      // An idle queue costs next to nothing, and it ends with the engine.
      return { close: async () => undefined };
    },
    async counts(name) {
      const queue = queueOf(name);
      const [waiting, active] = await Promise.all([queue.count('waiting'), queue.count('active')]);
      return { waiting, active };
    },
    close: () => engine.stop(),
  };
}
