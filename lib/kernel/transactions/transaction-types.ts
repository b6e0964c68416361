/** What a statement of a `pg` client answers. @publicApi */
export interface TransactionResult<Row> {
  readonly rows: Row[];
  /** Rows that the statement was about; `null` where it has none. */
  readonly rowCount: number | null;
}

/** What `ctx.tx` hands out where it opened the transaction on a `pg.Pool`: that pool's client. @publicApi */
export interface JobTransactionClient {
  query<Row = Record<string, unknown>>(text: string, values?: unknown[]): Promise<TransactionResult<Row>>;
}

/** What opens transactions with an argument that is a function. */
interface OpensWith<Tx> {
  transaction(work: (tx: Tx) => Promise<unknown>, ...more: never[]): unknown;
}

/**
 * What `ctx.tx` hands out for a `using`: the transaction of that ORM, or the client of a pool.
 * @publicApi
 */
export type TransactionOf<Using> = Using extends { $transaction(work: (tx: infer Tx) => Promise<unknown>): unknown }
  ? Tx
  : Using extends { transaction(): { execute(work: (tx: infer Tx) => Promise<unknown>): unknown } }
    ? Tx
    : Using extends { createQueryRunner(): unknown; manager: infer Manager }
      ? Manager
      : Using extends { em: infer Manager }
        ? Manager
        : Using extends { getTransactionContext(): unknown }
          ? Using
          : Using extends OpensWith<infer Tx>
            ? Tx
            : JobTransactionClient;
