import assert from 'node:assert/strict';
import type {
  CancelReply,
  ChangeReply,
  DeclareReply,
  EnableReply,
  JobAdmin,
  QueueDeclaration,
  RetryReply,
} from '../kernel/ports/job-admin.js';
import type {
  CallId,
  ClaimedJob,
  ClaimReply,
  ClaimRequest,
  EnqueueResult,
  ExtendVerdict,
  JobStore,
  NewJob,
  Outcome,
  SettleReply,
  SettleRequest,
  StoreOptions,
} from '../kernel/ports/job-store.js';
import { LEASE_MS, policy, type ClaimOptions, type Held, type JobStatus } from './build.js';

/** What a process works on. */
export interface World {
  readonly store: JobStore;
  readonly admin: JobAdmin;
  /** The store time of the next operation, as its last parameter. */
  readonly at: StoreOptions;
}

interface Counter {
  /** The last number given out. */
  n: number;
  /** Every call up to here has been answered. */
  acked: number;
  /** Answered calls beyond `acked`. */
  readonly answered: Set<number>;
}

/**
 * A client of the store, as an engine is one: it counts its calls per queue, confirms what was answered, and owns
 * what it claims under its name.
 */
export class Process {
  readonly #counters = new Map<string, Counter>();

  constructor(
    private readonly world: World,
    readonly name: string,
  ) {}

  /**
   * A new call to this queue. It stays unconfirmed until {@link answered} is told; cases that resend keep it so.
   */
  call(queue: string): CallId {
    const counter = this.#counter(queue);
    counter.n += 1;
    return { client: this.name, n: counter.n, acked: counter.acked };
  }

  /** Confirms a call: later ones carry the number up to which all are confirmed. */
  answered(queue: string, { n }: CallId): void {
    const counter = this.#counter(queue);
    counter.answered.add(n);
    while (counter.answered.delete(counter.acked + 1)) counter.acked += 1;
  }

  /** Adds one group. */
  async add(queue: string, ...group: readonly NewJob[]): Promise<EnqueueResult[]> {
    const [results] = await this.addGroups(queue, [group]);
    assert.ok(results, 'enqueue answered no group');
    return results;
  }

  addGroups(queue: string, groups: readonly (readonly NewJob[])[]): Promise<EnqueueResult[][]> {
    return this.#send(queue, (call) => this.world.store.enqueue(call, queue, groups, this.world.at));
  }

  /** A claim request under a new call. */
  request(queue: string, count: number, options: ClaimOptions = {}): ClaimRequest {
    return { call: this.call(queue), queue, count, ...this.#consumer(options) };
  }

  async claim(queue: string, count = 1, options: ClaimOptions = {}): Promise<ClaimReply> {
    const request = this.request(queue, count, options);
    const [reply] = await this.world.store.claim([request], this.world.at);
    this.answered(queue, request.call);
    assert.ok(reply, 'claim answered nothing');
    return reply;
  }

  /** The jobs of a claim. */
  async take(queue: string, count = 1, options: ClaimOptions = {}): Promise<ClaimedJob[]> {
    return (await this.claim(queue, count, options)).jobs;
  }

  /** Claims one job that must be there. */
  async takeOne(queue: string, options: ClaimOptions = {}): Promise<ClaimedJob> {
    const [job] = await this.take(queue, 1, options);
    assert.ok(job, `queue "${queue}" handed out nothing`);
    return job;
  }

  settle(queue: string, outcomes: readonly Outcome[], claim?: { count: number } & ClaimOptions): Promise<SettleReply> {
    return this.#send(queue, (call) =>
      this.world.store.settle(call, this.settlement(queue, outcomes, claim), this.world.at),
    );
  }

  settlement(queue: string, outcomes: readonly Outcome[], claim?: { count: number } & ClaimOptions): SettleRequest {
    if (!claim) return { queue, outcomes };
    const { count, ...options } = claim;
    return { queue, outcomes, claim: { count, ...this.#consumer(options) } };
  }

  /** Settles outcomes that must all count. */
  async finish(queue: string, ...outcomes: readonly Outcome[]): Promise<void> {
    const { verdicts } = await this.settle(queue, outcomes);
    assert.deepEqual(
      verdicts,
      outcomes.map(() => 'settled'),
    );
  }

  extend(queue: string, held: readonly Held[], leaseMs = LEASE_MS): Promise<ExtendVerdict[]> {
    return this.world.store.extend(
      held.map(({ id, fence }) => ({ queue, id, fence, leaseMs })),
      this.world.at,
    );
  }

  declare(queue: string, want: QueueDeclaration): Promise<DeclareReply> {
    return this.#send(queue, (call) => this.world.admin.declare(call, queue, want, this.world.at));
  }

  cancel(queue: string, id: string, reason?: string): Promise<CancelReply> {
    return this.#send(queue, (call) => this.world.admin.cancel(call, queue, id, reason, this.world.at));
  }

  remove(queue: string, id: string): Promise<ChangeReply> {
    return this.#send(queue, (call) => this.world.admin.remove(call, queue, id, this.world.at));
  }

  promote(queue: string, id: string): Promise<ChangeReply> {
    return this.#send(queue, (call) => this.world.admin.promote(call, queue, id, this.world.at));
  }

  updateData(queue: string, id: string, data: string | undefined): Promise<ChangeReply> {
    return this.#send(queue, (call) => this.world.admin.updateData(call, queue, id, data, this.world.at));
  }

  changeDelay(queue: string, id: string, delayMs: number): Promise<ChangeReply> {
    return this.#send(queue, (call) => this.world.admin.changeDelay(call, queue, id, delayMs, this.world.at));
  }

  changePriority(queue: string, id: string, priority: number): Promise<ChangeReply> {
    return this.#send(queue, (call) => this.world.admin.changePriority(call, queue, id, priority, this.world.at));
  }

  /** Runs a finished job again, as a new one. */
  again(queue: string, id: string, newId: string, from: readonly JobStatus[] = ['failed']): Promise<RetryReply> {
    return this.#send(queue, (call) => this.world.admin.retry(call, queue, id, { newId, from }, this.world.at));
  }

  pause(queue: string): Promise<boolean> {
    return this.#send(queue, (call) => this.world.admin.pause(call, queue, this.world.at));
  }

  resume(queue: string): Promise<boolean> {
    return this.#send(queue, (call) => this.world.admin.resume(call, queue, this.world.at));
  }

  disable(queue: string): Promise<boolean> {
    return this.#send(queue, (call) => this.world.admin.disable(call, queue, this.world.at));
  }

  enable(queue: string, limit = 1_000): Promise<EnableReply> {
    return this.#send(queue, (call) => this.world.admin.enable(call, queue, limit, this.world.at));
  }

  obliterate(queue: string, request: { limit: number; force?: boolean } = { limit: 1_000 }): Promise<number> {
    return this.#send(queue, (call) => this.world.admin.obliterate(call, queue, request, this.world.at));
  }

  #consumer(
    options: ClaimOptions,
  ): { leaseMs: number; owner: string; policy: ReturnType<typeof policy> } & ClaimOptions {
    return { leaseMs: LEASE_MS, owner: this.name, policy: policy(), ...options };
  }

  #counter(queue: string): Counter {
    let counter = this.#counters.get(queue);
    if (!counter) this.#counters.set(queue, (counter = { n: 0, acked: 0, answered: new Set() }));
    return counter;
  }

  /** An error is an answer, too. */
  async #send<T>(queue: string, send: (call: CallId) => Promise<T>): Promise<T> {
    const call = this.call(queue);
    try {
      return await send(call);
    } finally {
      this.answered(queue, call);
    }
  }
}
