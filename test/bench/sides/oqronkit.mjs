// We. A file of this folder is one side of a comparison and exports
//   versions()   what is measured
//   connect({ url, space }) -> { producer(queue), consumer(queue, options), counts(queue), close() }
// A producer has `add(data)` and `addBulk([data])`; a consumer runs until `close()`. `keep` = finished jobs that stay.
import { OqronEngine, ourVersion } from '../lib/oqronkit.mjs';

const AGE_SECONDS = 24 * 3600;

export const versions = () => ({ oqronkit: ourVersion() });

export async function connect({ url, space }) {
  const engine = new OqronEngine({ mode: 'redis', redis: url, project: space, logger: false });
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
        // The age is the default one.
        removeOnComplete: { count: keep, age: AGE_SECONDS },
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
