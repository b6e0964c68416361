import {
  AmbiguousJobError,
  InvalidOptionsError,
  QueueDisabledError,
  TooManyHeldJobsError,
  TransactionsNotSupportedError,
  UnknownParentError,
  type OqronError,
} from '../../kernel/errors/index.js';
import { MAX_BATCH_BYTES, MAX_BATCH_ITEMS } from '../../kernel/job/limits.js';
import type { JobRef } from '../../kernel/job/stored-job.js';
import type { CallId, EnqueueRefusal, EnqueueResult, NewJob } from '../../kernel/ports/job-store.js';
import type { TransactionHandle } from '../../kernel/ports/transaction.js';
import { sizeOf } from '../../kernel/runtime/enqueuer.js';
import { transactionClient } from '../../kernel/transactions/transaction-client.js';
import type { JobDraft } from './new-job.js';
import type { QueueHost } from './queue-host.js';

/** Chunks of one bulk call that wait to be sent at once: half of the jobs that may wait, or a large bulk would be refused. */
const MAX_CHUNKS_AT_ONCE = 50;

/** A call inside a transaction is sent once, and has no number. */
const NO_CALL: CallId = { client: '', n: 0, acked: 0 };

/** A job as it is sent, and what became of it. */
export interface Added {
  readonly job: NewJob;
  readonly result: EnqueueResult;
  /** It stands in a transaction of the user's: nobody may ever see it. */
  readonly uncommitted?: true;
}

/**
 * Adds one job that is not plain: it has parents to look up, a schema to wait for, a transaction to be added in.
 *
 * @throws InvalidPayloadError, TransactionsNotSupportedError before anything is sent
 * @throws UnknownParentError, AmbiguousJobError, QueueDisabledError, TooManyHeldJobsError
 */
export async function addSpecial(host: QueueHost, draft: JobDraft): Promise<Added> {
  if (draft.tx) {
    const [added] = (await addInTransaction(host, [draft], draft.tx, draft.where, () => draft.where)) as [Added];
    return added;
  }
  if (draft.checked) await draft.checked;
  await host.ready();
  const job = draft.parents ? await linkOne(host, draft) : draft.job;
  return accepted(host, draft, job, await host.enqueuer.add([job]));
}

/** What the store answered of one job, unless it refused it. */
export function accepted(
  { plan }: QueueHost,
  { where }: JobDraft,
  job: NewJob,
  [result]: readonly EnqueueResult[],
): Added {
  if (result?.refused) throw refusalError(where, plan.queue, result.refused);
  return { job, result: result as EnqueueResult };
}

/** Nothing has to be found out about the job: it can be sent at once. */
export function isPlain({ parents, checked, tx }: JobDraft): boolean {
  return !parents && !checked && !tx;
}

/** Adds jobs in order, chunk by chunk. Every item is checked before the first chunk is sent. */
export async function addMany(host: QueueHost, drafts: readonly JobDraft[]): Promise<Added[]> {
  const { queue } = host.plan;
  const where = `Queue.addBulk (queue "${queue}")`;
  const ofItem = (i: number): string => `${where}, item ${i}`;
  const tx = drafts[0]?.tx;
  const other = drafts.findIndex((draft) => draft.tx !== tx);
  if (other >= 0) {
    throw new InvalidOptionsError(ofItem(other), ['tx: all jobs of one call are added in the same transaction']);
  }
  if (tx) return addInTransaction(host, drafts, tx, where, ofItem);
  await allChecked(drafts);
  await host.ready();
  const linked = await linkAll(host, drafts, ofItem);
  const results: EnqueueResult[] = [];
  let sent: Promise<EnqueueResult[]>[] = [];
  const acknowledged = async (): Promise<void> => {
    for (const answers of await Promise.all(sent)) {
      const refused = answers[0]?.refused;
      if (refused) throw refusalError(where, queue, refused);
      results.push(...answers);
    }
    sent = [];
  };
  for (const chunk of chunks(linked)) {
    // A child in the store whose parent was refused would be refused for a reason that is not its own.
    const begins = chunk[0]?.index ?? 0;
    const waits = chunk.some(({ after }) => after >= results.length && after < begins);
    if (waits || sent.length === MAX_CHUNKS_AT_ONCE) await acknowledged();
    sent.push(host.enqueuer.add(chunk.map(({ job }) => job)));
  }
  await acknowledged();
  return linked.map(({ job }, i) => ({ job, result: results[i] as EnqueueResult }));
}

/**
 * Adds jobs inside a transaction of the user's: statements of their own, which nobody sends again, after all that was
 * asked for in the same transaction before. Its outcome is not known here.
 */
async function addInTransaction(
  host: QueueHost,
  drafts: readonly JobDraft[],
  tx: TransactionHandle,
  where: string,
  ofItem: (index: number) => string,
): Promise<Added[]> {
  const { plan, store } = host;
  const prepare = async (): Promise<Linked[]> => {
    await allChecked(drafts);
    await host.ready();
    // To add outside of the transaction would break the promise.
    if (!store.capabilities.transactions) throw new TransactionsNotSupportedError(where, store.capabilities.backend);
    return linkAll(host, drafts, ofItem);
  };
  return host.transactions.run(tx, prepare, async (linked) => {
    const added: Added[] = [];
    for (const chunk of chunks(linked)) {
      const jobs = chunk.map(({ job }) => job);
      const [results = []] = await store.enqueue(NO_CALL, plan.queue, [jobs], { tx: transactionClient(tx) });
      const refused = results[0]?.refused;
      if (refused) throw refusalError(where, plan.queue, refused);
      jobs.forEach((job, i) => added.push({ job, result: results[i] as EnqueueResult, uncommitted: true }));
    }
    return added;
  });
}

/** Waits for the schemas that are asynchronous. */
async function allChecked(drafts: readonly JobDraft[]): Promise<void> {
  for (const [i, { checked }] of drafts.entries()) {
    if (!checked) continue;
    await checked.catch((error: unknown) => Promise.reject((drafts.length > 1 ? inItem(error, i) : error) as Error));
  }
}

/** The error of one item of a bulk call says which. */
export function inItem(error: unknown, index: number): unknown {
  if (error instanceof InvalidOptionsError) {
    return new InvalidOptionsError(`Queue.addBulk, item ${index}`, error.problems);
  }
  if (error instanceof Error) error.message = `item ${index}: ${error.message}`;
  return error;
}

/** A job of a call whose parents are known. */
interface Linked {
  readonly job: NewJob;
  readonly index: number;
  /** The last of the parents that the same call adds, by its place; -1 without. */
  readonly after: number;
}

async function linkOne(host: QueueHost, draft: JobDraft): Promise<NewJob> {
  const [linked] = (await linkAll(host, [draft], () => draft.where)) as [Linked];
  return linked.job;
}

/**
 * Finds out which jobs are meant by `dependsOn`. A bare id is an earlier item of the same call, or is looked up over
 * all queues.
 */
async function linkAll(
  host: QueueHost,
  drafts: readonly JobDraft[],
  where: (index: number) => string,
): Promise<Linked[]> {
  const { queue } = host.plan;
  if (!drafts.some(({ parents }) => parents)) return drafts.map(({ job }, index) => ({ job, index, after: -1 }));
  const places = new Map<string, number>();
  drafts.forEach(({ job: { id, idGiven } }, i) => {
    if (idGiven && !places.has(id)) places.set(id, i);
  });
  const isEarlier = (id: string, index: number): boolean => (places.get(id) ?? index) < index;
  const bare = new Set<string>();
  drafts.forEach(({ parents }, index) => {
    for (const parent of parents?.given ?? []) {
      if (typeof parent === 'string' && !isEarlier(parent, index)) bare.add(parent);
    }
  });
  const queues = await locate(host, [...bare]);
  return drafts.map(({ job, parents }, index) => {
    if (!parents) return { job, index, after: -1 };
    const refs = new Map<string, JobRef>();
    let after = -1;
    for (const parent of parents.given) {
      const ref =
        typeof parent !== 'string'
          ? { queue: parent.queueName, id: parent.id }
          : {
              queue: isEarlier(parent, index) ? queue : onlyQueue(where(index), parent, queues.get(parent)),
              id: parent,
            };
      refs.set(`${ref.queue}\n${ref.id}`, ref);
      if (ref.queue === queue && isEarlier(ref.id, index)) after = Math.max(after, places.get(ref.id) ?? -1);
    }
    return { job: { ...job, parents: { refs: [...refs.values()], policy: parents.policy } }, index, after };
  });
}

async function locate(host: QueueHost, ids: readonly string[]): Promise<Map<string, readonly string[]>> {
  const found = new Map<string, readonly string[]>();
  for (let at = 0; at < ids.length; at += MAX_BATCH_ITEMS) {
    const page = ids.slice(at, at + MAX_BATCH_ITEMS);
    const queues = await host.store.admin.locate(page);
    page.forEach((id, i) => found.set(id, queues[i] ?? []));
  }
  return found;
}

function onlyQueue(where: string, id: string, queues: readonly string[] = []): string {
  const [queue] = queues;
  if (queue === undefined) throw new UnknownParentError(where, id);
  if (queues.length > 1) throw new AmbiguousJobError(`${where}, dependsOn`, id, queues);
  return queue;
}

function refusalError(where: string, queue: string, refused: EnqueueRefusal): OqronError {
  switch (refused.why) {
    case 'unknown-parent':
      return new UnknownParentError(where, refused.parent.id, refused.parent.queue);
    case 'disabled':
      return new QueueDisabledError(where, queue);
    case 'held-full':
      return new TooManyHeldJobsError(where, queue, refused.limit);
  }
}

function chunks(jobs: readonly Linked[]): Linked[][] {
  const cut: Linked[][] = [];
  let bytes = 0;
  for (const linked of jobs) {
    const size = sizeOf(linked.job);
    const last = cut.at(-1);
    if (last && last.length < MAX_BATCH_ITEMS && bytes + size <= MAX_BATCH_BYTES) {
      last.push(linked);
      bytes += size;
    } else {
      cut.push([linked]);
      bytes = size;
    }
  }
  return cut;
}
