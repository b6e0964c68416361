// Judges a run by its ledgers alone; the store is only asked what it holds at rest. Pure: ledgers in, violations out.
import { causeOf, recoveriesOf } from './causes.mjs';
import { percentile } from './figures.mjs';
import { historyOf, isFinal } from './history.mjs';
import { SLACK_US, withoutLate } from './late-starts.mjs';

/** Violations of one kind that are told in words; the rest is counted. */
const TOLD = 5;
/** A loop that goes on after it stood still runs its timers one after the other (us). */
const SETTLING_US = 50_000;

/**
 * Checks ledgers against the invariants. `input`: `ledgers`, `states` (rows at rest), `fsck` (what the store's own check
 * found). `rules`:
 *
 * - `leaseMs`, `heartbeatMs`: of the consumers; a process that stood still for longer than the rest of a lease may have
 *   lost its jobs
 * - `recoveryMs`: most that the 99th percentile of recoveries may take
 * - `drainMs`: most from the last fault to rest
 * - `concurrency`: most jobs that a process runs
 * - `abortMs`: most that a handler goes on after its process stood still and lost the job
 * - `careless`: processes whose names begin so start jobs on leases that are long over; such starts do not count
 * - `cascades`: jobs fail with their parents, without a run of their own
 * - `exclusive`: no handler of an old owner may run beside the next one
 * - `poisonStarts`: most starts of a job that is poison
 * - `ignore`: queues whose jobs nobody tried to add (dead letters)
 * - `extraStarts: 0`: no job may start twice, whatever the reason
 * - `allowLost`: acknowledged jobs that the store may lose
 */
export function check({ ledgers, states, fsck = [] }, rules = {}) {
  const history = historyOf(ledgers, states);
  const found = new Violations();
  const figures = { jobs: 0, starts: 0, extraStarts: 0, explained: 0, causes: {}, lost: 0, stuck: 0, refused: 0 };
  const recoveries = [];
  const late = [];
  const keyed = new Map();

  for (const job of history.jobs.values()) {
    if (rules.ignore?.includes(job.queue)) continue;
    withoutLate(job, history, rules);
    if (job.ackedAt !== undefined) figures.jobs += 1;
    figures.starts += job.starts.length;
    enqueues(job, history, found, figures);
    fences(job, found);
    settles(job, found, figures);
    duplicates(job, history, rules, found, figures, recoveries);
    times(job, found, late);
    stopped(job, history, rules, found);
    poison(job, history, rules, found);
    if (job.key_ !== undefined) (keyed.get(job.key_) ?? keyed.set(job.key_, []).get(job.key_)).push(job);
  }
  atRest(history, rules, found, figures);
  groups(history, found);
  deduplicated(keyed, found);
  bounds(history, rules, found, figures, recoveries);
  for (const problem of fsck) found.add('I6', `the store's own check: ${JSON.stringify(problem)}`);
  for (const { who, problems } of history.processes.values()) {
    for (const problem of problems) found.add('process', `${who}: ${problem}`);
  }
  if (figures.lost > (rules.allowLost ?? 0)) found.add('I1', `${figures.lost} acknowledged jobs are lost`);
  figures.p99RecoveryMs = rounded(percentile(recoveries, 0.99));
  figures.maxRecoveryMs = rounded(percentile(recoveries, 1));
  figures.p99LateMs = rounded(percentile(late, 0.99));
  return { violations: found.list(), broken: found.kinds(), figures };
}

class Violations {
  #all = new Map();

  add(invariant, text) {
    const texts = this.#all.get(invariant);
    if (texts) texts.push(text);
    else this.#all.set(invariant, [text]);
  }

  kinds() {
    return [...this.#all.keys()].sort();
  }

  list() {
    return [...this.#all].flatMap(([invariant, texts]) => [
      ...texts.slice(0, TOLD).map((text) => ({ invariant, text })),
      ...(texts.length > TOLD ? [{ invariant, text: `and ${texts.length - TOLD} more` }] : []),
    ]);
  }
}

const rounded = (value) => (value === undefined ? undefined : Math.round(value));
const ms = (us) => Math.round(us / 1_000);

/** I1: what was acknowledged is done. I2: what was done had been asked for. */
function enqueues(job, { rows }, found, figures) {
  if (job.tries === 0 && (job.starts.length > 0 || job.ends.length > 0)) {
    found.add('I2', `${job.key} ran, and nobody tried to add it`);
  }
  if (!rows || job.ackedAt === undefined) return;
  const row = rows.get(job.key);
  if (!row) {
    figures.lost += 1;
    return;
  }
  if (row.status === 'completed' && !job.ends.some(({ how }) => how === 'effect')) {
    found.add('I1', `${job.key} is completed, and no handler of it came to its end`);
  }
}

/** I4: fences only grow, and no two starts share one. */
function fences(job, found) {
  let highest;
  for (const start of job.starts) {
    if (highest !== undefined && start.fence <= highest.fence) {
      const what = start.fence === highest.fence ? 'shares its fence with' : 'has an older fence than';
      found.add('I4', `${job.key}: the start in ${start.who} ${what} an earlier one in ${highest.who}`);
    } else highest = start;
  }
}

/** I3: one outcome, and that of the highest fence. A late owner's is `lost`. */
function settles(job, found, figures) {
  const ended = new Map();
  for (const settle of job.settles) {
    if (settle.verdict === 'lost') figures.refused += 1;
    const final = settle.kind === 'complete' || settle.kind === 'fail';
    if (!final || (settle.verdict !== 'settled' && settle.verdict !== 'already')) continue;
    ended.set(settle.fence, settle);
  }
  if (ended.size > 1) found.add('I3', `${job.key} was settled ${ended.size} times`);
  for (const [fence, { who }] of ended) {
    const newer = job.starts.find((start) => start.fence > fence);
    if (newer) found.add('I3', `${job.key}: ${who} settled it under an older fence than that of ${newer.who}`);
  }
}

/** I5: each start beyond the first has a reason: an abnormal end of the owner before. */
function duplicates(job, history, rules, found, figures, recoveries) {
  const starts = job.starts.toSorted((a, b) => a.fence - b.fence);
  for (let i = 1; i < starts.length; i += 1) {
    const [before, next] = [starts[i - 1], starts[i]];
    figures.extraStarts += 1;
    const cause = causeOf(job, before, next, history, rules);
    if (!cause) {
      const after = ms(next.at - before.at);
      found.add('I5', `${job.key} started in ${next.who} ${after} ms after ${before.who}, which had not ended`);
    } else {
      figures.explained += 1;
      figures.causes[cause.kind] = (figures.causes[cause.kind] ?? 0) + 1;
      recoveries.push(...recoveriesOf(job, before, next, history, rules));
    }
    if (rules.exclusive) alone(job, before, next, history, found);
  }
  if (rules.extraStarts === 0 && starts.length > 1) found.add('I5', `${job.key} started ${starts.length} times`);
}

/** Nothing of an old owner runs beside the next one. A process that stands still does not run. */
function alone(job, before, next, { processes }, found) {
  const owner = processes.get(before.who);
  if (owner?.goneAt !== undefined && owner.goneAt <= next.at) return;
  const still = ({ kind, from, to }) => kind !== 'cut' && from <= next.at && to + SETTLING_US >= next.at;
  const end = job.ends.find(({ fence, who }) => fence === before.fence && who === before.who);
  const endedAt = end?.at ?? owner?.goneAt ?? owner?.stoppedAt ?? Infinity;
  if (endedAt <= next.at + SLACK_US || owner?.spans.some(still)) return;
  found.add('overlap', `${job.key} ran in ${before.who} for ${ms(endedAt - next.at)} ms beside ${next.who}`);
}

/** A handler whose process stood still until somebody else had its job is told to stop when it goes on. */
function stopped(job, { processes }, { abortMs }, found) {
  if (abortMs === undefined) return;
  for (const start of job.starts) {
    const next = job.starts.find(({ fence }) => fence > start.fence);
    if (!next) continue;
    const owner = processes.get(start.who);
    const end = job.ends.find(({ fence, who }) => fence === start.fence && who === start.who);
    for (const { kind, from, to } of owner?.spans ?? []) {
      if (kind !== 'freeze' || from < start.at || from > next.at || to < next.at) continue;
      const until = end?.at ?? owner.goneAt ?? Infinity;
      if (until > to + abortMs * 1_000) {
        found.add('abort', `${job.key} went on for ${ms(until - to)} ms in ${start.who} after it had lost the job`);
      }
    }
  }
}

/**
 * I7: no delayed job is handed out before it is due, by the store's clock. Of others the store says when they became
 * ready, and of a claim when it began: what became ready meanwhile is no matter.
 */
function times(job, found, late) {
  if (!job.delayed) return;
  for (const claim of job.claims ?? []) {
    if (claim.late < -1) found.add('I7', `${job.key} was handed out ${-claim.late} ms before it was due`);
  }
  if (job.claims?.[0]) late.push(job.claims[0].late);
}

/** I8: poison is given up, and nobody beside it whose handler never threw. */
function poison(job, { rows }, rules, found) {
  const row = rows?.get(job.key);
  if (!job.poison) {
    // One that has not ended is told by I6.
    const beside = rules.poisonStarts !== undefined && isFinal(row?.status) && row.status !== 'completed';
    const threw = rules.cascades || job.ends.some(({ how }) => how === 'throw');
    if (beside || (row?.status === 'failed' && !threw)) {
      found.add('I8', `${job.key} is innocent and ${row.status}, stalled ${row.stalledCount ?? 0} times`);
    }
    return;
  }
  if (rules.poisonStarts !== undefined && job.starts.length > rules.poisonStarts) {
    found.add('I8', `${job.key} is poison and started ${job.starts.length} times`);
  }
  if (row && row.status !== 'failed') found.add('I8', `${job.key} is poison and ${row.status}`);
}

/** I6: at rest nothing waits and nothing runs; and what the store holds is what happened. */
function atRest({ jobs, rows }, rules, found, figures) {
  if (!rows) return;
  for (const [key, row] of rows) {
    if (rules.ignore?.includes(row.queue)) continue;
    if (!isFinal(row.status)) {
      figures.stuck += 1;
      found.add('I6', `${key} is still ${row.status}`);
      continue;
    }
    const job = jobs.get(key);
    if (!job || job.tries === 0) {
      found.add('I2', `${key} is in the store, and nobody tried to add it`);
      continue;
    }
    const last = job.starts.reduce((highest, { fence }) => Math.max(highest, fence), 0);
    if (row.status === 'completed' && row.fence < last) {
      found.add('I3', `${key} was completed under fence ${row.fence}, after a start under ${last}`);
    }
    if (row.status === 'completed' && row.result !== undefined && Number(row.result) !== row.fence) {
      found.add('I3', `${key} was completed under fence ${row.fence} with the result of ${row.result}`);
    }
  }
}

/** What was added in one call is there as a whole or not at all. */
function groups({ groups: all, rows }, found) {
  if (!rows) return;
  for (const [name, members] of all) {
    const there = members.filter(({ key }) => rows.has(key)).length;
    if (there > 0 && there < members.length) {
      found.add('I1', `of the ${members.length} jobs of the call ${name} there are ${there}`);
    }
  }
}

/** I10: two jobs of one key never live at once. Each surely lives from its acknowledgement to its last start. */
function deduplicated(keyed, found) {
  for (const [key, jobs] of keyed) {
    const lives = jobs
      .filter(({ createdAt, starts }) => createdAt !== undefined && starts.length > 0)
      .map(({ key: id, createdAt, starts }) => ({ id, from: createdAt, to: starts.at(-1).at }))
      .filter(({ from, to }) => to > from)
      .sort((a, b) => a.from - b.from);
    for (let i = 1; i < lives.length; i += 1) {
      if (lives[i].from < lives[i - 1].to)
        found.add('I10', `${lives[i - 1].id} and ${lives[i].id} share the key ${key}`);
    }
  }
}

function bounds({ processes, faults }, rules, found, figures, recoveries) {
  const gone = [...processes.values()].filter(({ goneAt }) => goneAt !== undefined).length;
  const most = gone * (rules.concurrency ?? Infinity);
  if ((figures.causes.kill ?? 0) > most) {
    found.add('I5', `${figures.causes.kill} starts for ${gone} ends of processes that run ${rules.concurrency} each`);
  }
  const p99 = percentile(recoveries, 0.99);
  if (rules.recoveryMs !== undefined && p99 !== undefined && p99 > rules.recoveryMs) {
    found.add('recovery', `p99 is ${Math.round(p99)} ms, at most ${rules.recoveryMs} ms`);
  }
  if (rules.drainMs === undefined) return;
  const calm = faults.marks.findLast(({ event }) => event === 'calm');
  const drained = faults.marks.findLast(({ event }) => event === 'drained');
  if (!calm || !drained || drained.at < calm.at) found.add('I16', 'the backlog did not drain');
  else if (drained.at - calm.at > rules.drainMs * 1_000) {
    found.add('I16', `the backlog took ${ms(drained.at - calm.at)} ms to drain, at most ${rules.drainMs} ms`);
  }
}
