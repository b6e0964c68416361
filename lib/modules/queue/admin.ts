import { DrainTimeoutError, JobNotFoundError, JobStateError } from '../../kernel/errors/index.js';
import { emitCascaded } from '../../kernel/events.js';
import { MAX_BATCH_ITEMS, MAX_TEXT_CHARS } from '../../kernel/job/limits.js';
import type { JobStatus } from '../../kernel/job/states.js';
import type { StoredJob } from '../../kernel/job/stored-job.js';
import { safeText } from '../../kernel/job/text.js';
import type { ChangeReply, FindReply, FindRequest, JobFilter } from '../../kernel/ports/job-admin.js';
import type { CancelOutcome } from './job-handle.js';
import type { QueueHost } from './queue-host.js';
import { readBack } from './read-back.js';

/** How often a queue that is being drained is looked at (ms): soon at first, then less and less often. */
const FIRST_LOOK_MS = 50;
const LAST_LOOK_MS = 1_000;
/** Jobs that are run again at once. Their calls are in order, and a store keeps 16 replies. */
const REDRIVE_AT_ONCE = 16;

/** States in which a job has not started. */
const NOT_STARTED: readonly JobStatus[] = ['waiting', 'delayed', 'waiting-children', 'paused'];

export async function cancelJob(host: QueueHost, id: string, reason: string | undefined): Promise<CancelOutcome> {
  const { queue } = host.plan;
  const why = reason === undefined ? undefined : safeText(reason, MAX_TEXT_CHARS);
  const reply = await host.call('Queue.cancel', (call) => host.store.admin.cancel(call, queue, id, why));
  if (reply.verdict !== 'cancelled') return reply.verdict;
  const detail = why === undefined ? {} : { reason: why };
  if (reply.owner !== undefined && reply.fence !== undefined) {
    // The next heartbeat tells the owner too; the message only makes it prompt.
    await host.signals
      .send(reply.owner, { kind: 'cancel', queue, id, fence: reply.fence, ...detail })
      .catch((error: unknown) => host.events.report('Queue.cancel', error));
  }
  host.events.emit('job:cancelled', { queue, id, ...detail });
  emitCascaded(host.events, reply.cascaded);
  return 'cancelled';
}

export async function pauseQueue(host: QueueHost): Promise<void> {
  const { queue } = host.plan;
  const changed = await host.call('Queue.pause', (call) => host.store.admin.pause(call, queue));
  if (changed) host.events.emit('queue:paused', { queue });
}

export async function resumeQueue(host: QueueHost): Promise<void> {
  const { queue } = host.plan;
  const changed = await host.call('Queue.resume', (call) => host.store.admin.resume(call, queue));
  if (changed) host.events.emit('queue:resumed', { queue });
}

/** Pauses, then waits until nothing runs. `host` throws once the engine was stopped. */
export async function drainQueue(host: () => QueueHost, timeoutMs = Infinity): Promise<void> {
  const { clock, plan, events } = host();
  const { queue } = plan;
  const began = clock.monotonic();
  await pauseQueue(host());
  for (let delay = FIRST_LOOK_MS; ; delay = Math.min(delay * 2, LAST_LOOK_MS)) {
    const { active } = await host().store.admin.counts(queue);
    if (active === 0) break;
    const left = began + timeoutMs - clock.monotonic();
    if (left <= 0) throw new DrainTimeoutError(`Queue.drain (queue "${queue}")`, queue, timeoutMs, active);
    await new Promise<void>((go) => clock.timer(Math.min(delay, left), go));
  }
  events.emit('queue:drained', { queue });
}

/** Deletes the queue's jobs, page by page. */
export async function obliterateQueue(host: QueueHost, force: boolean): Promise<number> {
  const { queue } = host.plan;
  const request = { limit: MAX_BATCH_ITEMS, ...(force ? { force } : {}) };
  let deleted = 0;
  for (let page = MAX_BATCH_ITEMS; page === MAX_BATCH_ITEMS; deleted += page) {
    page = await host.call('Queue.obliterate', (call) => host.store.admin.obliterate(call, queue, request));
  }
  return deleted;
}

export function findDead(host: QueueHost, request: Omit<FindRequest, 'queue' | 'status'>): Promise<FindReply> {
  const { queue } = host.plan;
  return host.store.admin.find({ ...request, queue, status: 'failed', filter: { ...request.filter, dead: true } });
}

/** Runs dead letters again, oldest of them first; answers the ids of the new jobs. */
export async function redriveJobs(
  host: QueueHost,
  limit: number,
  filter: Omit<JobFilter, 'dead'> | undefined,
): Promise<string[]> {
  const dead = (await deadLetters(host, limit, filter)).reverse();
  const added: string[] = [];
  for (let at = 0; at < dead.length; at += REDRIVE_AT_ONCE) {
    const ids = await Promise.all(dead.slice(at, at + REDRIVE_AT_ONCE).map((job) => retryJob(host, job)));
    for (const id of ids) if (id !== undefined) added.push(id);
  }
  return added;
}

async function deadLetters(
  host: QueueHost,
  limit: number,
  filter: Omit<JobFilter, 'dead'> | undefined,
): Promise<StoredJob[]> {
  const found: StoredJob[] = [];
  let cursor: string | undefined;
  do {
    const page = await findDead(host, {
      limit: Math.min(limit - found.length, MAX_BATCH_ITEMS),
      ...(cursor === undefined ? {} : { cursor }),
      ...(filter ? { filter } : {}),
    });
    found.push(...page.jobs);
    ({ cursor } = page);
  } while (cursor !== undefined && found.length < limit);
  return found;
}

/** Nothing when somebody else was faster, or the record is gone. */
async function retryJob(host: QueueHost, { id, name }: StoredJob): Promise<string | undefined> {
  const { queue } = host.plan;
  const newId = host.newId();
  const reply = await host.call('Queue.redrive', (call) =>
    host.store.admin.retry(call, queue, id, { newId, from: ['failed'] }),
  );
  if (reply.verdict !== 'done') return undefined;
  if (host.events.has('job:added')) {
    const stored = await readBack(host.store.admin, queue, reply.id);
    host.events.emit('job:added', { queue, id: reply.id, name, status: stored?.status ?? 'waiting' });
  }
  return reply.id;
}

export async function updateData(host: QueueHost, id: string, data: string | undefined): Promise<void> {
  const { queue } = host.plan;
  const reply = await host.call('Queue.updateData', (call) => host.store.admin.updateData(call, queue, id, data));
  judge(host, 'Queue.updateData', id, reply);
}

export async function changeDelay(host: QueueHost, id: string, delayMs: number): Promise<void> {
  const { queue } = host.plan;
  const reply = await host.call('Queue.changeDelay', (call) => host.store.admin.changeDelay(call, queue, id, delayMs));
  judge(host, 'Queue.changeDelay', id, reply);
}

/** Throws unless a job that had not started was changed. */
function judge(host: QueueHost, where: string, id: string, reply: ChangeReply): void {
  const { queue } = host.plan;
  if (reply.verdict === 'unknown') throw new JobNotFoundError(where, queue, id);
  if (reply.verdict === 'refused') throw new JobStateError(where, queue, id, reply.status, NOT_STARTED);
  emitCascaded(host.events, reply.cascaded);
}
