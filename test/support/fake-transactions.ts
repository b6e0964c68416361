import { StoreUnreachableError, type Backend, type JobStore } from 'oqronkit';
import type { Completion, JobTransactions, LeaseFate, PendingCompletion } from '../../lib/kernel/ports/job-store.js';
import type { TransactionOpener } from '../../lib/kernel/ports/transaction.js';

/** What becomes of a COMMIT: it arrives or not, and is answered, breaks, or hangs. */
export type CommitFate = 'answered' | 'refused' | 'broken-after' | 'broken-before' | 'hangs-after' | 'hangs-before';

/**
 * Transactions on a store that has none, for tests of what the runtime makes of them: what is written through their
 * handle counts when they commit, together with the settle. It locks nothing.
 */
export class FakeTransactions implements JobTransactions {
  /** What was written and committed. */
  readonly effects: string[] = [];
  /** How the next commits go; `answered` when there are none left. */
  readonly commits: CommitFate[] = [];
  /** How many looks at a lease find it locked, or the store away. */
  readonly looks: ('busy' | 'unreachable')[] = [];
  opened = 0;
  rolledBack = 0;
  readonly #done = new Set<number>();
  #calls = 0;

  constructor(private readonly store: JobStore) {}

  opener(): Promise<TransactionOpener> {
    return Promise.resolve({
      run: async (work) => {
        this.opened += 1;
        const written: string[] = [];
        const handle = {
          query: (text: string) => {
            written.push(text);
            return Promise.resolve({ rows: [], rowCount: 1 });
          },
        };
        const pending: Completion[] = [];
        let answer;
        try {
          answer = await work(handle, {
            query: (_text, [completion]) => {
              pending.push(completion as Completion);
              return Promise.resolve([]);
            },
          });
        } catch (error) {
          this.rolledBack += 1;
          throw error;
        }
        await this.#commit(pending, written);
        return answer;
      },
    });
  }

  async complete(
    tx: Parameters<JobTransactions['complete']>[0],
    completion: Completion,
  ): Promise<PendingCompletion | undefined> {
    const { id, fence } = completion.outcome;
    const [verdict] = await this.store.extend([{ queue: completion.queue, id, fence, leaseMs: 30_000 }]);
    if (verdict !== 'kept') return undefined;
    await tx.query('complete', [completion]);
    return { now: 0, committed: () => Promise.resolve([]) };
  }

  async fateOf({ queue, id, fence }: Parameters<JobTransactions['fateOf']>[0]): Promise<LeaseFate> {
    const look = this.looks.shift();
    if (look === 'busy') return 'busy';
    if (look === 'unreachable') throw new StoreUnreachableError('fateOf');
    if (this.#done.has(fence)) return 'completed';
    const [verdict] = await this.store.extend([{ queue, id, fence, leaseMs: 30_000 }]);
    return verdict === 'kept' ? 'held' : 'lost';
  }

  async #commit(pending: readonly Completion[], written: readonly string[]): Promise<void> {
    const fate = this.commits.shift() ?? 'answered';
    if (fate === 'answered' || fate.endsWith('after')) {
      for (const { queue, outcome } of pending) {
        const call = { client: 'transactions', n: (this.#calls += 1), acked: this.#calls - 1 };
        const { verdicts } = await this.store.settle(call, { queue, outcomes: [outcome] });
        if (verdicts[0] !== 'settled') throw new Error('the lease was lost under the lock');
        this.#done.add(outcome.fence);
      }
      this.effects.push(...written);
    } else {
      this.rolledBack += 1;
    }
    if (fate.startsWith('hangs')) await new Promise(() => undefined);
    if (fate !== 'answered') throw new Error(`the commit was ${fate}`);
  }
}

/** The same backend with transactions. */
export function withTransactions(backend: Backend): { backend: Backend; transactions: FakeTransactions } {
  const transactions = new FakeTransactions(backend.store);
  const store = new Proxy(backend.store, {
    get(target, key) {
      if (key === 'transactions') return transactions;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  return { backend: { ...backend, store }, transactions };
}
