import { InvalidOptionsError } from '../kernel/errors/index.js';
import { BROKER_METHODS, LOCK_METHODS, STORAGE_METHODS, type MethodTable } from '../kernel/ports/adapter-methods.js';
import type { IBrokerEngine } from '../kernel/ports/broker.js';
import type { ILockAdapter } from '../kernel/ports/lock.js';
import type { IStorageEngine } from '../kernel/ports/storage.js';

/**
 * A storage made of your own functions. Required: `save`, `get`, `list`, `delete`, `prune`, `count`. The methods of the
 * answer are bound to `impl`, so an instance of a class will do, and `this` works in it.
 *
 * @throws InvalidOptionsError naming every method that is missing or no function
 * @example
 * const records = new Map<string, unknown>();
 * const storage = createStorage({
 *   async save(namespace, id, data) {
 *     records.set(`${namespace}:${id}`, data);
 *   },
 *   // get, list, delete, prune, count
 * });
 * @publicApi
 */
export function createStorage(impl: IStorageEngine): IStorageEngine {
  return bound('createStorage', impl, STORAGE_METHODS);
}

/**
 * A broker made of your own functions. Required: `publish`, `claim`, `extendLock`, `ack`, `nack`, `pause`, `resume`.
 * The methods of the answer are bound to `impl`.
 *
 * @throws InvalidOptionsError naming every method that is missing or no function
 * @example
 * const broker = createBroker(new RabbitMQBroker(channel));
 * @publicApi
 */
export function createBroker(impl: IBrokerEngine): IBrokerEngine {
  return bound('createBroker', impl, BROKER_METHODS);
}

/**
 * A lock made of your own functions. Required: `acquire`, `renew`, `release`, `isOwner`. The methods of the answer are
 * bound to `impl`.
 *
 * @throws InvalidOptionsError naming every method that is missing or no function
 * @example
 * const lock = createLock(new ConsulLock(consul));
 * @publicApi
 */
export function createLock(impl: ILockAdapter): ILockAdapter {
  return bound('createLock', impl, LOCK_METHODS);
}

function bound<A extends object>(where: string, impl: A, table: MethodTable<A>): A {
  const problems: string[] = [];
  const adapter: Record<string, unknown> = {};
  const given = typeof impl === 'object' && impl !== null ? impl : {};
  for (const [name, need] of Object.entries(table)) {
    const method: unknown = Reflect.get(given, name);
    if (typeof method === 'function') adapter[name] = method.bind(impl) as unknown;
    else if (method !== undefined) problems.push(`${name}: expected a function, got ${typeof method}`);
    else if (need === 'required') problems.push(`${name} is missing: expected a function`);
  }
  if (problems.length > 0) throw new InvalidOptionsError(where, problems);
  return adapter as A;
}
