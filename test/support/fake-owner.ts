import type { ClaimReply, ClaimRequest, JobStore, Outcome, SettleReply } from 'oqronkit';
import { consumerSpec } from '../../lib/modules/queue/resolve.js';

/** What a consumer with no options of its own asks of a sweeper. */
const POLICY = consumerSpec('worker', 'any', {}, { module: {}, job: {} }).policy;

/** A process that talks to the store itself: it claims jobs, and then the test decides whether it lives. */
export class FakeOwner {
  #n = 0;

  constructor(
    readonly name: string,
    private readonly store: JobStore,
  ) {}

  async claim(queue: string, request: Partial<Omit<ClaimRequest, 'queue' | 'call'>> = {}): Promise<ClaimReply> {
    const call = this.#call();
    const [reply] = await this.store.claim([
      { queue, call, count: 1, leaseMs: 30_000, owner: this.name, policy: POLICY, ...request },
    ]);
    return reply as ClaimReply;
  }

  settle(queue: string, outcomes: readonly Outcome[]): Promise<SettleReply> {
    return this.store.settle(this.#call(), { queue, outcomes });
  }

  #call() {
    this.#n += 1;
    return { client: this.name, n: this.#n, acked: this.#n - 1 };
  }
}
