import { parentFailedError } from '../../kernel/job/parent-errors.js';
import { crashedError, stalledTooOftenError } from '../../kernel/job/stall-errors.js';
import type { FinalStatus, JobStatus } from '../../kernel/job/states.js';
import type {
  JobMeta,
  JobRef,
  LogEntry,
  Progress,
  StoredError,
  StoredJob,
  TimelineEntry,
} from '../../kernel/job/stored-job.js';
import type {
  CascadedJob,
  ClaimedJob,
  ClaimReply,
  EnqueueRefusal,
  EnqueueResult,
  NewJob,
  SettleVerdict,
  SweptJob,
} from '../../kernel/ports/job-store.js';
import type { Reply } from './script-runner.js';

/** The sets of scripts/common/job.lua. */
const STATUS_OF: Readonly<Record<string, JobStatus>> = {
  w: 'waiting',
  s: 'waiting',
  d: 'delayed',
  b: 'waiting-children',
  h: 'paused',
  a: 'active',
  c: 'completed',
  C: 'completed',
  f: 'failed',
  F: 'failed',
  x: 'cancelled',
  X: 'cancelled',
};

export function statusOf(set: unknown): JobStatus {
  return STATUS_OF[set as string] ?? 'waiting';
}

const VERDICTS: Readonly<Record<string, SettleVerdict>> = { s: 'settled', a: 'already', l: 'lost' };

export function verdictOf(letter: unknown): SettleVerdict {
  return VERDICTS[letter as string] ?? 'lost';
}

/** Splits what `pushJob` put together. */
function openEnvelope(text: string): { name: string; meta: JobMeta; data: string | undefined } {
  const end = text.indexOf('\n');
  const [name, meta] = JSON.parse(end < 0 ? text : text.slice(0, end)) as [string, JobMeta];
  return { name, meta, data: end < 0 ? undefined : text.slice(end + 1) };
}

/** A user's error is JSON; those that scripts make are short codes, so that no script writes JSON. */
function openError(text: string): StoredError {
  const rest = text.slice(1);
  switch (text[0]) {
    case 'k':
      return crashedError(rest);
    case 's': {
      const [count, maxStalledCount] = rest.split(':').map(Number);
      return stalledTooOftenError(count ?? 0, { maxStalledCount: maxStalledCount ?? 0 });
    }
    case 'p':
      return parentFailedError(openRef(rest.slice(1)), HOW[rest[0] ?? ''] ?? 'removed');
    default:
      return JSON.parse(text) as StoredError;
  }
}

const HOW: Readonly<Record<string, FinalStatus | 'removed'>> = {
  c: 'completed',
  f: 'failed',
  x: 'cancelled',
  r: 'removed',
};

/** `queue`, a line break, `id`. */
export function openRef(text: string): JobRef {
  const end = text.indexOf('\n');
  return { queue: text.slice(0, end), id: text.slice(end + 1) };
}

/** Queue, id, queue, id, ... */
function openRefs(list: readonly unknown[], from = 0): JobRef[] | undefined {
  if (list.length <= from) return undefined;
  const refs: JobRef[] = [];
  for (let i = from; i < list.length; i += 2) refs.push({ queue: list[i] as string, id: list[i + 1] as string });
  return refs;
}

/** What an enqueue answered, for each job of each group. */
export function openResults(groups: readonly (readonly NewJob[])[], runs: readonly Reply[]): EnqueueResult[][] {
  let at = 0;
  let left = (runs[0]?.[0] ?? 0) as number;
  return groups.map((group) => {
    const results: EnqueueResult[] = [];
    for (const { id } of group) {
      while (left === 0) left = (runs[(at += 1)]?.[0] ?? 1) as number;
      left -= 1;
      results.push(openResult(id, runs[at] ?? []));
    }
    return results;
  });
}

function openResult(id: string, [, how, set, createdAt, runAt, other]: Reply): EnqueueResult {
  if (how === 3) {
    const refused = openRefusal(set, createdAt, runAt);
    return { id, created: false, status: 'waiting', createdAt: 0, runAt: 0, refused };
  }
  const result = {
    id: typeof other === 'string' ? other : id,
    created: how === 1,
    status: statusOf(set),
    createdAt: createdAt as number,
    runAt: runAt as number,
  };
  return how === 2 ? { ...result, skipped: true } : result;
}

function openRefusal(why: unknown, first: unknown, second: unknown): EnqueueRefusal {
  if (why === 'p') return { why: 'unknown-parent', parent: { queue: first as string, id: second as string } };
  return why === 'h' ? { why: 'held-full', limit: first as number } : { why: 'disabled' };
}

/** Numbers per job in the reply of a claim. */
const CLAIMED_WIDTH = 9;

export function openClaim(queue: string, [head, swept, cascaded, jobs]: Reply): ClaimReply {
  const [now, nextDueMs, paused, retryAfterMs, suspects] = head as number[];
  const reply: ClaimReply = {
    queue,
    now: now as number,
    jobs: openClaimed(jobs as Reply),
    paused: paused === 1,
    suspects: suspects as number,
    swept: openSwept(queue, swept as Reply),
    cascaded: openCascaded(queue, cascaded as Reply),
  };
  if (nextDueMs !== undefined && nextDueMs >= 0) Object.assign(reply, { nextDueMs });
  if (retryAfterMs !== undefined && retryAfterMs >= 0) Object.assign(reply, { retryAfterMs });
  return reply;
}

function openClaimed(list: Reply): ClaimedJob[] {
  const jobs: ClaimedJob[] = [];
  for (let i = 0; i < list.length; i += CLAIMED_WIDTH) {
    const extra = list[i + 8];
    const more = Array.isArray(extra) ? (extra as Reply) : undefined;
    const { name, meta, data } = openEnvelope(list[i + 1] as string);
    jobs.push({
      id: list[i] as string,
      name,
      data,
      meta,
      fence: list[i + 2] as number,
      attempt: list[i + 3] as number,
      stalledCount: list[i + 4] as number,
      priority: list[i + 5] as number,
      createdAt: list[i + 6] as number,
      runAt: list[i + 7] as number,
      progress: more?.[0] ? (JSON.parse(more[0] as string) as Progress) : undefined,
      unknownNameSince: more?.[1] ? (more[1] as number) : undefined,
      parents: more && openRefs(more, 2),
    });
  }
  return jobs;
}

export function openSwept(queue: string, list: Reply): SweptJob[] {
  const swept: SweptJob[] = [];
  for (let i = 0; i < list.length; i += 6) {
    const error = list[i + 5] as string;
    swept.push({
      queue,
      id: list[i] as string,
      fence: list[i + 1] as number,
      owner: list[i + 2] as string,
      to: list[i + 3] === 1 ? 'failed' : 'stalled',
      stalledCount: list[i + 4] as number,
      error: error === '' ? undefined : openError(error),
    });
  }
  return swept;
}

/** Id, head of the envelope, error, ... */
export function openCascaded(queue: string, list: Reply): CascadedJob[] {
  const cascaded: CascadedJob[] = [];
  for (let i = 0; i < list.length; i += 3) cascaded.push(openCascadedOne(queue, list.slice(i, i + 3) as string[]));
  return cascaded;
}

export function openCascadedOne(queue: string, [id = '', head = '', error = '']: readonly string[]): CascadedJob {
  return { queue, id, name: openEnvelope(head).name, error: openError(error) };
}

const EVENTS: Readonly<Record<string, TimelineEntry['event']>> = {
  f: 'attempt-failed',
  s: 'stalled',
  r: 'released',
  p: 'promoted',
  d: 'rescheduled',
  u: 'updated',
  h: 'held',
};

/** Code and time, attempt, detail: `f1700000000000:2:Error: it failed`. */
function openTimeline(line: string): TimelineEntry {
  const first = line.indexOf(':');
  const second = line.indexOf(':', first + 1);
  const attempt = line.slice(first + 1, second);
  const detail = line.slice(second + 1);
  return {
    at: Number(line.slice(1, first)),
    event: EVENTS[line[0] ?? ''] ?? 'updated',
    ...(attempt !== '' && { attempt: Number(attempt) }),
    ...(detail !== '' && { detail }),
  };
}

/** A whole job, see scripts/common/show.lua. */
export function openStored(queue: string, reply: Reply): StoredJob {
  const [id, env, set, priority, attempt, stalledCount, fence, owner, createdAt, runAt, started, finished, dead] =
    reply;
  const [result, fields, logs, timeline, parents, children] = reply.slice(13) as string[][];
  const wide = new Map<string, string>();
  for (let i = 0; fields && i < fields.length; i += 2) wide.set(fields[i] ?? '', fields[i + 1] ?? '');
  const { name, meta, data } = openEnvelope(env as string);
  const text = <T>(field: string, open: (value: string) => T): T | undefined => {
    const value = wide.get(field);
    return value === undefined ? undefined : open(value);
  };
  const plain = (value: string): string => value;
  const instant = (value: unknown): number | undefined => (value === 0 ? undefined : (value as number));
  return {
    queue,
    id: id as string,
    name,
    status: statusOf(set),
    data,
    meta,
    priority: priority as number,
    attempt: attempt as number,
    stalledCount: stalledCount as number,
    fence: fence as number,
    owner: owner === '' ? undefined : (owner as string),
    createdAt: createdAt as number,
    runAt: runAt as number,
    startedAt: instant(started),
    finishedAt: instant(finished),
    result: result?.[0],
    error: text('error', openError),
    reason: set === 'h' ? 'the queue is disabled' : text('reason', plain),
    progress: text('progress', (value) => JSON.parse(value) as Progress),
    logs: (logs ?? []).map((line) => JSON.parse(line) as LogEntry),
    timeline: (timeline ?? []).map(openTimeline),
    retriedFromId: text('rfrom', plain),
    retriedById: text('rby', plain),
    parents: openRefs(parents ?? []),
    children: children && children.length > 0 ? children.map(openRef) : undefined,
    dead: dead === 1,
    origin: text('origin', openRef),
    dedupKey: text('k', plain),
  };
}
