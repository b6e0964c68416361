import { isPool, type PostgresDriver, type PostgresPoolLike, type TypeParser } from './client.js';
import type { NameOptions } from './names.js';

/** How to reach PostgreSQL, and what our objects there are called. @publicApi */
export interface PostgresConfig extends NameOptions {
  /** A URL: `postgresql://user:password@host:5432/database`. Options of `pg` beside it are taken too (`ssl`, ...). */
  readonly connectionString?: string;
  /**
   * A direct address of the same database, for LISTEN. Needed behind a pooler in transaction mode: without it, idle
   * processes only look for work at their `pollIntervalMs`.
   */
  readonly listenUrl?: string;
  /** Connections for claims, adds and reads, and as many for `ctx.tx`. @default 10 */
  readonly poolSize?: number;
  /** False: the tables are made by `npx oqronkit migrate`, and the start only checks them. @default true */
  readonly migrate?: boolean;
  /** Other options of a client of `pg`: host, port, user, password, database, ssl, ... */
  readonly [option: string]: unknown;
}

/** Options, a URL, or a `pg.Pool`: its options are used for connections of our own, and the pool itself for `ctx.tx`. @publicApi */
export type PostgresTarget = string | PostgresConfig | PostgresPoolLike;

/** The target, taken apart. */
export interface PostgresOptions extends NameOptions {
  readonly given: PostgresConfig;
  readonly poolSize: number;
  readonly migrate: boolean;
  /** The user's. */
  readonly pool: PostgresPoolLike | undefined;
}

/** A statement that is not answered for this long has lost its connection (ms). */
const SILENCE_MS = 15_000;
const CONNECT_MS = 5_000;
const DEFAULT_POOL_SIZE = 10;

const CONNECTION = { connectionTimeoutMillis: CONNECT_MS, keepAlive: true, keepAliveInitialDelayMillis: 10_000 };

/** Of the user's options only these tell where the server is and how to get in. The rest would change how we work. */
const CONNECTING = [
  'connectionString',
  'host',
  'port',
  'user',
  'password',
  'database',
  'ssl',
  'sslnegotiation',
  'enableChannelBinding',
  'scramMaxIterations',
  'stream',
  'options',
  'application_name',
  'fallback_application_name',
  'client_encoding',
] as const;

export function readTarget(target: PostgresTarget): PostgresOptions {
  const pool = isPool(target) ? target : undefined;
  const url = typeof target === 'string' ? { connectionString: target } : undefined;
  const given = (pool?.options ?? url ?? target) as PostgresConfig;
  const size = pool ? given.max : given.poolSize;
  return {
    // A pool may have options of these names for another purpose.
    ...(!pool && { schema: given.schema, tablePrefix: given.tablePrefix }),
    given,
    poolSize: typeof size === 'number' && size >= 1 ? size : DEFAULT_POOL_SIZE,
    migrate: pool !== undefined || given.migrate !== false,
    pool,
  };
}

/** What `new Client` and `new Pool` of `pg` get. */
export interface ClientOptions {
  /** For connections of our own. */
  readonly ours: object;
  /** For the client that listens. */
  readonly listener: object;
  /** For connections that users' code works with: values and timeouts are as the application set them. */
  readonly plain: object;
}

export function clientOptions({ given, pool }: PostgresOptions, driver: PostgresDriver): ClientOptions {
  // One by one: `pg` hides passwords and keys from enumeration.
  const address: Record<string, unknown> = {};
  for (const name of CONNECTING) if (given[name] !== undefined) address[name] = given[name];
  address['fallback_application_name'] ??= 'oqronkit';
  const plain = { ...address, ...CONNECTION };
  const ours = { ...plain, query_timeout: SILENCE_MS, types: ourTypes(driver) };
  const apart = pool ? undefined : given.listenUrl;
  return { ours, listener: apart === undefined ? ours : atUrl(ours, apart), plain };
}

/** Nothing of the main address may stand in for what the other one leaves out. */
function atUrl(connection: Readonly<Record<string, unknown>>, url: string): object {
  const { host: _host, port: _port, database: _database, ...rest } = connection;
  return { ...rest, connectionString: url };
}

const INT8 = 20;
const INT8_ARRAY = 1016;
const JSON_TYPES = [114, 3802];

/**
 * How our own connections read values, whatever the application told `pg` to do for all: numbers of 64 bits as
 * numbers, for ours stay below 2^53.
 */
function ourTypes(driver: PostgresDriver): object {
  const usual = new driver.Client({});
  const array = usual.getTypeParser(INT8_ARRAY, 'text');
  const ours = new Map<number, TypeParser>([
    [INT8, Number],
    [INT8_ARRAY, (text) => (array(text) as (string | null)[]).map((value) => (value === null ? null : Number(value)))],
    ...JSON_TYPES.map((oid): [number, TypeParser] => [oid, (text) => JSON.parse(text) as unknown]),
  ]);
  return { getTypeParser: (oid: number, format?: string) => ours.get(oid) ?? usual.getTypeParser(oid, format) };
}
