import { ModuleNotAvailableError } from '../kernel/errors/index.js';

/** Names of the product's pages that have not landed: importing them works, calling them says so. */
function notLanded(name: string): (...args: readonly unknown[]) => never {
  return () => {
    throw new ModuleNotAvailableError(name);
  };
}

/** Not available yet: throws `ModuleNotAvailableError`. @publicApi */
export const cron = notLanded('cron()');
/** Not available yet: throws `ModuleNotAvailableError`. @publicApi */
export const schedule = notLanded('schedule()');
/** Not available yet: throws `ModuleNotAvailableError`. @publicApi */
export const webhook = notLanded('webhook()');
/** Not available yet: throws `ModuleNotAvailableError`. @publicApi */
export const createStorageAdapter = notLanded('createStorageAdapter()');
/** Not available yet: throws `ModuleNotAvailableError`. @publicApi */
export const createBrokerAdapter = notLanded('createBrokerAdapter()');
/** Not available yet: throws `ModuleNotAvailableError`. @publicApi */
export const createLockAdapter = notLanded('createLockAdapter()');
/** Not available yet: throws `ModuleNotAvailableError`. @publicApi */
export const createAdapters = notLanded('createAdapters()');
/** Not available yet: throws `ModuleNotAvailableError`. @publicApi */
export const createStorage = notLanded('createStorage()');
/** Not available yet: throws `ModuleNotAvailableError`. @publicApi */
export const createBroker = notLanded('createBroker()');
/** Not available yet: throws `ModuleNotAvailableError`. @publicApi */
export const createLock = notLanded('createLock()');
/** Not available yet: `from` throws `ModuleNotAvailableError`. @publicApi */
export const OqronManager = { from: notLanded('OqronManager.from()') };
/** Not available yet: `get` throws `ModuleNotAvailableError`. @publicApi */
export const OqronContainer = { get: notLanded('OqronContainer.get()') };
