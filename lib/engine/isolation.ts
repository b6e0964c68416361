import type { JobHome } from '../kernel/job/job.js';
import { BROKER_METHODS, LOCK_METHODS, STORAGE_METHODS, type MethodTable } from '../kernel/ports/adapter-methods.js';
import type { IBrokerEngine } from '../kernel/ports/broker.js';
import type { ILockAdapter } from '../kernel/ports/lock.js';
import type { IStorageEngine } from '../kernel/ports/storage.js';

type Method = (...args: unknown[]) => unknown;
type Rewrite = (name: string, args: readonly unknown[]) => unknown[];

/**
 * `oqron:{project}:{environment}:{namespace}`, each part escaped, so that no two triples give one text, whatever
 * characters they hold. An adapter puts the id behind it. Braces are escaped as well: Redis would read them as a hash
 * tag.
 */
export function scopedName({ project, environment }: JobHome, namespace: string): string {
  return ['oqron', project, environment, namespace].map(escapePart).join(':');
}

/** Every namespace of the storage becomes one of this scope. */
export function isolatedStorage(storage: IStorageEngine, scope: JobHome): IStorageEngine {
  return rewritten(storage, STORAGE_METHODS, (_name, [namespace, ...rest]) => [
    scopedName(scope, String(namespace)),
    ...rest,
  ]);
}

/**
 * Every name and channel of the broker becomes one of this scope. Consumers do, too: `extendLock` without a name looks
 * for an entry by its consumer, and must not find one of another scope.
 */
export function isolatedBroker(broker: IBrokerEngine, scope: JobHome): IBrokerEngine {
  const scoped = (name: unknown): string => scopedName(scope, String(name));
  return rewritten(broker, BROKER_METHODS, (method, args) => {
    if (method === 'extendLock') {
      const [id, consumerId, ttlMs, name] = args;
      return [id, scoped(consumerId), ttlMs, ...(name === undefined ? [] : [scoped(name)])];
    }
    const [name, ...rest] = args;
    const claims = method === 'claim' || method === 'claimBlocking';
    return [scoped(name), ...(claims ? [scoped(rest[0]), ...rest.slice(1)] : rest)];
  });
}

/** Every key of the lock becomes one of this scope: `oqron:{project}:{environment}:lock:{key}`. */
export function isolatedLock(lock: ILockAdapter, scope: JobHome): ILockAdapter {
  const prefix = scopedName(scope, 'lock');
  return rewritten(lock, LOCK_METHODS, (method, [first, ...rest]) => [
    method === 'renewMany'
      ? (first as readonly string[]).map((key) => `${prefix}:${key}`)
      : `${prefix}:${String(first)}`,
    ...rest,
  ]);
}

/** An adapter that calls another with changed arguments. It has the optional methods that the other one has. */
function rewritten<A extends object>(adapter: A, table: MethodTable<A>, rewrite: Rewrite): A {
  const methods = Object.keys(table).flatMap((name) => {
    const method: unknown = Reflect.get(adapter, name);
    if (typeof method !== 'function') return [];
    return [[name, (...args: unknown[]) => Reflect.apply(method as Method, adapter, rewrite(name, args))] as const];
  });
  return Object.fromEntries(methods) as A;
}

/** A text that no other text gives, without the characters that have a meaning in a key. */
function escapePart(part: string): string {
  return part.replaceAll(
    // Separators, braces, what PostgreSQL or UTF-8 cannot carry, and the escape itself.
    // eslint-disable-next-line no-control-regex
    /[%:{}\u0000-\u001f\u007f]|\p{Surrogate}/gu,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  );
}
