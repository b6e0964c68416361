/** A client in a transaction, such as one of `pg`. @publicApi */
export interface TransactionClient {
  query(text: string, values?: unknown[]): Promise<unknown>;
}
