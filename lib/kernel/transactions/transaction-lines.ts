/**
 * Statements that were asked for in one transaction leave one after the other, in the order in which they were asked
 * for, whatever each of them has to find out first.
 */
export class TransactionLines {
  /** The last one of each transaction; a transaction that nobody knows any more is forgotten. */
  readonly #last = new WeakMap<object, Promise<unknown>>();

  /** `prepare` begins at once; `send` runs when all that was asked for before has been sent and answered. */
  run<P, T>(tx: object, prepare: () => Promise<P>, send: (prepared: P) => Promise<T>): Promise<T> {
    const before = this.#last.get(tx);
    const prepared = prepare();
    const sent = (async () => {
      // One that failed does not keep the next ones from trying: PostgreSQL will say what became of the transaction.
      const [answer] = await Promise.allSettled([prepared, before]);
      if (answer.status === 'rejected') throw answer.reason;
      return send(answer.value);
    })();
    this.#last.set(
      tx,
      sent.catch(() => undefined),
    );
    return sent;
  }
}
