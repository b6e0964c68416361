import type { JobHandle, JobStatus, LogEntry } from 'oqronkit';
import type { DocumentJob, DocumentResult } from '#contracts';

/** A document as `GET /documents/:id` answers it. Times are ISO 8601. */
export interface DocumentView {
  readonly id: string;
  readonly status: JobStatus;
  /** 0 to 100. */
  readonly progress: number;
  readonly progressLabel?: string;
  /** Which run this is or was; more than 1 after a retry. */
  readonly attempt: number;
  readonly createdAt: string;
  readonly finishedAt?: string;
  readonly logs: readonly LogView[];
  /** Present once the document is `completed`. */
  readonly result?: DocumentResult;
  /** Why the last attempt failed. */
  readonly error?: { readonly name: string; readonly message: string; readonly code?: string };
}

export interface LogView {
  readonly at: string;
  readonly level: LogEntry['level'];
  readonly message: string;
  readonly meta?: unknown;
}

export function documentView(job: JobHandle<DocumentJob, DocumentResult>): DocumentView {
  const { error } = job;
  return {
    id: job.id,
    status: job.status,
    progress: Math.round(job.progressPercent),
    progressLabel: job.progressLabel,
    attempt: job.attemptMade,
    createdAt: iso(job.createdAt),
    finishedAt: job.finishedAt === undefined ? undefined : iso(job.finishedAt),
    logs: job.logs.map(({ at, level, message, meta }) => ({ at: iso(at), level, message, meta })),
    result: job.returnValue,
    // The stack names files of the server: it stays in the server's log.
    error: error && { name: error.name, message: error.message, code: error.code },
  };
}

const iso = (at: number): string => new Date(at).toISOString();
