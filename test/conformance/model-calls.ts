import assert from 'node:assert/strict';
import type {
  CallId,
  ClaimedJob,
  ClaimReply,
  ClaimRequest,
  JobStore,
  LeasePolicy,
  Outcome,
  SweptJob,
} from '../../lib/kernel/ports/job-store.js';
import { KEEP, mayBePurged, nameCopy, text } from './model-look.js';
import { inTurn, QUEUES, type MJob, type Model, type QueueName } from './model.js';

/** Unanswered calls per queue that the client leaves behind, so that they can be sent again. */
const OPEN = 4;
/** How long (ms) a reply is kept at least. */
const KEPT_MS = 60_000;

interface Sent {
  readonly call: CallId;
  readonly at: number;
  readonly again: () => Promise<unknown>;
  readonly reply: unknown;
}

/** The store under test and the client that calls it. */
export class Real {
  readonly #n = new Map<string, number>();
  readonly #sent = new Map<string, Sent[]>();

  constructor(readonly store: JobStore) {}

  call(queue: string): CallId {
    const n = (this.#n.get(queue) ?? 0) + 1;
    this.#n.set(queue, n);
    return { client: 'model', n, acked: this.#confirmed(queue) };
  }

  /** Sends a call and remembers it with its reply. */
  async send<T>(
    model: Model,
    queue: string,
    run: (call: CallId) => Promise<T>,
    seen: (reply: T) => unknown = (r) => r,
  ): Promise<T> {
    const call = this.call(queue);
    const again = async (): Promise<unknown> => seen(await run(call));
    const reply = await run(call);
    const sent = [...(this.#sent.get(queue) ?? []), { call, at: model.now, again, reply: plain(seen(reply)) }];
    this.#sent.set(queue, sent.slice(-2 * OPEN));
    return reply;
  }

  /**
   * Sends one of the last calls again: the answer is the same, or a refusal where a later call has confirmed it, and
   * `look` sees that nothing changed.
   */
  async resend(model: Model, queue: string, pick: number): Promise<void> {
    const all = (this.#sent.get(queue) ?? []).filter(({ at }) => model.now - at < KEPT_MS);
    const sent = all[pick % all.length];
    if (!sent) return;
    const { call, again, reply } = sent;
    if (call.n <= this.#confirmed(queue)) {
      await assert.rejects(again(), { code: 'CALL_REFUSED' });
      return;
    }
    const second = plain(await again());
    assert.deepEqual(second, heldOnly(model, queue, reply), `resend of call ${call.n} to ${queue}`);
  }

  #confirmed(queue: string): number {
    return Math.max(0, (this.#n.get(queue) ?? 0) - 1 - OPEN);
  }
}

function plain(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value));
}

/** What a claim answers, as far as a resend must answer the same. */
export function leasesOf(reply: ClaimReply | undefined): unknown {
  return { leases: reply?.jobs.map(({ id, fence }) => ({ id, fence })), swept: reply?.swept, now: reply?.now };
}

/** A resent claim leaves out the leases that do not hold any more. */
function heldOnly(model: Model, queue: string, reply: unknown): unknown {
  if (typeof reply !== 'object' || reply === null || !('leases' in reply)) {
    if (typeof reply === 'object' && reply !== null && 'claim' in reply) {
      return { ...reply, claim: heldOnly(model, queue, reply.claim) };
    }
    return reply;
  }
  const leases = reply.leases as { id: string; fence: number }[] | undefined;
  const holds = ({ id, fence }: { id: string; fence: number }): boolean => {
    const job = model.find({ queue: queue as QueueName, id });
    return job?.status === 'active' && job.fence === fence;
  };
  return { ...reply, leases: leases?.filter(holds) };
}

function policy(rules: Partial<LeasePolicy>): LeasePolicy {
  const whole = {
    guaranteedWorker: true,
    maxStalledCount: 3,
    stallBackoff: { delayMs: 1_000, maxDelayMs: 1_500 },
    keep: { ...KEEP, defaults: KEEP },
    ...rules,
  };
  return { ...whole, key: JSON.stringify(whole) };
}

export const POLICIES = [
  policy({}),
  policy({ maxStalledCount: 1 }),
  policy({ guaranteedWorker: false, deadLetter: { queue: 'd' } }),
  policy({ maxStalledCount: 0, deadLetter: {} }),
  policy({ maxStalledCount: 2, deadLetter: { queue: 'b' } }),
];

export type Ask = Omit<ClaimRequest, 'call' | 'queue'>;

/** Holds the answer of a claim against the model, and makes the same claim there. */
export async function claimed(
  model: Model,
  store: JobStore,
  queue: QueueName,
  ask: Ask,
  reply: ClaimReply,
): Promise<void> {
  const { now } = model;
  assert.deepEqual([reply.queue, reply.now, reply.paused], [queue, now, model.closed(queue)]);
  reaped(model, queue, reply.swept, 100);
  cascadedAre(model, reply.cascaded);
  if (model.closed(queue)) assert.deepEqual(reply.jobs, []);
  else {
    model.unhold(queue, 100);
    model.promoteDue(queue);
    await handedOut(model, store, queue, ask, reply);
    const held = model.jobsOf(queue, 'paused').length > 0;
    const due = [
      ...model.jobsOf(queue, 'delayed').map(({ runAt }) => runAt),
      ...model.jobsOf(queue, 'active').map(({ until }) => until),
    ];
    const next = held ? 0 : due.length > 0 ? Math.max(0, Math.min(...due) - now) : undefined;
    assert.equal(reply.nextDueMs, next, `nextDueMs of ${queue}`);
  }
  assert.equal(reply.suspects, model.jobsOf(queue, 'waiting').filter(({ suspect }) => suspect).length);
}

async function handedOut(model: Model, store: JobStore, queue: QueueName, ask: Ask, reply: ClaimReply): Promise<void> {
  const { now } = model;
  const { maxActive = Infinity, rate } = ask.limits ?? {};
  const free = Math.max(0, Math.min(ask.count, maxActive - model.jobsOf(queue, 'active').length));
  const { starts } = model.queue(queue);
  const left = (span: number): number =>
    rate ? Math.max(0, rate.max - starts.filter((at) => at + span > now).length) : Infinity;
  const spanMs = rate?.durationMs ?? 0;
  const [least, most] = [left(spanMs * 1.01 + 1), left(spanMs)];
  const waiting = model.jobsOf(queue, 'waiting');
  const suspects = waiting.filter(({ suspect }) => suspect);
  const alone = ask.alone === true && suspects.length > 0;
  const from = alone ? suspects : waiting.filter(({ suspect }) => !suspect);
  const can = alone ? Math.min(free, 1) : Math.min(free, from.length);
  const n = reply.jobs.length;
  assert.ok(n >= Math.min(can, least) && n <= Math.min(can, most), `${n} jobs of ${queue}, ${can} possible`);
  const taken: MJob[] = [];
  for (const one of reply.jobs) {
    const stored = await store.admin.get(queue, one.id, { now });
    if (stored) nameCopy(model, stored);
    const job = model.find({ queue, id: one.id });
    assert.ok(job && from.includes(job), `"${one.id}" of ${queue} was not to be handed out`);
    taken.push(job);
  }
  assert.equal(new Set(taken).size, n, 'a job was handed out twice');
  inTurn(model, taken, `a claim of ${queue}`);
  for (const rest of from.filter((job) => !taken.includes(job)))
    inTurn(model, [...taken.slice(-1), rest], `a claim of ${queue}`);
  for (const [i, job] of taken.entries()) lease(model, job, ask, reply.jobs[i] as ClaimedJob);
  if (!rate) assert.equal(reply.retryAfterMs, undefined);
  else {
    starts.push(...taken.map(() => now));
    if (n < can) assert.ok(reply.retryAfterMs !== undefined && reply.retryAfterMs > 0, 'denied without a time');
    if (reply.retryAfterMs !== undefined) {
      assert.ok(left(spanMs * 1.01 + 1) === 0, 'retryAfterMs although the rate allows more');
      assert.ok(reply.retryAfterMs <= spanMs * 1.01 + 1, `retryAfterMs ${reply.retryAfterMs}`);
    }
  }
}

function lease(model: Model, job: MJob, ask: Ask, reply: ClaimedJob): void {
  const queue = model.queue(job.queue);
  assert.ok(reply.fence > queue.maxFence, `fence ${reply.fence} is not above ${queue.maxFence}`);
  queue.maxFence = reply.fence;
  Object.assign(job, {
    status: 'active',
    fence: reply.fence,
    policy: ask.policy,
    owner: ask.owner,
    startedAt: model.now,
  });
  job.attempt += 1;
  job.until = model.now + ask.leaseMs;
  const parents = model.linksTo(job).filter(({ hidden }) => !hidden);
  assert.deepEqual(
    [reply.name, reply.data, reply.meta, reply.priority, reply.attempt, reply.stalledCount, reply.createdAt],
    [job.name, job.data, job.meta, job.priority, job.attempt, job.stalls, job.createdAt],
  );
  assert.deepEqual(
    [reply.runAt, reply.progress?.percent, reply.unknownNameSince, (reply.parents ?? []).map(text)],
    [job.runAt, job.progress?.percent, job.unknownSince, parents.map(({ ref }) => text(ref))],
  );
  model.leases.push({ queue: job.queue, id: job.id, fence: job.fence });
}

/** Holds what was taken back against the model: the first ones to expire, as many as allowed. */
export function reaped(model: Model, queue: QueueName, swept: readonly SweptJob[], limit: number): void {
  const expired = model.jobsOf(queue, 'active').filter(({ until }) => until <= model.now);
  assert.equal(swept.length, Math.min(limit, expired.length), `leases of ${queue} taken back`);
  const latest = Math.max(...swept.map(({ id }) => model.find({ queue, id })?.until ?? Infinity));
  const left = expired.filter((job) => !swept.some(({ id }) => id === job.id));
  assert.ok(
    left.every(({ until }) => until >= latest),
    `${queue}: a lease that expired earlier was left`,
  );
  model.together(() => {
    for (const one of swept) {
      const job = expired.find(({ id }) => id === one.id);
      assert.ok(job, `the lease of "${one.id}" had not expired, or was taken back twice`);
      const { fence, owner } = job;
      model.stall(job);
      const to = model.isFinal(job) ? 'failed' : 'stalled';
      assert.deepEqual(
        [one.queue, one.fence, one.owner, one.to, one.stalledCount, one.error?.code],
        [queue, fence, owner, to, job.stalls, to === 'failed' ? job.error : undefined],
      );
    }
  });
}

export function cascadedAre(
  model: Model,
  reported: readonly { queue: string; id: string; error: { code?: string } }[],
): void {
  assert.deepEqual(reported.map(text).toSorted(), model.cascaded.toSorted(), 'what failed by cascade');
  assert.ok(reported.every(({ error }) => error.code === 'PARENT_FAILED'));
  model.cascaded = [];
}

/** Settles one outcome in the model; answers the verdicts that the port allows. */
export function settled(model: Model, queue: QueueName, outcome: Outcome): string[] {
  const job = model.find({ queue, id: outcome.id });
  if (!job) return ['lost'];
  if (job.status !== 'active' || job.fence !== outcome.fence) {
    // A job that was purged a moment ago, in this very call, is not remembered.
    if (job.settled.includes(outcome.fence) && mayBePurged(model, job)) return ['already', 'lost'];
    if (job.settled.at(-1) === outcome.fence) return ['already'];
    return job.settled.includes(outcome.fence) ? ['already', 'lost'] : ['lost'];
  }
  noted(model, job, outcome.note);
  job.settled.push(outcome.fence);
  const { kind } = outcome;
  job.unknownSince =
    kind === 'release' && outcome.reason === 'unknown-name' ? (job.unknownSince ?? model.now) : undefined;
  if (kind === 'complete') {
    job.result = outcome.result;
    job.error = undefined;
    model.end(job, 'completed');
  } else if (kind === 'release') {
    job.attempt -= 1;
    job.events.push('released');
    model.later(job, outcome.delayMs, false);
  } else {
    job.error = outcome.error.code ?? outcome.error.message;
    job.events.push('attempt-failed');
    if (kind === 'fail') model.end(job, 'failed');
    else model.later(job, outcome.delayMs, true);
  }
  if (kind === 'complete' || kind === 'fail') {
    for (const then of outcome.then ?? []) model.addAlways(then.queue as QueueName, then.job);
  }
  return ['settled'];
}

export function noted(model: Model, job: MJob, note: Outcome['note']): void {
  if (note?.progress) job.progress = note.progress;
  for (const { message } of note?.logs ?? []) job.logs.push(message);
  for (const child of note?.children ?? []) model.nameChild(job, child);
}

export function queueAt(n: number): QueueName {
  return QUEUES[n % QUEUES.length] as QueueName;
}
