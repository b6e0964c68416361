// We. A file of this folder is one side of a comparison and exports
//   versions()            what was measured
//   connect({ url, space }) -> { producer(queue), consumer(queue, options), counts(queue), close() }
// A producer has `add(data)` and `addBulk([data])`; a consumer runs until `close()`. `keep` = finished jobs that stay.
import { OqronEngine, createRedisBackend, ourVersion } from '../lib/oqronkit.mjs';

const AGE_SECONDS = 24 * 3600;

export const versions = () => ({ oqronkit: ourVersion() });

export async function connect({ url, space }) {
  const backend = createRedisBackend({ redis: url, project: space });
  await backend.open();
  const make = () => new OqronEngine({ project: space, logger: false }, { backend });
  const engines = [];
  const start = async (options) => {
    const engine = make();
    engines.push(engine);
    const queue = engine.queue(options);
    await engine.start();
    return { engine, queue };
  };
  const producers = new Map();
  const producer = async (name) => {
    if (!producers.has(name)) producers.set(name, (await start({ name })).queue);
    return producers.get(name);
  };
  return {
    async producer(name) {
      const queue = await producer(name);
      return {
        add: (data) => queue.add(data),
        addBulk: (all) => queue.addBulk(all.map((data) => ({ data }))),
      };
    },
    async consumer(name, { handler, concurrency, keep }) {
      const { engine } = await start({
        name,
        concurrency,
        // The age is the default one.
        removeOnComplete: { count: keep, age: AGE_SECONDS },
        handler: ({ data }) => handler(data),
      });
      return { close: () => engine.stop() };
    },
    async counts(name) {
      const queue = await producer(name);
      const [waiting, active] = await Promise.all([queue.count('waiting'), queue.count('active')]);
      return { waiting, active };
    },
    async close() {
      for (const engine of engines) await engine.stop();
      await backend.close();
    },
  };
}
