import { OqronError } from './oqron-error.js';

/**
 * A broker was asked to extend an entry that this consumer does not hold: it was never claimed, its lock ended, or it
 * was acknowledged. Stop working on it; somebody else may have it.
 * @publicApi
 */
export class LockNotHeldError extends OqronError {
  constructor(where: string, id: string, consumerId: string) {
    super('LOCK_NOT_HELD', `${where}: "${consumerId}" does not hold "${id}"; it may have been handed to somebody else`);
  }
}

/**
 * A write to a namespace that only shows what the engine keeps, such as `jobs`. Nothing was written.
 * @publicApi
 */
export class ReadOnlyNamespaceError extends OqronError {
  constructor(where: string, namespace: string, hint: string) {
    super('READ_ONLY_NAMESPACE', `${where}: the namespace "${namespace}" can only be read. ${hint}`);
  }
}
