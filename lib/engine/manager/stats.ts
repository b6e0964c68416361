import { JOB_STATUSES, type JobStatus } from '../../kernel/job/states.js';
import { MAX_BATCH_ITEMS } from '../../kernel/job/limits.js';
import type { ManagerHost } from './manager-host.js';
import type { SystemStats } from './manager.types.js';

/** Queues whose jobs are counted. */
const MAX_QUEUES = 1_000;
const READS_AT_ONCE = 16;

/** The system as this process sees it. */
export async function systemStats(host: ManagerHost): Promise<SystemStats> {
  await host.ready('OqronManager.getSystemStats');
  const { names, partial } = await queueNames(host);
  const { admin } = host.store;
  const queues = { total: names.length, paused: 0, disabled: 0 };
  const jobs = Object.fromEntries(JOB_STATUSES.map((status) => [status, 0])) as Record<JobStatus, number>;
  const add = async (name: string): Promise<void> => {
    const [record, counts] = await Promise.all([admin.record(name), admin.counts(name)]);
    if (record?.paused) queues.paused += 1;
    if (record?.disabled) queues.disabled += 1;
    for (const status of JOB_STATUSES) jobs[status] += counts[status];
  };
  for (let at = 0; at < names.length; at += READS_AT_ONCE) {
    await Promise.all(names.slice(at, at + READS_AT_ONCE).map(add));
  }
  const { owner, project, environment, mode } = host;
  const { rss, heapUsed, heapTotal, external } = process.memoryUsage();
  return {
    ...host.health(),
    ...{ owner, project, environment, mode, uptimeMs: host.uptimeMs() },
    ...{ memory: { rss, heapUsed, heapTotal, external }, queues, jobs, partial },
  };
}

async function queueNames(host: ManagerHost): Promise<{ names: string[]; partial: boolean }> {
  const names = await host.store.admin.queues({ limit: Math.min(MAX_QUEUES, MAX_BATCH_ITEMS) });
  if (names.length < MAX_QUEUES) return { names, partial: false };
  const after = names.at(-1) as string;
  const beyond = await host.store.admin.queues({ limit: 1, after });
  return { names, partial: beyond.length > 0 };
}
