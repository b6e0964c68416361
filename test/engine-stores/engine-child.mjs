// One engine over a store in a process of its own, for tests that kill it. See engine-process.ts.
import { openSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { OqronEngine } from 'oqronkit';

const QUEUE = 'work';
const { name, home, ledger, handler, worker = {} } = JSON.parse(process.argv[2]);

const engine = new OqronEngine({
  ...home,
  logger: { level: 'error' },
  shutdown: { timeout: 2_000 },
});
const tell = (message) => process.send?.(message);

let release;
const held = new Promise((resolve) => (release = resolve));

if (handler) {
  // Lines of one write are appended whole, and are there when this process is killed a moment later.
  const file = openSync(ledger, 'a');
  engine.worker({
    topic: QUEUE,
    removeOnComplete: false,
    ...worker,
    handler: async (ctx) => {
      writeSync(file, `${name} ${ctx.id}\n`);
      if (handler === 'hold') {
        tell({ is: 'running', id: ctx.id });
        await held;
      }
      if (handler === 'slow') await sleep(20);
      return name;
    },
  });
}

/** Adds jobs until all are acknowledged. An id that is added again adds nothing. */
async function add({ prefix = 'job', count, chunk = 1_000 }) {
  const queue = engine.producer(QUEUE);
  for (let from = 0; from < count; from += chunk) {
    const items = Array.from({ length: Math.min(chunk, count - from) }, (_, i) => ({
      data: { n: from + i },
      opts: { jobId: `${prefix}-${from + i}` },
    }));
    await queue.addBulk(items);
  }
  tell({ is: 'added', count });
}

let stopping = false;
// The tests are gone, whatever became of them.
process.once('disconnect', () => {
  if (!stopping) process.exit(1);
});

process.on('message', (message) => {
  if (message.do === 'add') void add(message);
  if (message.do === 'release') release();
  if (message.do === 'stop') {
    stopping = true;
    void engine.stop().then(() => process.disconnect());
  }
});

await engine.start();
tell({ is: 'ready' });
