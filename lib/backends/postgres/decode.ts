import { openError } from '../../kernel/job/short-forms.js';
import type { Progress } from '../../kernel/job/stored-job.js';
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
import type { LeaseNumbers } from './lease-numbers.js';
import { openMeta, statusOf } from './records.js';

/** Queue, id, name, error. */
export type CascadedRow = readonly [queue: string, id: string, name: string, error: string];

export function openCascaded(rows: readonly CascadedRow[]): CascadedJob[] {
  return rows.map(([queue, id, name, error]) => ({ queue, id, name, error: openError(error) }));
}

/** What enqueue_v1 answers: [now, jobs that are not simply ready since now, the outbox is left to the caller]. */
export type EnqueueRow = readonly [now: number, odd: readonly (readonly unknown[])[], more: boolean];

const CREATED = 1;
const SKIPPED = 2;
const REFUSED = 3;

export function openResults(
  groups: readonly (readonly NewJob[])[],
  [now, odd]: Pick<EnqueueRow, 0 | 1> & readonly unknown[],
): EnqueueResult[][] {
  const rows = new Map<number, readonly unknown[]>();
  for (const row of odd) {
    const [at, how, size] = row as [number, number, number];
    for (let i = 0; i < (how === REFUSED ? size : 1); i += 1) rows.set(at + i, row);
  }
  let at = 0;
  return groups.map((group) =>
    group.map(({ id }): EnqueueResult => {
      const row = rows.get(at);
      at += 1;
      return row ? openResult(id, row) : { id, created: true, status: 'waiting', createdAt: now, runAt: now };
    }),
  );
}

function openResult(id: string, row: readonly unknown[]): EnqueueResult {
  const [, how, place, createdAt, runAt, other] = row as [number, number, number, number, number, string?];
  if (how === REFUSED) {
    return { id, created: false, status: 'waiting', createdAt: 0, runAt: 0, refused: openRefusal(row.slice(3)) };
  }
  const result = { id: other ?? id, created: how === CREATED, status: statusOf(place), createdAt, runAt };
  return how === SKIPPED ? { ...result, skipped: true } : result;
}

function openRefusal([why, first, second]: readonly unknown[]): EnqueueRefusal {
  if (why === 'p') return { why: 'unknown-parent', parent: { queue: first as string, id: second as string } };
  return why === 'h' ? { why: 'held-full', limit: first as number } : { why: 'disabled' };
}

/** Id, fence, owner, failed, stalled count, error. */
export type SweptRow = readonly [string, number, string, boolean, number, string | null];

export function openSwept(queue: string, rows: readonly SweptRow[]): SweptJob[] {
  return rows.map(([id, fence, owner, failed, stalledCount, error]) => ({
    queue,
    id,
    fence,
    owner,
    to: failed ? 'failed' : 'stalled',
    stalledCount,
    error: error === null ? undefined : openError(error),
  }));
}

/** What taken_v1 says of a claim. */
export interface ClaimHead {
  readonly now: number;
  readonly dueAt: number | null;
  readonly expiryAt: number | null;
  readonly held: boolean;
  readonly paused: boolean;
  readonly retryAfterMs: number | null;
  readonly suspects: number;
  readonly swept: readonly SweptRow[];
  readonly cascaded: readonly CascadedRow[];
  /** The outbox is left to the caller. */
  readonly more: boolean;
  readonly looked: boolean;
  readonly last: number | null;
  readonly returned: number;
}

export function openHead(text: string): ClaimHead {
  const [now, dueAt, expiryAt, held, paused, retryAfterMs, suspects, swept, cascaded, more, looked, last, returned] =
    JSON.parse(text) as [
      number,
      number | null,
      number | null,
      boolean,
      boolean,
      number | null,
      number,
      SweptRow[],
      CascadedRow[],
      boolean,
      boolean,
      number | null,
      number,
    ];
  return { now, dueAt, expiryAt, held, paused, retryAfterMs, suspects, swept, cascaded, more, looked, last, returned };
}

/** A row of claim_v1. */
export interface ClaimRow {
  readonly head: string;
  readonly jobs: string | null;
}

/** The row of settle_v1; without a claim, `head` is null. */
export interface SettleRow {
  readonly settled: string;
  readonly head: string | null;
  readonly jobs: string | null;
}

/** What few jobs have, as claimed_job_v1 in functions/claim.sql has it: beside the text progress, unknownNameSince, parents. */
type Told = readonly [string, string | null, number | null, [string, string][] | null];

/** Stands between two jobs, and before a job that is told as JSON. */
const BETWEEN = '\x1e';
const AS_JSON = '\x1d';

/** The jobs of a claim. One text for all: rows cost several times as much to read, on both sides. */
export function openJobs(jobs: string | null, numbers: LeaseNumbers): ClaimedJob[] {
  if (!jobs) return [];
  return jobs
    .split(BETWEEN)
    .map((told) =>
      told.startsWith(AS_JSON) ? openMore(JSON.parse(told.slice(1)) as Told, numbers) : openClaimed(told, numbers),
    );
}

/** The reply of a claim. `expiryAt`: when the next lease expires, as far as that is known. */
export function openClaim(queue: string, head: ClaimHead, expiryAt: number | null, jobs: ClaimedJob[]): ClaimReply {
  const { now, dueAt, held, paused, retryAfterMs, suspects } = head;
  const next = Math.min(dueAt ?? Infinity, expiryAt ?? Infinity);
  return {
    queue,
    now,
    jobs,
    ...(held ? { nextDueMs: 0 } : Number.isFinite(next) && { nextDueMs: Math.max(0, next - now) }),
    paused,
    ...(retryAfterMs !== null && { retryAfterMs }),
    suspects,
    swept: openSwept(queue, head.swept),
    cascaded: openCascaded(head.cascaded),
  };
}

/** Lines before the payload, which may have lines of its own. */
const LINES = 7;

function openClaimed(told: string, numbers: LeaseNumbers): ClaimedJob {
  const lines = told.split('\n');
  const [seq, by, since, more, id = '', name = '', meta = '', data] = lines;
  const fence = Number(by);
  const createdAt = Number(since);
  numbers.learn(fence, Number(seq), id);
  const [attempt, stalledCount, priority, runAt] = more ? more.split(' ').map(Number) : [];
  return {
    id,
    name,
    data: lines.length > LINES + 1 ? lines.slice(LINES).join('\n') : data,
    meta: openMeta(meta === '' ? null : meta),
    priority: priority ?? 0,
    fence,
    attempt: attempt ?? 1,
    stalledCount: stalledCount ?? 0,
    createdAt,
    runAt: runAt ?? createdAt,
    progress: undefined,
    unknownNameSince: undefined,
    parents: undefined,
  };
}

function openMore([told, progress, since, parents]: Told, numbers: LeaseNumbers): ClaimedJob {
  return {
    ...openClaimed(told, numbers),
    progress: progress ? (JSON.parse(progress) as Progress) : undefined,
    unknownNameSince: since ?? undefined,
    parents: parents ? parents.map(([queue, parent]) => ({ queue, id: parent })) : undefined,
  };
}

const VERDICTS: Readonly<Record<string, SettleVerdict>> = { s: 'settled', a: 'already', l: 'lost' };

/** A letter each; none = all settled. */
export function openVerdicts(letters: string, count: number): SettleVerdict[] {
  if (letters === '') return Array.from({ length: count }, () => 'settled');
  return Array.from(letters, (letter) => VERDICTS[letter] ?? 'lost');
}
