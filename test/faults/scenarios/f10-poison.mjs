// F10: jobs that take their process with them: they end it, fill its memory, or hold its loop for ever, and it is then
// killed from outside, as by a liveness probe. Each gets as many starts as its queue allows and fails; the jobs that ran
// beside it all complete.
import { sleep } from '../lib/lab.mjs';
import { startAll } from '../lib/storm.mjs';

const LEASE_MS = 2_000;
const HEARTBEAT_MS = 500;
/** Crashes that a job may survive. */
const CAP = 1;
const WORKERS = 4;
/** A worker that does not answer for so long is killed. */
const PROBE_MS = 2_000;
const KINDS = ['exit', 'oom', 'spin'];

const WORKER = {
  execArgv: ['--max-old-space-size=64'],
  mayDie: true,
  consume: {
    work: {
      concurrency: 16,
      lockTtlMs: LEASE_MS,
      heartbeatMs: HEARTBEAT_MS,
      pollIntervalMs: 500,
      maxStalledCount: CAP,
    },
  },
};

export async function run(lab) {
  const server = await lab.server();
  const watcher = await lab.watcher(server);
  const fleet = lab.fleet(server);
  let over = false;
  let deaths = 0;
  const keepers = Array.from({ length: WORKERS }, async (_, i) => {
    let member = fleet.start(`w${i + 1}`, WORKER);
    while (!over) {
      await member.ready;
      let well = true;
      while (member.alive && !over && well) {
        well = await answers(member);
        if (well) await Promise.race([sleep(250), member.exited]);
      }
      // Who still spins over a job that has failed by then would not hear that it shall stop.
      if (over && well && member.alive) well = await answers(member);
      if (!well && member.alive) await member.kill();
      else if (over) return;
      deaths += 1;
      if (over) return;
      member = fleet.restart(member);
    }
  });
  const [producer] = await startAll(fleet, 'p', 1, {});
  for (const items of all(lab)) await producer.add('work', items, { bulk: true });
  lab.faults = lab.goal.faults;
  lab.calm();
  // Nearly every start of a poison is followed by that of a process and by a lease that runs out.
  const drainMs = lab.without === 'stall-cap' ? 30_000 : 60_000 + 5_000 * lab.goal.faults;
  const drained = await lab.drained(watcher, ['work'], drainMs);
  over = true;
  await Promise.all(keepers);
  // Whoever still spins cannot be asked to stop.
  await (drained ? fleet.stop() : fleet.end());
  const states = await watcher.states(['work']);
  const more = [];
  for (const { id, status } of states) {
    if (status !== 'failed') continue;
    const job = await watcher.store.admin.get('work', id);
    if (!job?.error?.reason && !job?.error?.code)
      more.push(`${id} failed without a reason: ${JSON.stringify(job?.error)}`);
  }
  const row = await lab.judge({
    watcher,
    queues: ['work'],
    rules: { leaseMs: LEASE_MS, heartbeatMs: HEARTBEAT_MS, drainMs, poisonStarts: CAP + 1 },
    more,
  });
  const failed = states.filter(({ status }) => status === 'failed').length;
  return { ...row, told: { 'processes that died': deaths, 'failed for good': failed } };
}

/** Whether its loop turns. */
async function answers(member) {
  const health = member.request('health').then(
    () => true,
    () => true,
  );
  return Promise.race([health, member.exited.then(() => true), sleep(PROBE_MS).then(() => false)]);
}

/** The good ones, in bulk, with the poison scattered among them. */
function all(lab) {
  const { random } = lab;
  const jobs = Array.from({ length: lab.goal.jobs }, (_, i) => ({ id: `j${i}`, data: { ms: random.whole(0, 20) } }));
  for (let i = 0; i < lab.goal.faults; i += 1) {
    const poison = KINDS[i % KINDS.length];
    const at = random.whole(0, jobs.length - 1);
    jobs.splice(at, 0, { id: `poison-${poison}-${i}`, data: { poison, ms: 0 } });
  }
  const size = 500;
  return Array.from({ length: Math.ceil(jobs.length / size) }, (_, i) => jobs.slice(i * size, (i + 1) * size));
}
