import { StoreUnreachableError } from '../../kernel/errors/index.js';
import { DEFAULT_HISTORY_LIMITS, type Backend, type HistoryLimits } from '../../kernel/ports/backend.js';
import type { Clock } from '../../kernel/ports/clock.js';
import type { ILockAdapter } from '../../kernel/ports/lock.js';
import type { Logger } from '../../kernel/ports/logger.js';
import { systemClock } from '../../kernel/ports/system-clock.js';
import { FunctionRunner } from './function-runner.js';
import { checkSchema, migrate } from './migrator.js';
import { PostgresNames } from './names.js';
import { readTarget, type PostgresTarget } from './options.js';
import type { PostgresParts } from './parts.js';
import { openPool, PostgresPools, type StatementPool } from './pools.js';
import { storeError } from './postgres-errors.js';
import { PostgresJobStore } from './postgres-job-store.js';
import { PostgresLeader } from './postgres-leader.js';
import { PostgresLock } from './postgres-lock.js';
import { PostgresSignals } from './postgres-signals.js';
import { checkServer, type ServerFacts } from './server-check.js';
import { vacuumWarnings } from './vacuum-check.js';
import { VacuumWatch } from './vacuum-watch.js';

export type { PostgresTarget } from './options.js';
export type { ServerFacts } from './server-check.js';

/** How to reach PostgreSQL, and whose data are meant. @publicApi */
export interface PostgresBackendOptions {
  /** A URL, options, or a `pg.Pool`: connections of our own are made from its options. */
  readonly postgres: PostgresTarget;
  /** @default 'oqronkit' */
  readonly project?: string;
  /** @default 'development' */
  readonly environment?: string;
  /** Only for what the process measures itself; leases and delays follow the server's clock. */
  readonly clock?: Clock;
  readonly limits?: HistoryLimits;
  /** Hears of broken connections and of what is wrong with the server. */
  readonly logger?: Logger;
}

/** A backend on PostgreSQL; after `open` it knows its server. @publicApi */
export interface PostgresBackend extends Backend {
  /** What the server said of itself, once open. */
  readonly server: ServerFacts | undefined;
}

/**
 * A store on PostgreSQL 13 or newer. Needs the package `pg` (8). Per process `poolSize` connections and six more,
 * however many queues.
 *
 * @throws InvalidOptionsError for a schema or prefix that cannot be a name
 * @throws (on open) PostgresClientMissingError, PostgresServerError, SchemaMissingError, SchemaTooNewError,
 * StoreUnreachableError
 * @example
 * const backend = createPostgresBackend({ postgres: 'postgresql://localhost/shop', project: 'shop' });
 * await backend.open();
 * @publicApi
 */
export function createPostgresBackend(options: PostgresBackendOptions): PostgresBackend {
  const { project = 'oqronkit', environment = 'development', clock = systemClock, logger } = options;
  const target = readTarget(options.postgres);
  const names = new PostgresNames(target);
  let parts: PostgresParts | undefined;
  let watch: VacuumWatch | undefined;
  let opening: Promise<void> | undefined;
  const get = (): PostgresParts => {
    if (!parts) throw new StoreUnreachableError('PostgresBackend: it is not open');
    return parts;
  };
  const log = (text: string, detail: Record<string, unknown>): void => logger?.warn(text, detail);
  const store = new PostgresJobStore(get, () => parts?.server.durability ?? 'unknown');
  const signals = new PostgresSignals(get, log, (queue, from, opts) => store.passOn(queue, from, opts));

  const open = async (): Promise<void> => {
    const pools = await PostgresPools.open(target, clock, log);
    try {
      const server = await checkServer(pools.main);
      for (const warning of server.warnings) logger?.warn(`PostgreSQL: ${warning}`);
      await prepare(pools.main, names, target.migrate, logger);
      const limits = options.limits ?? DEFAULT_HISTORY_LIMITS;
      parts = { pools, names, project, environment, limits, clock, server };
      const functions = new FunctionRunner(get);
      watch = new VacuumWatch(() => vacuumWarnings(functions), clock, logger);
      watch.start();
    } catch (error) {
      await pools.close();
      throw error;
    }
  };

  return {
    store,
    signals,
    leader: new PostgresLeader(get),
    adapters: { lock: new PostgresLock(get) },
    get server() {
      return parts?.server;
    },
    get warnings() {
      return [...(parts?.server.warnings ?? []), ...signals.warnings, ...(watch?.warnings ?? [])];
    },
    open: () =>
      (opening ??= open().catch((error: unknown) => {
        // A failed start may be tried again.
        opening = undefined;
        throw error;
      })),
    close: async () => {
      await opening?.catch(() => undefined);
      await signals.close();
      watch?.stop();
      watch = undefined;
      const open = parts;
      parts = undefined;
      opening = undefined;
      await open?.pools.close();
    },
  };
}

async function prepare(pool: StatementPool, names: PostgresNames, may: boolean, logger?: Logger): Promise<void> {
  const client = await pool.lend();
  let broken: Error | undefined;
  try {
    if (!may) return await checkSchema(client, names);
    const applied = await migrate(client, names);
    if (applied.length > 0) logger?.info(`PostgreSQL: schema "${names.schema}" brought up to date`, { applied });
  } catch (error) {
    // A transaction that did not end must not stay on a connection of the pool.
    broken = new Error('the preparation failed');
    throw storeError('PostgresBackend.open', error);
  } finally {
    client.release(broken);
  }
}

/** A lock with a connection of its own. */
export interface PostgresLockAdapter extends Required<ILockAdapter> {
  /** Closes that connection. Idempotent. */
  close(): Promise<void>;
}

/**
 * Connects a lock adapter without a backend; makes the tables when they are missing and it may.
 *
 * @throws what {@link createPostgresBackend} throws when it is opened
 */
export async function openPostgresLock(
  postgres: PostgresTarget,
  clock: Clock,
  logger?: Logger,
): Promise<PostgresLockAdapter> {
  const target = readTarget(postgres);
  const names = new PostgresNames(target);
  const pool = await openPool('lock', target, clock, (text, detail) => logger?.warn(text, detail));
  try {
    await checkServer(pool);
    await prepare(pool, names, target.migrate, logger);
  } catch (error) {
    await pool.close(clock);
    throw error;
  }
  const parts = { names, clock, pools: { lane: () => pool } };
  let closed: Promise<void> | undefined;
  const close = (): Promise<void> => (closed ??= pool.close(clock));
  return Object.assign(new PostgresLock(() => parts), { close });
}
