import { NonRetryableError, OqronError, OqronEngine, ReleaseError, RetryLaterError } from 'oqronkit';

/** Every queue, with how it is consumed. What a process leaves out another one takes. */
export function queuesOf(options) {
  const lease = {
    lockTtlMs: options.engineLeaseMs ?? options.leaseMs,
    heartbeatMs: options.heartbeatMs,
    pollIntervalMs: options.pollMs,
  };
  const retries = { max: 2, strategy: 'exponential', baseDelay: 1_000, maxDelay: 10_000 };
  const all = { keepHistory: true, keepFailedHistory: true };
  return {
    fast: { ...lease, ...all, concurrency: 4, retries, deadLetter: { queue: 'dead' } },
    main: {
      ...lease,
      ...all,
      concurrency: 3,
      retries,
      timeout: 15_000,
      abortGraceMs: 2_000,
      deadLetter: { queue: 'dead' },
    },
    prio: { ...lease, ...all, strategy: 'priority', concurrency: 2, retries, maxStalledCount: 1 },
    once: { ...lease, ...all, strategy: 'lifo', concurrency: 2, guaranteedWorker: false, retries: { max: 0 } },
    slow: { ...lease, ...all, concurrency: 2, retries, maxActive: 3, rate: { max: 6, duration: 5_000 } },
    // It forgets what has ended.
    short: {
      ...lease,
      concurrency: 2,
      retries,
      removeOnComplete: 5,
      removeOnFail: 5,
      throttle: { max: 10, duration: 3_000 },
    },
    batch: { ...lease, ...all, concurrency: 2, retries, batchSize: 5, timeout: 20_000 },
    dead: { ...lease, ...all, concurrency: 2, retries },
  };
}

const silent = { debug() {}, info() {}, warn() {}, error() {} };

/** Makes the engine of a process: its definitions, its handlers, and who listens to it. */
export function makeEngine(world, process, backend, consumes, knowsAll) {
  const { ledger, options } = world;
  const engine = new OqronEngine(
    { logger: silent, shutdown: { timeout: options.shutdownMs } },
    { backend, clock: process.clock, random: process.random.fork() },
  );
  process.engine = engine;
  process.runs = new Set();
  process.afterThaw = [];
  process.queues = {};
  for (const [name, definition] of Object.entries(queuesOf(options))) {
    process.queues[name] = engine.producer(name);
    if (consumes.includes(name)) {
      engine.worker({ topic: name, ...definition, ...handlersOf(world, process, name, knowsAll) });
    }
  }
  engine.on('job:success', ({ queue, id }) => ledger.told(queue, id, 'completed'));
  engine.on('job:fail', ({ queue, id }) => ledger.told(queue, id, 'failed'));
  engine.on('job:cancelled', ({ queue, id }) => ledger.told(queue, id, 'cancelled'));
  listenToAll(world, process, engine);
  engine.on('error', ({ where, error }) => {
    if (!isExpected(error)) ledger.breach('X', `${where}: ${error?.stack ?? error}`);
  });
  return engine;
}

/** How a process runs the jobs of a queue. */
function handlersOf(world, process, name, knowsAll) {
  const handler = (ctx) => handle(world, process, name, ctx);
  if (name === 'batch') return { processBatch: eachOf(handler) };
  // A deploy under way: the old processes do not know the new name.
  if (name === 'main') return { handlers: { default: handler, ...(knowsAll ? { odd: handler } : {}) } };
  if (name !== 'prio') return { handler };
  const { random } = world;
  const condition = () =>
    process.sleep(random.between(0, 20)).then(() => world.now > world.calmFrom || random.chance(0.9));
  return { handler, condition, hooks: { beforeRun: () => process.sleep(1) } };
}

/** Some processes want to hear of what happens in all of them: of each end once. */
function listenToAll(world, process, engine) {
  if (process.index % 3 > 0) return;
  const heard = new Set();
  const listener = ({ queue, id }) => {
    if (heard.has(`${queue}/${id}`))
      world.ledger.breach('I3', `process ${process.index} hears twice of ${queue}/${id}`);
    heard.add(`${queue}/${id}`);
  };
  engine.on('job:success', listener, { scope: 'cluster' });
}

/** Trouble that the engine names. A refused call would mean that numbers were mixed up. */
export function isExpected(error) {
  return error instanceof OqronError && error.code !== 'CALL_REFUSED';
}

function handle(world, process, queue, ctx) {
  const { ledger } = world;
  const run = { process, queue, ctx, beside: 0, returned: false, job: undefined };
  ledger.started(run);
  let answer;
  try {
    answer = perform(world, process, run, ctx);
  } catch (error) {
    ledger.ended(run, false);
    throw error;
  }
  if (!(answer instanceof Promise)) {
    ledger.ended(run, true);
    return answer;
  }
  return answer.then(
    (value) => {
      ledger.ended(run, true);
      return value;
    },
    (error) => {
      ledger.ended(run, false);
      throw error;
    },
  );
}

const eachOf = (handler) => (ctxs) => Promise.allSettled(ctxs.map(async (ctx) => handler(ctx)));

/** What the payload says. Handlers see only what real ones would: their context and their clock. */
function perform(world, process, run, ctx) {
  const { ms = 0, times = 0 } = ctx.data;
  // A dead letter is only looked at.
  const kind = run.queue === 'dead' ? 'quick' : ctx.data.kind;
  const result = `${ctx.id} by ${ctx.fence}`;
  switch (kind) {
    case 'quick':
      return result;
    case 'flaky':
      if (ctx.attempt <= times) throw new Error(`attempt ${ctx.attempt} of ${times} that fail`);
      return process.sleep(ms).then(() => result);
    case 'doomed':
      throw new Error('it always fails');
    case 'fatal':
      return process.sleep(ms).then(() => {
        throw new NonRetryableError('no use');
      });
    case 'hang':
      return aborted(ctx).then(() => {
        throw new Error('told to stop');
      });
    case 'deaf':
      return process.sleep(ms).then(() => result);
    case 'talk':
      return talk(process, ctx, ms).then(() => result);
    case 'spawn':
      return spawn(world, process, run, ctx).then(() => result);
    case 'later':
      if (ctx.attempt === 1) throw new RetryLaterError(ms);
      return result;
    case 'release':
      if (world.random.chance(0.5)) throw new ReleaseError(ms);
      return result;
    case 'discard':
      ctx.discard('not wanted');
      return process.sleep(ms).then(() => result);
    case 'poison':
      world.nemesis.crash(process, 'poison');
      return new Promise(() => undefined);
    case 'block':
      // The loop of its process stands still: nothing is renewed meanwhile.
      if (world.scheduler.now < world.calmFrom) world.nemesis.freeze(process, ms);
      return process.sleep(1).then(() => result);
    default:
      return Promise.race([process.sleep(ms), aborted(ctx)]).then(() => {
        if (ctx.aborted) throw new Error('told to stop');
        return result;
      });
  }
}

function aborted({ signal }) {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', resolve, { once: true });
  });
}

async function talk(process, ctx, ms) {
  for (let part = 1; part <= 3 && !ctx.aborted; part += 1) {
    ctx.progress(part * 30);
    ctx.log.info(`part ${part}`);
    await process.sleep(ms / 3);
  }
}

async function spawn(world, process, run, ctx) {
  const tag = world.newTag();
  world.ledger.tried(tag, { queue: 'fast', jobs: new Set() });
  await ctx.spawnChild('fast', { tag, kind: 'quick' }, { jobId: `${ctx.id}:child` });
}
