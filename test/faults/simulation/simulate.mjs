import { checkRest, isDrained, leftovers } from './checks.mjs';
import { World } from './world.mjs';

/** A stop in peace takes at most this long (ms), beside its own timeouts. */
const STOP_MS = 15_000;
/** By then nothing is on its way that was sent before the peace (ms). */
const LATE_MS = 25_000;

/**
 * Runs one seed: a fleet of engines over one store in virtual time, with everything going wrong; then in peace until all
 * is done, then to its stop. Answers what was counted, and every rule that was broken.
 */
export async function simulate(seed, given, mutation) {
  const world = new World(seed, given, mutation);
  const { scheduler, ledger, options } = world;
  const rejected = (error) => ledger.breach('X', `unhandled rejection: ${error?.stack ?? error}`);
  process.on('unhandledRejection', rejected);
  // Thousands of calls are lost, and nobody reads where.
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 4;
  try {
    await live(world);
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
    process.off('unhandledRejection', rejected);
  }
  const recoveries = ledger.recoveries.sort((a, b) => a - b);
  return {
    seed,
    options,
    hash: world.hash,
    turns: scheduler.turns,
    jobs: ledger.jobs.size,
    starts: ledger.starts,
    extraStarts: ledger.extraStarts,
    explained: ledger.explained,
    faults: Object.fromEntries(ledger.faults),
    recoveries,
    drainedMs: world.drainedMs,
    lost: ledger.breaches.filter((breach) => breach.startsWith('I1 ')).length,
    stuck: ledger.breaches.filter((breach) => breach.startsWith('I16 ')).length,
    breaches: ledger.breaches,
  };
}

async function live(world) {
  const { scheduler, ledger, options } = world;
  const broken = () => options.stopAtBreach && ledger.breaches.length > 0;
  for (let n = 0; n < options.processes; n += 1) world.spawn();
  world.workload.begin();
  world.nemesis.begin();
  await scheduler.run(options.loadMs);
  if (broken()) return;
  world.heal();
  // What was sent before and comes late may still pause a queue.
  await scheduler.run(options.loadMs + LATE_MS);
  await drain(world);
  if (broken()) return;
  await canaries(world);
  await checkRest(world);
  if (broken()) return;
  await scheduler.run(Math.max(scheduler.now, options.seconds * 1_000 - 60_000));
  await end(world);
}

/** Every lease that was left, every backoff, every job of the backlog after another at worst. */
function patience({ options, ledger }) {
  const open = [...ledger.jobs.values()].filter(({ state }) => state === 'open').length;
  return 90_000 + 6 * options.leaseMs + open * 1_500;
}

/** In peace everything has to come to its end. */
async function drain(world) {
  const { scheduler, ledger, options, workload } = world;
  const began = scheduler.now;
  const until = began + patience(world);
  do {
    // Whoever paused a queue may have died since.
    const process = world.somebody();
    if (process) {
      for (const queue of ['main', 'fast', 'prio']) process.queues[queue].resume().catch(() => undefined);
      process.engine.manager.enableInstance('queue', 'slow').catch(() => undefined);
    }
    await scheduler.run(scheduler.now + 5_000);
    if (options.stopAtBreach && ledger.breaches.length > 0) return;
    if (scheduler.now > until) {
      return ledger.breach(
        'I16',
        `not drained after ${until - began} ms in peace: ${leftovers(world).slice(0, 5).join('; ')}`,
      );
    }
  } while (!(await isDrained(world)));
  world.drainedMs = scheduler.now - began;
  // Those who wait for jobs look at the records now and then.
  await scheduler.run(scheduler.now + 40_000);
  void workload;
}

/** A job of each queue starts at once in a fleet that is idle and well. */
async function canaries(world) {
  const { scheduler, ledger } = world;
  const process = world.somebody();
  if (!process) return ledger.breach('I16', 'nobody lives in peace');
  const told = [];
  for (const queue of ['fast', 'main', 'prio', 'once', 'slow']) {
    const tag = world.newTag();
    const tried = ledger.tried(tag, { queue, jobs: new Set() });
    told.push([queue, tag]);
    process.queues[queue].add({ tag, kind: 'quick' }).then(
      ({ id, created }) => (tried.acked = { id, created }),
      (error) => ledger.breach('I16', `a canary of ${queue}: ${error.stack}`),
    );
  }
  await scheduler.run(scheduler.now + 2_000);
  for (const [queue, tag] of told) {
    const { acked } = ledger.tries.get(tag);
    const job = acked && ledger.jobs.get(`${queue}/${acked.id}`);
    if (job?.state !== 'completed')
      ledger.breach('I16', `a canary of ${queue} is ${job?.state ?? 'not there'} after 2 s`);
  }
}

/** Every engine stops in time, and leaves no timer behind. */
async function end(world) {
  const { scheduler, ledger, options } = world;
  world.closing = true;
  const living = world.alive();
  await scheduler.run(scheduler.now + 1_000);
  for (const process of living) void world.stopProcess(process);
  await scheduler.run(scheduler.now + options.shutdownMs + STOP_MS);
  for (const process of world.processes) {
    if (process.dead) continue;
    if (!process.stopped) ledger.breach('I16', `process ${process.index} does not stop`);
    else if (process.timers > 0)
      ledger.breach('I9', `process ${process.index} has stopped and left ${process.timers} timers`);
  }
  // A handler that ignored its signal may still wait on its clock.
}
