import type { QueueRecord } from '../../kernel/ports/job-admin.js';
import { knownQueue, type ManagerHost } from './manager-host.js';
import type { QueueLag } from './manager.types.js';

/** Waiting jobs that are looked at where the first is not the oldest. */
const LOOKED_AT = 100;

/** How far the consumers of a queue are behind. Costs four small reads. */
export async function queueLag(host: ManagerHost, where: string, queue: string): Promise<QueueLag> {
  await knownQueue(host, where, queue);
  const { admin } = host.store;
  const record = await admin.record(queue);
  const [counts, waiting, due] = await Promise.all([
    admin.counts(queue),
    admin.find({ queue, status: 'waiting', limit: firstIsOldest(record) ? 1 : LOOKED_AT }),
    // Due jobs stay among the delayed ones until a consumer asks: without one, they are what is late.
    admin.find({ queue, status: 'delayed', limit: 1 }),
  ]);
  const now = host.now();
  const oldest = [...waiting.jobs, ...due.jobs]
    .filter(({ runAt }) => runAt <= now)
    .reduce<{ id: string; runAt: number } | undefined>((a, b) => (a && a.runAt <= b.runAt ? a : b), undefined);
  return {
    queue,
    paused: record?.paused ?? false,
    disabled: record?.disabled ?? false,
    waiting: counts.waiting,
    active: counts.active,
    delayed: counts.delayed,
    failed: counts.failed,
    lagMs: oldest ? now - oldest.runAt : 0,
    ...(oldest ? { oldestId: oldest.id } : {}),
  };
}

/** In the order of claiming the first has waited longest only where nobody jumps the line. */
function firstIsOldest(record: QueueRecord | undefined): boolean {
  return record === undefined || record.strategy === 'fifo';
}

/** How long the store takes to answer a small read (ms). */
export async function ping(host: ManagerHost, where: string): Promise<number> {
  await host.ready(where);
  const before = host.monotonic();
  await host.store.admin.queues({ limit: 1 });
  return host.monotonic() - before;
}
