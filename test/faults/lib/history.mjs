// Ledgers laid out for the checker: what happened to each job, and what happened to each process.
import { readDetail } from './ledger.mjs';

const FINAL = new Set(['completed', 'failed', 'cancelled']);
export const isFinal = (status) => FINAL.has(status);

/** What a process writes down when its store has answered. */
const ANSWERS = new Set(['ack', 'claim', 'settle', 'lease']);

/** How an interval of a process begins and ends in the nemesis' ledger. */
const SPANS = { freeze: 'thaw', cut: 'heal', outage: 'restored' };

/** The first of these sorted times after `at`. */
function firstAfter(times, at) {
  let [low, high] = [0, times.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] > at) high = middle;
    else low = middle + 1;
  }
  return times[low];
}

/**
 * `ledgers`: `[{ who, events }]` of the workers and of `nemesis`. `states`: rows of the store at rest, `{ queue, id,
 * status, fence, result }`, or undefined where they were not read.
 *
 * `spans` of a process are what happened to it; `away` are the times in which it could not reach its store, up to the
 * first answer afterwards: a connection takes its time to come back. `slow` are renewals of its leases that the store did not
 * answer in time.
 */
export function historyOf(ledgers, states) {
  const jobs = new Map();
  const processes = new Map();
  const groups = new Map();
  const answered = new Map();
  let nemesis = [];
  const job = (queue, id) => {
    const key = `${queue} ${id}`;
    let found = jobs.get(key);
    if (!found) jobs.set(key, (found = { key, queue, id, tries: 0, starts: [], ends: [], settles: [] }));
    return found;
  };
  const processOf = (who) => {
    let found = processes.get(who);
    if (!found) processes.set(who, (found = { who, spans: [], away: [], slow: [], starts: [], problems: [] }));
    return found;
  };

  for (const { who, events } of ledgers) {
    if (who === 'nemesis') {
      nemesis = events;
      continue;
    }
    const own = processOf(who);
    answered.set(
      who,
      events.filter(({ event }) => ANSWERS.has(event)).map(({ at }) => at),
    );
    for (const { at, event, queue, id, fence, detail } of events) {
      switch (event) {
        case 'try': {
          const { g, k, d, poison } = readDetail(detail);
          const one = job(queue, id);
          one.tries += 1;
          one.key_ = k;
          if (d !== undefined) one.delayed = true;
          if (poison) one.poison = poison;
          if (g) (groups.get(g) ?? groups.set(g, []).get(g)).push(one);
          break;
        }
        case 'ack':
          job(queue, id).ackedAt ??= at;
          if (detail === 'created') job(queue, id).createdAt ??= at;
          break;
        case 'nack':
          job(queue, id).refused = detail;
          break;
        case 'claim': {
          const { late, took = 0, stalled } = readDetail(detail);
          const askedAt = at - Number(took) * 1_000;
          (job(queue, id).claims ??= []).push({
            at,
            askedAt,
            who,
            fence,
            late: Number(late),
            stalled: Number(stalled),
          });
          break;
        }
        case 'start':
          job(queue, id).starts.push({ at, who, fence });
          own.starts.push(at);
          break;
        case 'effect':
        case 'throw':
        case 'abort':
          job(queue, id).ends.push({ at, who, fence, how: event, detail });
          break;
        case 'settle':
          job(queue, id).settles.push({ at, who, fence, ...readDetail(detail) });
          break;
        case 'lag':
          own.spans.push({ kind: 'starved', from: at - Number(detail) * 1_000, to: at });
          break;
        case 'block':
          own.spans.push({ kind: 'block', from: at, to: at + Number(detail) * 1_000 });
          break;
        case 'slow':
          own.slow.push({ kind: 'slow', from: at - Number(detail) * 1_000, to: at });
          break;
        case 'down':
          own.stoppedAt = at;
          break;
        case 'unhandled':
          own.problems.push(`unhandled rejection: ${detail}`);
          break;
      }
    }
  }

  const faults = { marks: [], everywhere: [] };
  for (const { at, event, queue: who } of nemesis) {
    // From the first on nobody counts on it; until the second, on a busy machine, it may still do something.
    if (event === 'kill' || event === 'gone') processOf(who).goneAt ??= at;
    if (event === 'gone') processOf(who).leftAt ??= at;
    const opens = SPANS[event];
    if (opens) {
      const span = { kind: event, from: at, to: Infinity };
      (who === '-' ? faults.everywhere : processOf(who).spans).push(span);
    }
    const closes = Object.keys(SPANS).find((kind) => SPANS[kind] === event);
    if (closes) {
      const list = who === '-' ? faults.everywhere : processOf(who).spans;
      const open = list.findLast((span) => span.kind === closes && span.to === Infinity);
      if (open) open.to = at;
    }
    if (event === 'calm' || event === 'drained') faults.marks.push({ at, event });
  }

  for (const own of processes.values()) {
    const answers = (answered.get(own.who) ?? []).sort((a, b) => a - b);
    own.away = [...own.spans, ...faults.everywhere]
      .filter(({ kind }) => kind === 'cut' || kind === 'outage')
      .map((span) => ({ ...span, to: firstAfter(answers, span.to) ?? span.to }));
  }
  for (const one of jobs.values()) {
    one.starts.sort((a, b) => a.at - b.at);
    one.ends.sort((a, b) => a.at - b.at);
    one.settles.sort((a, b) => a.at - b.at);
  }
  const rows = states && new Map(states.map((row) => [`${row.queue} ${row.id}`, row]));
  return { jobs, processes, groups, faults, rows };
}
