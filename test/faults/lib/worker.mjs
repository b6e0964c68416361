// One engine in a process of its own. The driver (fleet.mjs) tells what it is: which queues it consumes and how, where
// its store is, what of it is broken. What its handlers do is said by the payload of each job, see `behave`.
import { closeSync, openSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { BROKEN_STORES } from './broken-stores.mjs';
import { openLedger, writeDetail } from './ledger.mjs';
import { hooked } from './store-hooks.mjs';

const config = JSON.parse(process.argv[2]);
const { who, library, ledgers, connection, project, consume = {}, engine: engineOptions = {} } = config;
const ledger = openLedger(ledgers, who);
const from = (file) => import(pathToFileURL(join(library, file)).href);
const tell = (message) => process.connected && process.send(message);

/** A loop that stands still for longer is written down: an engine that gets no CPU cannot renew its leases (ms). */
const LAG_MS = 100;
const LOOK_MS = 20;
/** Shorter handlers are not told apart from one step. */
const LONG_MS = 50;

watchLag();
const { OqronEngine, StoreUnreachableError } = await from('index.js');
const backend = await openBackend();
const engine = new OqronEngine(
  { project, logger: { level: 'error' }, shutdown: { timeout: 10_000 }, ...engineOptions },
  { backend },
);
engine.on('error', ({ where, error }) => ledger.note('error', '-', '-', '-', `${where}: ${error?.code ?? error}`));
engine.on('job:stalled', ({ queue, id, stalledCount }) => ledger.note('stalled', queue, id, '-', stalledCount));

const custom = config.handlers ? await import(pathToFileURL(config.handlers).href) : undefined;
const handle = custom?.handle ?? behave;
const io = { ledger, engine, store: backend.store, signals: backend.signals, sleep, writeDetail, behave, config, tell };

for (const [queue, options] of Object.entries(consume)) {
  engine.worker({ topic: queue, removeOnComplete: false, removeOnFail: false, ...options, handler: run });
}

async function run(ctx) {
  const { queueName, id, fence } = ctx;
  ledger.note('start', queueName, id, fence, `attempt=${ctx.attempt}`);
  try {
    const result = await handle(ctx, io);
    ledger.note('effect', queueName, id, fence);
    return result ?? fence;
  } catch (error) {
    ledger.note('throw', queueName, id, fence, error?.kind ?? error?.code ?? error?.name);
    throw error;
  }
}

/**
 * What a job says of its own run: `ms` it takes (it stops when it is told to, unless `deaf`), `block` ms that it holds
 * the loop, `fail` attempts that throw, `spawn` jobs that it adds (`[{ queue, id, data }]`), `poison`: `exit`, `oom`,
 * `spin`. What `first` says comes before all that when the job runs for the first time, in whatever process.
 */
async function behave(ctx) {
  const { first, ...usual } = ctx.data ?? {};
  const data = first && isFirst(ctx) ? { ...usual, ...first } : usual;
  if (data.poison) poison(data.poison);
  if (data.block) block(data.block);
  if (data.ms > LONG_MS) await long(ctx, data);
  else if (data.ms > 0) await sleep(data.ms);
  for (const child of data.spawn ?? []) await spawnChild(ctx, child);
  if (ctx.attempt <= (data.fail ?? 0)) throw new Error(`attempt ${ctx.attempt} fails`);
  return undefined;
}

/** Who makes the file first. The store is not asked: it is what is being tested. */
function isFirst({ queueName, id }) {
  try {
    closeSync(openSync(join(ledgers, `${queueName}-${id}.once`), 'wx'));
    return true;
  } catch {
    return false;
  }
}

async function long(ctx, { ms, deaf }) {
  const { signal, queueName, id, fence } = ctx;
  const told = () => ledger.note('abort', queueName, id, fence, signal.reason.kind);
  signal.addEventListener('abort', told, { once: true });
  try {
    await sleep(ms, undefined, deaf ? {} : { signal });
  } catch {
    throw signal.reason;
  } finally {
    signal.removeEventListener('abort', told);
  }
}

async function spawnChild(ctx, { queue, id, data }) {
  ledger.note('try', queue, id);
  const child = await ctx.spawnChild(queue, data, { jobId: id });
  ledger.note('ack', queue, id, '-', child.created === false ? 'exists' : 'created');
}

function block(ms) {
  ledger.note('block', '-', '-', '-', ms);
  const until = performance.now() + ms;
  while (performance.now() < until);
}

function poison(kind) {
  if (kind === 'exit') process.exit(137);
  // Until its process ends nothing else gets a turn.
  ledger.note('block', '-', '-', '-', Infinity);
  if (kind === 'spin') for (;;);
  const kept = [];
  for (;;) kept.push(Array.from({ length: 1_000_000 }, () => kept.length));
}

function watchLag() {
  let last = performance.now();
  setInterval(() => {
    const now = performance.now();
    if (now - last - LOOK_MS > LAG_MS) ledger.note('lag', '-', '-', '-', Math.round(now - last));
    last = now;
  }, LOOK_MS).unref();
}

async function openBackend() {
  const logger = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
  const { kind, url, ...rest } = connection;
  const made =
    kind === 'redis'
      ? (await from('backends/redis/index.js')).createRedisBackend({ redis: url, project, logger })
      : (await from('backends/postgres/index.js')).createPostgresBackend({
          postgres: { connectionString: url, poolSize: 4, ...rest },
          project,
          logger,
        });
  const store = hooked(made.store, {
    ledger,
    points: config.points,
    unreachable: (text) => new StoreUnreachableError(text),
    override: config.broken ? BROKEN_STORES[config.broken](made.store) : {},
    reached: (point) => tell({ is: 'point', point }),
  });
  const signals = config.unheard ? unheard(made.signals) : made.signals;
  return { ...parts(made), store, signals, open: () => made.open(), close: () => made.close() };
}

/** Sends, and hears nothing, not even itself. */
function unheard(signals) {
  return {
    listen: (process, onMessage, onGap) => signals.listen(process, () => undefined, onGap),
    send: (...args) => signals.send(...args),
    broadcast: (...args) => signals.broadcast(...args),
    passOn: (...args) => signals.passOn(...args),
  };
}

function parts({ leader, adapters }) {
  return { ...(leader && { leader }), ...(adapters && { adapters }) };
}

/** Adds jobs: `bulk` in one call, all or nothing; otherwise each alone, at once. Answers what became of each. */
async function add({ queue, items, bulk }) {
  const producer = engine.producer(queue);
  const group = bulk ? `${who}:${items[0]?.id}` : undefined;
  ledger.notes(items.map((item) => ['try', queue, item.id, '-', tried(item, group)]));
  const draft = ({ id, data, opts }) => ({ data, opts: { jobId: id, ...opts } });
  const acked = (item, job) => ['ack', queue, job.id ?? item.id, '-', job.created === false ? 'exists' : 'created'];
  const refused = (item, error) => ['nack', queue, item.id, '-', error?.code ?? error];
  if (bulk) {
    try {
      const jobs = await producer.addBulk(items.map(draft));
      ledger.notes(items.map((item, i) => acked(item, jobs[i])));
      return items.length;
    } catch (error) {
      ledger.notes(items.map((item) => refused(item, error)));
      throw error;
    }
  }
  const answers = await Promise.allSettled(
    items.map(async (item) => {
      const { data, opts } = draft(item);
      try {
        ledger.note(...acked(item, await producer.add(data, opts)));
      } catch (error) {
        ledger.note(...refused(item, error));
        throw error;
      }
    }),
  );
  const failed = answers.find(({ status }) => status === 'rejected');
  if (failed) throw failed.reason;
  return items.length;
}

function tried({ opts = {}, data }, group) {
  const key = opts.deduplication?.key;
  const delay = opts.delay;
  return writeDetail({ g: group, k: key, d: delay, poison: data?.poison }) || '-';
}

const requests = {
  add,
  stop: () => stop(),
  health: () => engine.health(),
  ...custom?.requests?.(io),
};

let stopping;
function stop() {
  return (stopping ??= (async () => {
    await engine.stop();
    await backend.close();
    ledger.note('down');
  })());
}

/** Leaves as a program does that has nothing more to do: an open handle would keep it. */
async function leave() {
  await stop();
  if (process.connected) process.disconnect();
}

// A `stop` request answers when the engine has stopped; SIGTERM is what a deployment sends.
process.on('SIGTERM', () => {
  ledger.note('sigterm');
  void leave();
});
process.once('disconnect', () => {
  // The driver is gone, whatever became of it.
  if (!stopping) process.exit(1);
});
process.on('unhandledRejection', (error) => {
  ledger.note('unhandled', '-', '-', '-', error?.stack ?? error);
  writeSync(2, `unhandled rejection: ${error?.stack ?? error}\n`);
  process.exit(1);
});

process.on('message', ({ n, do: what, ...request }) => {
  void (async () => {
    try {
      tell({ is: 'answer', n, value: await requests[what](request) });
    } catch (error) {
      tell({ is: 'answer', n, error: `${error?.code ?? error?.name}: ${error?.message}` });
    }
    if (what === 'stop') await leave();
  })();
});

ledger.note('up', '-', '-', '-', process.pid);
if (config.start !== false) await engine.start();
else await backend.open();
ledger.note('ready');
tell({ is: 'ready' });
