import { PostgresClientMissingError } from './postgres-errors.js';

/** One statement, as `pg` takes it. */
export interface Statement {
  /** The server keeps what it made of the text under this name, for the connection. At most 63 bytes. */
  readonly name?: string;
  readonly text: string;
  readonly values?: readonly unknown[];
  /** Rows as arrays: cheaper to take apart. */
  readonly rowMode?: 'array';
}

/** What a statement answered. */
export interface StatementReply {
  readonly rows: unknown[];
  readonly rowCount?: number | null;
}

/**
 * What this backend needs of a client of `pg`.
 * @publicApi
 */
export interface PostgresClientLike {
  query(statement: Statement): Promise<StatementReply>;
  connect(): Promise<unknown>;
  end(): Promise<void>;
  on(event: string, listener: (...args: never[]) => void): unknown;
}

/** A client that a pool lends. @publicApi */
export interface PooledClientLike extends PostgresClientLike {
  /** With an error, the connection is closed instead of kept. */
  release(error?: Error): void;
}

/**
 * What this backend needs of a `pg.Pool`. Any of `pg` 8 fits.
 * @publicApi
 */
export interface PostgresPoolLike {
  readonly options: object;
  connect(): Promise<PooledClientLike>;
  end(): Promise<void>;
  on(event: string, listener: (...args: never[]) => void): unknown;
}

/** Turns the text of a value into the value. */
export type TypeParser = (text: string) => unknown;

export interface PostgresDriver {
  readonly Pool: new (options: object) => PostgresPoolLike;
  readonly Client: new (
    options: object,
  ) => PostgresClientLike & { getTypeParser(oid: number, format?: string): TypeParser };
}

/**
 * Loads `pg`, which is an optional peer.
 * @throws PostgresClientMissingError
 */
export async function loadDriver(): Promise<PostgresDriver> {
  try {
    const loaded = (await import('pg')) as unknown as { default?: PostgresDriver } & PostgresDriver;
    return loaded.default ?? loaded;
  } catch (cause) {
    throw new PostgresClientMissingError({ cause });
  }
}

export function isPool(value: unknown): value is PostgresPoolLike {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof Reflect.get(value, 'connect') === 'function' &&
    typeof Reflect.get(value, 'options') === 'object'
  );
}
