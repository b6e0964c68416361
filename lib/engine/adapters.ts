import { z } from 'zod';
import { MemoryBroker, MemoryLock, MemoryStorage } from '../backends/memory/index.js';
import { InvalidOptionsError, ModuleNotAvailableError } from '../kernel/errors/index.js';
import type { IBrokerEngine } from '../kernel/ports/broker.js';
import type { Clock } from '../kernel/ports/clock.js';
import type { ILockAdapter } from '../kernel/ports/lock.js';
import type { IStorageEngine } from '../kernel/ports/storage.js';
import { systemClock } from '../kernel/ports/system-clock.js';
import { parseOptions, strict } from '../kernel/validation.js';
import { connectionProblems, MODES, type OqronConfig, type StoreMode } from './config.js';
import { createBroker, createLock, createStorage } from './custom-adapters.js';
import { postgresLock, redisLock } from './lock-adapters.js';

/** Which built-in adapter to make, and what it needs. @publicApi */
export interface AdapterOptions {
  /** Where it keeps its data. This release has `memory`, and for locks all of them. */
  readonly type: 'memory' | 'redis' | 'postgres';
  /** Required for the type `redis`: url, options, or a client. */
  readonly redis?: OqronConfig['redis'];
  /** Required for the type `postgres`: options or a `pg.Pool`. */
  readonly postgres?: OqronConfig['postgres'];
  /** Time for the type `memory`. @default the real clock */
  readonly clock?: Clock;
}

/** A lock that the factory made. @publicApi */
export interface LockAdapter extends Required<ILockAdapter> {
  /** Closes the connection that the factory opened, if it needed one. Idempotent. */
  close(): Promise<void>;
}

/** Which three adapters to make, and what they need. @publicApi */
export interface AdaptersOptions {
  /** @default 'default' */
  readonly mode?: StoreMode;
  /** Required for the modes `redis` and `hybrid-db`. */
  readonly redis?: OqronConfig['redis'];
  /** Required for the modes `db` and `hybrid-db`. */
  readonly postgres?: OqronConfig['postgres'];
  /** Required for the mode `custom`: they are checked and handed on. */
  readonly adapters?: OqronConfig['adapters'];
  /** Time for the mode `default`. @default the real clock */
  readonly clock?: Clock;
}

/** The three adapters that every deployment has. @publicApi */
export interface OqronAdapters {
  readonly storage: IStorageEngine;
  readonly broker: IBrokerEngine;
  readonly lock: ILockAdapter;
  /** Closes the connections that the factory opened, and none that it was given. Idempotent. */
  close(): Promise<void>;
}

const clock = z.custom<Clock>((value) => typeof (value as Clock | undefined)?.monotonic === 'function').optional();
const connection = z.union([z.string().min(1), z.custom<object>(isObject)], 'expected a url or an object').optional();
const object = z.custom<object>(isObject, 'expected an object').optional();

const TYPES = ['memory', 'redis', 'postgres'] as const;

const adapterSchema = strict({
  type: z.enum(TYPES, {
    error: ({ input }) => `expected one of ${TYPES.join(', ')}, got ${JSON.stringify(input)}`,
  }),
  redis: connection,
  postgres: object,
  clock,
});

const adaptersSchema = strict({
  mode: z
    .enum(MODES, { error: ({ input }) => `expected one of ${MODES.join(', ')}, got ${JSON.stringify(input)}` })
    .default('default'),
  redis: connection,
  postgres: object,
  adapters: object,
  clock,
});

/**
 * Makes one of the built-in storages. Each call makes a new one, with data of its own in memory.
 *
 * @throws InvalidOptionsError for an unknown type, or a connection that is missing
 * @throws ModuleNotAvailableError for a type that has not landed
 * @example
 * const storage = await createStorageAdapter({ type: 'memory' });
 * await storage.save('invoices', '7', { total: 12 });
 * @publicApi
 */
export async function createStorageAdapter(options: AdapterOptions): Promise<IStorageEngine> {
  return new MemoryStorage(memoryClock('createStorageAdapter', options));
}

/**
 * Makes one of the built-in brokers. Each call makes a new one, with entries of its own in memory.
 *
 * @throws InvalidOptionsError for an unknown type, or a connection that is missing
 * @throws ModuleNotAvailableError for a type that has not landed
 * @example
 * const broker = await createBrokerAdapter({ type: 'memory' });
 * await broker.publish('mails', 'mail-7');
 * @publicApi
 */
export async function createBrokerAdapter(options: AdapterOptions): Promise<IBrokerEngine> {
  return new MemoryBroker(memoryClock('createBrokerAdapter', options));
}

/**
 * Makes one of the built-in locks. In memory each call makes a new one, with leases of its own; on a server all see the
 * same leases, which last by the server's clock. Those have a connection of their own: `close` it when it is not needed
 * any more, because it keeps the process alive.
 *
 * @throws InvalidOptionsError for an unknown type, or a connection that is missing
 * @throws StoreUnreachableError when the server cannot be reached
 * @example
 * const lock = await createLockAdapter({ type: 'redis', redis: 'redis://localhost:6379' });
 * if (await lock.acquire('nightly-report', process.pid.toString(), 30_000)) await report();
 * await lock.close();
 * @publicApi
 */
export async function createLockAdapter(options: AdapterOptions): Promise<LockAdapter> {
  const { type, redis, postgres, clock: time = systemClock } = adapterOptions('createLockAdapter', options);
  if (type === 'redis' && redis !== undefined) return redisLock(redis, time);
  if (type === 'postgres' && postgres !== undefined) return postgresLock(postgres, time);
  return Object.assign(new MemoryLock(time), { close: () => Promise.resolve() });
}

/**
 * Makes the three adapters of a mode at once.
 *
 * @throws InvalidOptionsError with every problem: an unknown mode, a connection or a method that is missing
 * @throws ModuleNotAvailableError for a mode that has not landed
 * @example
 * const adapters = await createAdapters({ mode: 'default' });
 * await adapters.storage.save('invoices', '7', { total: 12 });
 * await adapters.close();
 * @publicApi
 */
export async function createAdapters(options: AdaptersOptions = {}): Promise<OqronAdapters> {
  const parsed = parseOptions('createAdapters', adaptersSchema, options);
  const problems = connectionProblems(parsed.mode, parsed);
  if (problems.length > 0) throw new InvalidOptionsError('createAdapters', problems);
  if (parsed.mode === 'custom') return custom(options.adapters);
  if (parsed.mode !== 'default') {
    throw new ModuleNotAvailableError(`createAdapters() of the mode "${parsed.mode}"`, 'Use "default" or "custom".');
  }
  const time = parsed.clock ?? systemClock;
  const broker = new MemoryBroker(time);
  return {
    storage: new MemoryStorage(time),
    broker,
    lock: new MemoryLock(time),
    close: async () => broker.close(),
  };
}

/** Adapters of the user's own; they opened nothing of ours, so there is nothing to close. */
function custom(given: OqronConfig['adapters']): OqronAdapters {
  const problems: string[] = [];
  const part = <A>(name: string, check: () => A): A => {
    try {
      return check();
    } catch (error) {
      if (!(error instanceof InvalidOptionsError)) throw error;
      problems.push(...error.problems.map((problem) => `adapters.${name}.${problem}`));
      return undefined as A;
    }
  };
  const { storage, broker, lock } = { ...given } as NonNullable<typeof given>;
  const adapters = {
    storage: part('storage', () => createStorage(storage)),
    broker: part('broker', () => createBroker(broker)),
    lock: part('lock', () => createLock(lock)),
    close: () => Promise.resolve(),
  };
  if (problems.length > 0) throw new InvalidOptionsError('createAdapters', problems);
  return adapters;
}

/** The clock of a memory adapter; the other types have not landed. */
function memoryClock(where: string, options: AdapterOptions): Clock {
  const { type, clock: time = systemClock } = adapterOptions(where, options);
  if (type === 'memory') return time;
  throw notLanded(where, type);
}

function adapterOptions(where: string, options: AdapterOptions): z.output<typeof adapterSchema> {
  const parsed = parseOptions(where, adapterSchema, options);
  const { type } = parsed;
  if (type === 'memory') return parsed;
  const mode = type === 'redis' ? 'redis' : 'db';
  const problems = connectionProblems(mode, parsed).map((problem) =>
    problem.replace(`mode "${mode}"`, `type "${type}"`),
  );
  if (problems.length > 0) throw new InvalidOptionsError(where, problems);
  return parsed;
}

function notLanded(where: string, type: string): ModuleNotAvailableError {
  return new ModuleNotAvailableError(`${where}() of the type "${type}"`, 'Use the type "memory" for now.');
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
