import type { JobFilter } from '../ports/job-admin.js';
import type { JobMeta } from './stored-job.js';

/** Does a job belong on a filtered list? `isDeadLetter`: it is one and was not run again. */
export function matchesFilter(
  filter: JobFilter,
  job: { readonly name: string; readonly meta: JobMeta; readonly createdAt: number },
  isDeadLetter: boolean,
): boolean {
  const { name, tag, correlationId, parentId, dead, createdFrom, createdTo } = filter;
  return (
    (name === undefined || job.name === name) &&
    (tag === undefined || job.meta.tags?.includes(tag) === true) &&
    (correlationId === undefined || job.meta.correlationId === correlationId) &&
    (parentId === undefined || job.meta.parentId === parentId) &&
    (dead === undefined || isDeadLetter === dead) &&
    (createdFrom === undefined || job.createdAt >= createdFrom) &&
    (createdTo === undefined || job.createdAt < createdTo)
  );
}
