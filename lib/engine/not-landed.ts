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
