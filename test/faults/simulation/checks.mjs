import { queuesOf } from './engines.mjs';

/** How many finished jobs the queue that forgets may keep. */
const SHORT_KEEPS = 5;

/** Whether anything is left that somebody should do. */
export async function isDrained(world) {
  for (const queue of Object.keys(queuesOf(world.options))) {
    const counts = await world.server.run('admin.counts', [queue]);
    if (counts.waiting + counts.delayed + counts.active + counts.paused > 0) return false;
  }
  return true;
}

/** What is not done: for the message of a run that does not drain. */
export function leftovers(world) {
  const open = [...world.ledger.jobs.values()].filter((job) => job.state === 'open' && !waitsForGood(world, job));
  return open.map(({ key, tag, notBefore, lease }) => {
    const held = lease ? `, leased to process ${lease.process.index}` : '';
    return `${key} (tag ${tag}, from ${notBefore}${held})`;
  });
}

/** A job may wait for ever for a parent that did not complete. */
function waitsForGood(world, { parents }) {
  return (parents?.refs ?? []).some(({ queue, id }) => {
    const runs = world.ledger.runsOf(`${queue}/${id}`);
    if (runs.some(({ ended }) => ended === 'completed')) return false;
    const open = runs.find(({ state }) => state === 'open');
    return open ? waitsForGood(world, open) : parents.policy === 'block';
  });
}

/** At rest: what the ledger knows against what the store says. */
export async function checkRest(world) {
  const { ledger, server } = world;
  for (const tried of ledger.tries.values()) checkTry(ledger, tried);
  for (const job of ledger.jobs.values()) await checkJob(world, job);
  for (const queue of Object.keys(queuesOf(world.options))) {
    const counts = await server.run('admin.counts', [queue]);
    if (counts.active > 0) ledger.breach('I6', `${queue}: ${counts.active} jobs are leased at rest`);
    let cursor;
    do {
      const page = await server.run('admin.verify', [{ queue, limit: 1_000, ...(cursor ? { cursor } : {}) }]);
      for (const { id, kind, detail } of page.problems) ledger.breach('I6', `${queue}/${id}: ${kind}: ${detail}`);
      ({ cursor } = page);
    } while (cursor);
  }
  const { completed } = await server.run('admin.counts', ['short']);
  if (completed > SHORT_KEEPS) ledger.breach('I9', `short keeps ${completed} completed jobs`);
  checkWaits(world);
}

function checkTry(ledger, { tag, queue, acked, failed, jobs }) {
  if (acked?.created && !jobs.has(`${queue}/${acked.id}`)) {
    ledger.breach('I1', `${queue}/${acked.id} (tag ${tag}) was acknowledged, and is not there`);
  }
  if (acked && !acked.created && !acked.skipped && !ledger.jobs.has(`${queue}/${acked.id}`)) {
    ledger.breach('I1', `add ${tag} was told that ${queue}/${acked.id} stands, which is not there`);
  }
  if (failed && failed !== 'UNKNOWN_OUTCOME' && jobs.size > 0) {
    ledger.breach('I1', `add ${tag} failed with ${failed}, but made ${[...jobs].join(', ')}`);
  }
}

async function checkJob(world, job) {
  const { ledger, server } = world;
  const { key, queue, id, state } = job;
  const stored = await server.run('admin.get', [queue, id]);
  if (job.cancelAcked && state !== 'cancelled' && state !== 'removed')
    ledger.breach('I3', `${key} was cancelled and is ${state}`);
  for (const run of job.runs) {
    if (!run.process.dead && !run.ctx.aborted && !run.process.stopped) {
      ledger.breach('I6', `${key}: fence ${run.ctx.fence} still runs, and was not told to stop`);
    }
  }
  if (state === 'removed') {
    if (stored) ledger.breach('I3', `${key} was removed and is there`);
    return;
  }
  if (state === 'failed' && !job.cascaded && job.fence > 0 && job.deadLetter?.queue) {
    if (!(await server.run('admin.get', ['dead', `${queue}/${job.fence}`]))) {
      ledger.breach('I1', `${key} failed for good, and its dead letter is not there`);
    }
  }
  if (!stored) {
    if (queue !== 'short' || state === 'open') ledger.breach('I1', `${key} is lost; it was ${state}`);
    return;
  }
  if (state === 'open') {
    if (stored.status !== 'waiting-children') ledger.breach('I16', `${key} is ${stored.status} at rest`);
    else if (!waitsForGood(world, job)) ledger.breach('I16', `${key} waits for parents that hold it no more`);
    return;
  }
  if (stored.status !== state) ledger.breach('I3', `${key} is ${stored.status}, but was ${state}`);
  if (state === 'completed') {
    const says = stored.result === undefined ? undefined : JSON.parse(stored.result);
    if (says !== `${id} by ${stored.fence}`)
      ledger.breach('I3', `${key}: fence ${stored.fence} has the result of "${says}"`);
    if (!job.effects.has(stored.fence))
      ledger.breach('I1', `${key} is completed by ${stored.fence}, which did not return`);
    if (stored.fence !== Math.max(...job.startedFences))
      ledger.breach('I3', `${key}: a later start than ${stored.fence}`);
  }
}

function checkWaits({ ledger, workload }) {
  for (const { tried, process, key, over } of workload.waits) {
    if (process.dead) continue;
    const job = ledger.jobs.get(key);
    if (!over) {
      // A process that stopped rejects its waits; the others must hear of every end.
      if (job && job.state !== 'open') ledger.breach('I16', `a wait for ${key} (tag ${tried.tag}) hears of nothing`);
    } else if (over.state === 'completed' && job?.state !== 'completed' && job?.state !== 'removed') {
      ledger.breach('I3', `a wait for ${key} got a result, but it is ${job?.state}`);
    } else if (over.state === 'completed' && !over.value?.startsWith(`${job.id} by `)) {
      ledger.breach('I3', `a wait for ${key} got "${over.value}"`);
    }
  }
}
