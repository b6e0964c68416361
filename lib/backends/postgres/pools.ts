import { createHash } from 'node:crypto';
import type { Clock } from '../../kernel/ports/clock.js';
import {
  loadDriver,
  type PooledClientLike,
  type PostgresClientLike,
  type PostgresPoolLike,
  type Statement,
} from './client.js';
import { clientOptions, type PostgresOptions } from './options.js';
import { bare, endsConnection, isNameLost, storeError } from './postgres-errors.js';

/** Hears of broken connections. */
export type ConnectionLog = (text: string, detail: Record<string, unknown>) => void;

/** As many as one busy queue has under way (see callPace); settles of other queues take their turn. */
const SETTLE_CONNECTIONS = 4;
/** Which connections a statement goes to. */
export type Lane = 'main' | 'settle' | 'heartbeat';

/** A connection that is not used for this long is closed (ms). */
const IDLE_MS = 30_000;
/** How long `close` waits for statements that are under way (ms). */
const CLOSE_MS = 5_000;

/** Two releases, or two schemas, must not mean different texts by one name. */
const nameOf = (text: string): string => `oqron_${createHash('sha1').update(text).digest('hex')}`;

/** Runs statements on one of its connections, each alone: what is sent here knows nothing of sessions. */
export class StatementPool {
  readonly #clients = new Set<PostgresClientLike>();
  /** Names of the texts that are sent again and again; nothing where connections do not keep them. */
  #names: Map<string, string> | undefined = new Map();

  constructor(
    readonly role: string,
    readonly pool: PostgresPoolLike,
    log: ConnectionLog,
  ) {
    // Without listeners a connection that breaks would end the process. Its statements report what it means for them.
    const hear = (error: Error): void =>
      log(`PostgreSQL connection "${role}": ${bare(error).message}`, { role, error: bare(error) });
    pool.on('error', hear);
    pool.on('connect', ((client: PostgresClientLike) => {
      this.#clients.add(client);
      client.on('error', hear);
    }) as never);
    pool.on('remove', ((client: PostgresClientLike) => this.#clients.delete(client)) as never);
  }

  /**
   * Sends one statement, once. Rows come as objects.
   * @param text in the names of the schema: see `PostgresNames.sql`
   * @throws what `pg` throws
   */
  async query<Row>(text: string, values: readonly unknown[] = []): Promise<Row[]> {
    return (await this.#run({ text, values })) as Row[];
  }

  /** The same for a text that is sent again and again: the server parses it once for each connection. */
  async repeated<Row>(text: string, values: readonly unknown[]): Promise<Row[]> {
    if (!this.#names) return this.query<Row>(text, values);
    let name = this.#names.get(text);
    if (!name) this.#names.set(text, (name = nameOf(text)));
    try {
      return (await this.#run({ name, text, values })) as Row[];
    } catch (error) {
      if (!isNameLost(error)) throw error;
      // Nothing was run. A pooler hands the connections of the server to everybody, or somebody forgot its statements.
      this.#names = undefined;
      return this.query<Row>(text, values);
    }
  }

  /** The same, rows as arrays of columns. */
  async rows(text: string, values: readonly unknown[] = []): Promise<unknown[][]> {
    return (await this.#run({ text, values, rowMode: 'array' })) as unknown[][];
  }

  /** Lends a connection for several statements. It must be released. */
  async lend(): Promise<PooledClientLike> {
    return this.pool.connect();
  }

  async #run(statement: Statement): Promise<unknown[]> {
    const client = await this.pool.connect();
    let broken: Error | undefined;
    try {
      return (await client.query(statement)).rows;
    } catch (error) {
      // Also a connection that kept silent too long: its answer must not be taken for that of a later statement.
      if (endsConnection(error)) broken = bare(error);
      throw error;
    } finally {
      client.release(broken);
    }
  }

  /** Waits for statements under way, but not for ever: a server that is gone answers none. */
  async close(clock: Clock): Promise<void> {
    const ended = this.pool.end();
    await new Promise<void>((resolve) => {
      const timer = clock.timer(CLOSE_MS, () => {
        for (const client of this.#clients) client.end().catch(() => undefined);
        resolve();
      });
      const done = (): void => {
        timer.cancel();
        resolve();
      };
      ended.then(done, done);
    });
  }
}

/**
 * All connections of an open backend but the listener's. Heartbeats and settles have some of their own, so that running
 * jobs keep their leases and can end whatever waits in `main`.
 */
export class PostgresPools {
  /** The user's pool for `ctx.tx`, or one of ours, made when it is first asked for. */
  #transactions: PostgresPoolLike | undefined;
  #ownTransactions: StatementPool | undefined;

  private constructor(
    readonly main: StatementPool,
    readonly settle: StatementPool,
    readonly heartbeat: StatementPool,
    private readonly given: PostgresPoolLike | undefined,
    private readonly makeTransactions: () => StatementPool,
    private readonly clock: Clock,
    /** A client with the options of the listener, not yet connected. */
    readonly makeListener: () => PostgresClientLike,
  ) {}

  /**
   * Makes the pools and connects once, so that a wrong address is told at the start.
   *
   * @throws PostgresClientMissingError, StoreUnreachableError
   */
  static async open(target: PostgresOptions, clock: Clock, log: ConnectionLog): Promise<PostgresPools> {
    const driver = await loadDriver();
    const { ours, listener, plain } = clientOptions(target, driver);
    const { poolSize } = target;
    const make = (role: string, max: number, options: object): StatementPool =>
      new StatementPool(role, new driver.Pool({ ...options, max }), log);
    // 0 = kept for ever: a heartbeat or a settle must not wait for a connection to be made.
    const kept = { ...ours, idleTimeoutMillis: 0 };
    const pools = new PostgresPools(
      make('main', poolSize, { ...ours, idleTimeoutMillis: IDLE_MS }),
      make('settle', Math.min(SETTLE_CONNECTIONS, poolSize), kept),
      make('heartbeat', 1, kept),
      target.pool,
      () => make('transactions', poolSize, plain),
      clock,
      () => new driver.Client(listener),
    );
    try {
      await Promise.all([pools.main, pools.heartbeat].map((pool) => pool.query('select 1')));
    } catch (error) {
      await pools.close();
      throw storeError('PostgresBackend.open', error);
    }
    return pools;
  }

  lane(lane: Lane): StatementPool {
    return this[lane];
  }

  /** Where `ctx.tx` opens transactions. Handlers may take all of it: nothing else depends on it. */
  get transactions(): PostgresPoolLike {
    if (this.#transactions) return this.#transactions;
    if (this.given) return (this.#transactions = this.given);
    this.#ownTransactions = this.makeTransactions();
    return (this.#transactions = this.#ownTransactions.pool);
  }

  async close(): Promise<void> {
    const all = [this.main, this.settle, this.heartbeat];
    if (this.#ownTransactions) all.push(this.#ownTransactions);
    await Promise.all(all.map((pool) => pool.close(this.clock)));
  }
}

/**
 * One connection, for what needs no more.
 *
 * @throws PostgresClientMissingError, StoreUnreachableError
 */
export async function openPool(
  role: string,
  target: PostgresOptions,
  clock: Clock,
  log: ConnectionLog,
): Promise<StatementPool> {
  const driver = await loadDriver();
  const { ours } = clientOptions(target, driver);
  const pool = new StatementPool(role, new driver.Pool({ ...ours, idleTimeoutMillis: IDLE_MS, max: 1 }), log);
  try {
    await pool.query('select 1');
  } catch (error) {
    await pool.close(clock);
    throw storeError(`PostgreSQL connection "${role}"`, error);
  }
  return pool;
}
