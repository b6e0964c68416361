import { DEFAULT_JOB_NAME } from '../../kernel/job/ids.js';
import { openError, openRef, openTimeline } from '../../kernel/job/short-forms.js';
import type { JobStatus } from '../../kernel/job/states.js';
import type { JobMeta, JobRef, LogEntry, Progress, StoredJob } from '../../kernel/job/stored-job.js';
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

/** Splits what `envelope` in encode.ts put together. */
function openEnvelope(text: string): { name: string; meta: JobMeta; data: string | undefined } {
  const end = text.indexOf('\n');
  const head = end < 0 ? text : text.slice(0, end);
  const [name, meta] = head === '' ? [DEFAULT_JOB_NAME, {}] : (JSON.parse(head) as [string, JobMeta]);
  return { name, meta, data: end < 0 ? undefined : text.slice(end + 1) };
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

/** Values per job in the reply of a claim, see describe in scripts/common/lease.lua. */
const CLAIMED_WIDTH = 3;

export function openClaim(queue: string, [head, swept, cascaded, jobs]: Reply): ClaimReply {
  const [now, nextDueMs, paused, retryAfterMs, suspects, fence = 0] = head as number[];
  const reply: ClaimReply = {
    queue,
    now: now as number,
    jobs: openClaimed(jobs as Reply, fence),
    paused: paused === 1,
    suspects: suspects as number,
    swept: openSwept(queue, swept as Reply),
    cascaded: openCascaded(queue, cascaded as Reply),
  };
  if (nextDueMs !== undefined && nextDueMs >= 0) Object.assign(reply, { nextDueMs });
  if (retryAfterMs !== undefined && retryAfterMs >= 0) Object.assign(reply, { retryAfterMs });
  return reply;
}

/** `fence`: of the first job. */
function openClaimed(list: Reply, fence: number): ClaimedJob[] {
  const jobs: ClaimedJob[] = [];
  for (let i = 0; i < list.length; i += CLAIMED_WIDTH) {
    const third = list[i + 2];
    const { name, meta, data } = openEnvelope(list[i + 1] as string);
    const id = list[i] as string;
    if (Array.isArray(third)) jobs.push({ id, name, data, meta, ...openMore(third as Reply) });
    else {
      const createdAt = third as number;
      jobs.push({
        id,
        name,
        data,
        meta,
        fence: fence + i / CLAIMED_WIDTH,
        attempt: 1,
        stalledCount: 0,
        priority: 0,
        createdAt,
        runAt: createdAt,
        progress: undefined,
        unknownNameSince: undefined,
        parents: undefined,
      });
    }
  }
  return jobs;
}

function openMore(list: Reply): Omit<ClaimedJob, 'id' | 'name' | 'data' | 'meta'> {
  const [fence = 0, attempt = 0, stalledCount = 0, priority = 0, createdAt = 0, runAt = 0, unknown = 0] =
    list as number[];
  const progress = list[7] as string;
  return {
    fence,
    attempt,
    stalledCount,
    priority,
    createdAt,
    runAt,
    progress: progress === '' ? undefined : (JSON.parse(progress) as Progress),
    unknownNameSince: unknown > 0 ? unknown : undefined,
    parents: list.length > 8 ? openRefs(list, 8) : undefined,
  };
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
