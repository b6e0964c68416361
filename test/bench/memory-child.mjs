// One measurement in a fresh process: `node --expose-gc memory-child.mjs '{"what":"throughput",...}'`.
import { OqronEngine } from './lib/oqronkit.mjs';

const PAYLOAD = 'x'.repeat(100);
const WARM_UP = 50_000;
const MIB = 1024 * 1024;

const task = JSON.parse(process.argv[2]);
process.send(await (task.what === 'heap' ? heap(task) : throughput(task)));
process.disconnect();

async function throughput({ how, jobs, concurrency }) {
  const bench = await makeBench(concurrency);
  await bench.run(how, WARM_UP);
  const cpu = process.cpuUsage();
  const start = performance.now();
  await bench.run(how, jobs);
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  await bench.stop();
  return { perSecond: jobs / seconds, cpuMicros: (user + system) / jobs };
}

/** The history is full after its 10 000 jobs; whatever the heap gains from there on is a leak. */
async function heap({ jobs }) {
  const bench = await makeBench(100);
  const empty = heapNow();
  await bench.run('add', WARM_UP);
  const full = heapNow();
  await bench.run('add', jobs);
  const end = heapNow();
  const kept = await bench.queue.count('completed');
  await bench.stop();
  return { growthMiB: (end - full) / MIB, keptMiB: (full - empty) / MIB, kept };
}

function heapNow() {
  globalThis.gc();
  globalThis.gc();
  return process.memoryUsage().heapUsed;
}

async function makeBench(concurrency) {
  const engine = new OqronEngine({ logger: false });
  let left = 0;
  let done = () => {};
  const queue = engine.queue({
    name: 'bench',
    concurrency,
    handler: async () => {
      left -= 1;
      if (left === 0) done();
      return 1;
    },
  });
  await engine.start();
  return {
    queue,
    stop: () => engine.stop(),
    /** Adds `jobs` jobs and resolves when the last one has been handled and settled. */
    async run(how, jobs) {
      left = jobs;
      const handled = new Promise((resolve) => (done = resolve));
      await (how === 'add' ? addSingly(queue, jobs) : addInBulk(queue, jobs));
      await handled;
      while ((await queue.count('active')) > 0) await new Promise((turn) => setImmediate(turn));
    },
  };
}

async function addSingly(queue, jobs) {
  let added = 0;
  const producer = async () => {
    while (added < jobs) {
      added += 1;
      await queue.add({ n: added, text: PAYLOAD });
    }
  };
  await Promise.all(Array.from({ length: 100 }, producer));
}

async function addInBulk(queue, jobs) {
  for (let start = 0; start < jobs; start += 1_000) {
    await queue.addBulk(Array.from({ length: 1_000 }, (_, i) => ({ data: { n: start + i, text: PAYLOAD } })));
  }
}
