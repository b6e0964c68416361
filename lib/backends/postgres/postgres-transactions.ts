import type { StoreOptions } from '../../kernel/ports/calls.js';
import type {
  CascadedJob,
  Completion,
  JobTransactions,
  LeaseFate,
  PendingCompletion,
} from '../../kernel/ports/job-store.js';
import type { TransactionOpener, TransactionStatements } from '../../kernel/ports/transaction.js';
import { poolOpener } from '../../kernel/transactions/openers.js';
import type { PoolLike } from '../../kernel/transactions/transaction-client.js';
import { openCascaded, type CascadedRow } from './decode.js';
import { noteOf } from './encode.js';
import type { FunctionRunner } from './function-runner.js';
import type { PostgresParts } from './parts.js';

const COMPLETE =
  'select oqron.complete_tx_v1($1::text, $2::text, $3::text, $4::text, $5::text::bigint, $6::text, $7::text, ' +
  '$8::text::int, $9::text::bigint)::text as reply';
const ENDED = 'select oqron.tx_ended_v1($1, $2, $3, $4, $5) as reply';
const FATE = 'select oqron.tx_fate_v1($1, $2, $3, $4, $5) as reply';

/** Completions inside the user's transactions. What follows from a commit runs on connections of our own. */
export class PostgresTransactions implements JobTransactions {
  constructor(
    private readonly parts: () => PostgresParts,
    private readonly functions: FunctionRunner,
    /** Tells the dependants that one call could not. */
    private readonly drain: (opts?: StoreOptions) => Promise<CascadedJob[]>,
  ) {}

  // eslint-disable-next-line @typescript-eslint/require-await -- a backend that is not open rejects
  async opener(): Promise<TransactionOpener> {
    // The same object, whatever it is to the rest of this backend: a pool of `pg`, or one that works like it.
    return poolOpener(this.parts().pools.transactions as unknown as PoolLike);
  }

  async complete(
    tx: TransactionStatements,
    { queue, outcome }: Completion,
    opts?: StoreOptions,
  ): Promise<PendingCompletion | undefined> {
    const { names, project, environment, limits } = this.parts();
    const { id, fence, result = null, note } = outcome;
    const values = [
      project,
      environment,
      queue,
      id,
      String(fence),
      result,
      note ? JSON.stringify(noteOf(note)) : null,
      String(limits.maxJobLogs),
      opts?.now === undefined ? null : String(opts.now),
    ];
    const [row] = await tx.query(names.sql(COMPLETE), values);
    const reply = row?.['reply'];
    if (typeof reply !== 'string') return undefined;
    const [now, seq] = JSON.parse(reply) as [now: number, seq: number];
    return { now, committed: () => this.#ended(queue, seq, opts) };
  }

  async fateOf({ queue, id, fence }: { queue: string; id: string; fence: number }): Promise<LeaseFate> {
    const { project, environment } = this.parts();
    return this.functions.reply('settle', `ctx.tx (queue "${queue}")`, FATE, [project, environment, queue, id, fence]);
  }

  async #ended(queue: string, seq: number, opts?: StoreOptions): Promise<CascadedJob[]> {
    const { project, environment } = this.parts();
    const values = [project, environment, queue, [seq], opts?.now ?? null];
    const text = await this.functions.reply<string>('settle', `ctx.tx (queue "${queue}")`, ENDED, values);
    const [rows, more] = JSON.parse(text) as [rows: CascadedRow[], more: boolean];
    const cascaded = openCascaded(rows);
    return more ? [...cascaded, ...(await this.drain(opts))] : cascaded;
  }
}
