import { openError, openRef, openTimeline } from '../../kernel/job/short-forms.js';
import type { JobStatus } from '../../kernel/job/states.js';
import type { JobMeta, JobRef, LogEntry, Progress, StoredJob } from '../../kernel/job/stored-job.js';

/** The places of migrations/0001-tables.sql, from 1. */
const STATUSES: readonly JobStatus[] = [
  'waiting',
  'waiting',
  'delayed',
  'waiting-children',
  'paused',
  'active',
  'completed',
  'failed',
  'cancelled',
  'completed',
  'failed',
  'cancelled',
];

export function statusOf(place: number): JobStatus {
  return STATUSES[place - 1] ?? 'waiting';
}

/** The first place of a state: its list holds the others, too. */
export function placeOf(status: JobStatus): number {
  return STATUSES.indexOf(status) + 1;
}

/** A row of stored_v1 in functions/reads.sql. */
export interface StoredRow {
  readonly seq: number;
  readonly id: string;
  readonly name: string;
  readonly place: number;
  readonly data: string | null;
  readonly meta: string | null;
  readonly priority: number;
  readonly attempt: number;
  readonly stalled: number;
  readonly fence: number;
  readonly owner: string | null;
  readonly created_at: number;
  readonly run_at: number;
  readonly started_at: number | null;
  readonly finished_at: number | null;
  readonly result: string | null;
  readonly error: string | null;
  readonly reason: string | null;
  readonly progress: string | null;
  readonly logs: readonly string[] | null;
  readonly timeline: readonly string[] | null;
  readonly retried_from: string | null;
  readonly retried_by: string | null;
  readonly origin: string | null;
  readonly dedup_key: string | null;
  readonly dead: boolean;
  readonly parents: readonly string[] | null;
  readonly children: readonly string[] | null;
}

/** The meta of a job that has none is not stored. */
export function openMeta(text: string | null): JobMeta {
  return text === null ? {} : (JSON.parse(text) as JobMeta);
}

export function openStored(queue: string, row: StoredRow): StoredJob {
  const status = statusOf(row.place);
  return {
    queue,
    id: row.id,
    name: row.name,
    status,
    data: row.data ?? undefined,
    meta: openMeta(row.meta),
    priority: row.priority,
    attempt: row.attempt,
    stalledCount: row.stalled,
    fence: row.fence,
    owner: row.owner ?? undefined,
    createdAt: row.created_at,
    runAt: row.run_at,
    startedAt: row.started_at ?? undefined,
    finishedAt: row.finished_at ?? undefined,
    result: row.result ?? undefined,
    error: row.error === null ? undefined : openError(row.error),
    reason: status === 'paused' ? 'the queue is disabled' : (row.reason ?? undefined),
    progress: row.progress === null ? undefined : (JSON.parse(row.progress) as Progress),
    logs: (row.logs ?? []).map((line) => JSON.parse(line) as LogEntry),
    timeline: (row.timeline ?? []).map(openTimeline),
    retriedFromId: row.retried_from ?? undefined,
    retriedById: row.retried_by ?? undefined,
    parents: openRefs(row.parents),
    children: openRefs(row.children),
    dead: row.dead,
    origin: row.origin === null ? undefined : openRef(row.origin),
    dedupKey: row.dedup_key ?? undefined,
  };
}

function openRefs(list: readonly string[] | null): JobRef[] | undefined {
  return list && list.length > 0 ? list.map(openRef) : undefined;
}
