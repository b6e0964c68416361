// F03: each operation of the store, at each point of its call, with the death of the process and of the connection. A
// process that died is followed by sound ones: one asks for the same again, others consume what is left. A process that
// lost its connection comes out of it by itself.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { until } from '../lib/lab.mjs';
import { cases, pointOf, uncovered } from '../lib/crash-cases.mjs';

const LEASE_MS = 1_500;
const HEARTBEAT_MS = 300;
/** Of a process that goes on: what it holds must not stall because its calls fail now and then. */
const LONG_LEASE_MS = 8_000;
/** Processes that die at once. */
const TOGETHER = 5;
const DRAIN_MS = 30_000;
const HIT_MS = 20_000;
/** A process that is silent for so long is asked the same again. */
const SILENT_MS = 2_000;
/** How often somebody asks again who is told that the store was out of reach. */
const TRIES = 6;
/** What of the cases is taken with --quick. */
const QUICK = 3;
const PAGE = 1_000;
const HANDLERS = join(import.meta.dirname, '../lib/crash-actor.mjs');

const OPTIONS = {
  concurrency: 4,
  lockTtlMs: LEASE_MS,
  heartbeatMs: HEARTBEAT_MS,
  pollIntervalMs: 500,
  // A handler may meet the points of other cases: a statement of its own, a connection that died behind its pool's back.
  retries: { max: 5, strategy: 'fixed', baseDelay: 10 },
};
const consumes = ({ act, consumes: also }) => !act || also;
const slotsOf = (one) => ({ [one.queue]: { ...OPTIONS, concurrency: one.slots ?? OPTIONS.concurrency } });
const patient = (consume) =>
  Object.fromEntries(
    Object.entries(consume).map(([queue, options]) => [queue, { ...options, lockTtlMs: LONG_LEASE_MS }]),
  );

export async function run(lab) {
  const server = await lab.server();
  const watcher = await lab.watcher(server);
  if (server.sql) await server.sql('create table crash_effect (queue text not null)');
  const fleet = lab.fleet(server, { handlers: HANDLERS });
  const every = cases(lab.store);
  const all = chosen(lab, every);
  const missing = uncovered(lab.store, methodsOf(watcher.store), await scriptsOf(lab));
  // Without an engine that runs: nobody but who is asked to sweeps.
  const helper = fleet.start('h', { start: false });
  await helper.ready;
  const scene = { lab, fleet, watcher, admin: watcher.store.admin, unhit: [], open: new Set() };

  for (const one of all) {
    if (one.job) await helper.add(one.queue, [{ id: 'j', data: one.job.data ?? {}, opts: one.job.opts }]);
    for (const act of one.before) await helper.request('act', { act, queue: one.queue });
  }
  await strike(scene, all);
  lab.faults = all.length - scene.unhit.length;

  const again = all.filter(({ act, how }) => act && how === 'process');
  for (const one of again) await askAgain(scene, helper, one);
  for (const one of all) if (one.undo) await helper.request('act', { act: one.undo, queue: one.queue });
  lab.calm();
  const kept = all.filter(({ gone }) => !gone).flatMap(({ queues }) => queues);
  const gone = all.filter((one) => one.gone).map(({ queue }) => queue);
  const consume = Object.fromEntries(kept.map((queue) => [queue, OPTIONS]));
  const rescuers = ['r1', 'r2'].map((name) => fleet.start(name, { consume }));
  await Promise.all(rescuers.map(({ ready }) => ready));
  // What dead processes did not carry to other queues waits for the sweep of all queues, which comes once a minute.
  const drained = lab.drained(watcher, kept, DRAIN_MS);
  for (let more = true; more;) ({ more } = await watcher.store.sweep({ limit: PAGE }));
  await drained;
  await fleet.stop();

  const row = await lab.judge({
    watcher,
    queues: kept,
    rules: {
      leaseMs: LEASE_MS,
      heartbeatMs: HEARTBEAT_MS,
      drainMs: DRAIN_MS,
      // Who runs a job again is not told the new one's id beforehand.
      ignore: [...gone, ...all.filter(({ leaves }) => '*' in leaves).map(({ queue }) => queue)],
      cascades: true,
    },
    more: [...missing.map((method) => `no case calls ${method}`), ...scene.unhit],
  });
  const own = [
    ...(await watcher.states(gone)).map(({ queue, id }) => ['ending', `${queue} ${id} is still there`]),
    ...(await endings(scene, all)),
    ...(await effects(server, all)),
  ];
  // Nobody consumes before the last process has died: how soon a job runs again is not asked here.
  return { ...withOwn(row, own), p99RecoveryMs: null, told: { cases: `${lab.faults} of ${every.length}` } };
}

/** Violations of the kinds that only this scenario knows: `ending`, `lease`, `effect`. */
function withOwn(row, own) {
  const violations = own.map(([invariant, text]) => ({ invariant, text }));
  return {
    ...row,
    pass: row.pass && own.length === 0,
    broken: [...new Set([...row.broken, ...own.map(([invariant]) => invariant)])],
    violations: [...row.violations, ...violations],
  };
}

/** With --quick a third, drawn by the seed. Without a protection those that need only one process. */
function chosen(lab, every) {
  if (lab.without) return every.filter(({ how }) => how === 'connection');
  if (!lab.quick) return every;
  const drawn = every.map((one) => ({ one, at: lab.random.next() })).sort((a, b) => a.at - b.at);
  const taken = new Set(drawn.slice(0, Math.ceil(every.length / QUICK)).map(({ one }) => one));
  return every.filter((one) => taken.has(one));
}

/** Every case once: several processes that die at a time, and one beside them whose connections do. */
async function strike(scene, all) {
  const shared = all.filter(({ how, apart }) => how === 'connection' && !apart);
  const waiting = all.filter(({ how, apart }) => how === 'process' || apart);
  const striker = async () => {
    for (let one = waiting.shift(); one; one = waiting.shift()) {
      await (one.how === 'process' ? dies(scene, one) : loses(scene, [one], one.queue));
    }
  };
  await Promise.all([shared.length > 0 && loses(scene, shared, 'cut'), ...Array.from({ length: TOGETHER }, striker)]);
}

/** A case that ends a process. */
async function dies(scene, one) {
  const { fleet, lab, unhit } = scene;
  const victim = fleet.start(one.queue, {
    consume: consumes(one) ? slotsOf(one) : {},
    points: [pointOf(one)],
    mayDie: true,
  });
  await victim.ready;
  let why = '';
  if (one.act && victim.alive) {
    victim.request('act', { act: one.act, queue: one.queue }).catch(({ message }) => (why = `: ${message}`));
  }
  await until('the point', () => !victim.alive, HIT_MS).catch(() => undefined);
  if (victim.gone?.signal !== 'SIGKILL') {
    unhit.push(`${one.queue}: the point was not reached${why}`);
    await victim.stop();
    return;
  }
  const expected = one.visible(one.when);
  if (!one.took || expected === undefined) return;
  if ((await one.took(scene.admin, one.queue)) !== expected) {
    lab.problem(`${one.queue}: the process died ${one.when}, and it has ${expected ? 'not ' : ''}taken effect`);
  }
}

/** Cases that end connections of one process. */
async function loses(scene, list, name) {
  const { lab, fleet, watcher, unhit } = scene;
  const reached = new Set();
  const noticed = new Set();
  const isOver = ({ queue, when }) => reached.has(queue) && (when !== 'after' || noticed.has(queue));
  const consumed = list.filter(consumes);
  const victim = fleet.start(name, {
    consume: patient(Object.assign({}, ...consumed.map(slotsOf))),
    points: list.map(pointOf),
    // What still runs is handed back.
    engine: { shutdown: { timeout: 1_000 } },
    onMessage: ({ is, point }) => is === 'point' && (point.next ? noticed : reached).add(point.name),
  });
  await victim.ready;
  for (const one of list.filter(({ act }) => act)) {
    await asked(scene, victim, one);
    if (consumes(one)) continue;
    await until('the next call', () => isOver(one), one.apart ? SILENT_MS : HIT_MS).catch(() => undefined);
    // A process that neither consumes nor leads may have nothing more to say by itself.
    if (one.apart && !isOver(one))
      await victim.request('act', { act: one.act, queue: one.queue }).catch(() => undefined);
    if (isOver(one) && one.took && !(await one.took(scene.admin, one.queue))) {
      lab.problem(`${one.queue}: it was answered, and has not taken effect`);
    }
  }
  await until('all points', () => list.every(isOver), HIT_MS).catch(() => undefined);
  unhit.push(
    ...list
      .filter((one) => !isOver(one))
      .map(({ queue }) => `${queue}: the point was not ${reached.has(queue) ? 'noticed' : 'reached'}`),
  );
  const own = consumed.filter(({ apart }) => !apart).map(({ queue }) => queue);
  const done = async () => (await watcher.open(own)).all === 0;
  await until('its jobs', done, DRAIN_MS, 50).catch(() =>
    lab.problem(`${name} did not get over the loss of its connections`),
  );
  await victim.stop();
}

/** A transaction that lost its connection tells so as its client does. */
const isUnreachable = ({ message }) => /^(STORE_UNREACHABLE|ECONNRESET|08\w+|Error: Connection)/.test(message);
/** It was carried out before: a job is gone, or not in that state any more. */
const isDone = ({ message }) => /^(JOB_NOT_FOUND|JOB_STATE|ALREADY_RETRIED)/.test(message);

/** Asks until there is an answer. Who is told that the store is out of reach must not be wrong about what he asked for. */
async function asked({ lab, admin }, member, { act, queue, op, took }) {
  for (let tries = 1; ; tries += 1) {
    try {
      return await member.request('act', { act, queue });
    } catch (error) {
      if (tries > 1 && isDone(error)) return undefined;
      const again = tries < TRIES && isUnreachable(error);
      if (!again) lab.problem(`${queue}: ${error.message}`);
      // A lost COMMIT is the one thing that only its own client can know of.
      else if (tries === 1 && took && !op.startsWith('client.') && (await took(admin, queue))) {
        lab.problem(`${queue}: it was refused (${error.message}), and has taken effect`);
      }
      if (!again) return undefined;
    }
  }
}

/** Somebody who never learned what became of it asks for the same again. */
async function askAgain({ lab, admin }, helper, one) {
  const { act, queue } = one;
  // There is nobody whose job could be left a second time.
  if (act === 'abandon') return;
  await helper
    .request('act', { act, queue })
    .catch((error) => isDone(error) || lab.problem(`${queue}: ${error.message}`));
  if (one.took && !consumes(one) && !(await one.took(admin, queue))) lab.problem(`${queue}: it has no effect at last`);
}

/** What the jobs of each case ended as; and no job of a process that lived was taken from it. */
async function endings({ watcher }, all) {
  const problems = [];
  for (const one of all.filter(({ gone }) => !gone)) {
    const rows = await watcher.states(one.queues);
    const { '*': other, ...leaves } = one.leaves;
    const nameOf = ({ queue, id }) => (queue === one.queue ? id : `${queue.slice(one.queue.length + 1)}/${id}`);
    const ended = new Map(rows.map((row) => [nameOf(row), row.status]));
    for (const [name, status] of Object.entries(leaves)) {
      if (ended.get(name) !== status) {
        problems.push(['ending', `${one.queue}: ${name} is ${ended.get(name)} and not ${status}`]);
      }
      ended.delete(name);
    }
    const rest = [...ended.values()].join(' ');
    if (rest !== (other ?? '')) {
      problems.push(['ending', `${one.queue}: beside what was asked for there is: ${rest || 'nothing'}`]);
    }
    const stalled = rows.filter(({ stalledCount }) => stalledCount > 0).map(({ id }) => id);
    if (one.how === 'connection' && !one.stalls && stalled.length > 0) {
      problems.push(['lease', `${one.queue}: ${stalled.join(', ')} lay with somebody who did not know of it`]);
    }
  }
  return problems;
}

/** What was written in transactions is there once. */
async function effects(server, all) {
  if (!server.sql) return [];
  const rows = await server.sql('select queue, count(*)::int as count from crash_effect group by queue');
  const counts = new Map(rows.map(({ queue, count }) => [queue, count]));
  return all
    .filter(({ queue, effects: wanted = 0 }) => (counts.get(queue) ?? 0) !== wanted)
    .map(({ queue }) => ['effect', `${queue}: its transactions have written ${counts.get(queue) ?? 0} times`]);
}

/** Its operations, as the hooks call them. */
function methodsOf(store) {
  const own = (object, prefix) =>
    Object.entries(Object.getOwnPropertyDescriptors(Object.getPrototypeOf(object)))
      .filter(([name, { value }]) => name !== 'constructor' && typeof value === 'function')
      .map(([name]) => `${prefix}${name}`);
  return [
    ...own(store, ''),
    ...own(store.admin, 'admin.'),
    ...(store.transactions ? own(store.transactions, 'transactions.') : []),
  ];
}

async function scriptsOf(lab) {
  if (lab.store !== 'redis') return [];
  const { SCRIPTS } = await import(pathToFileURL(join(lab.library(), 'backends/redis/scripts.js')).href);
  return Object.keys(SCRIPTS);
}
