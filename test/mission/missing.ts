import {
  createAdapters,
  createStorageAdapter,
  cron,
  cronModule,
  OqronEngine,
  schedule,
  scheduleModule,
  webhook,
  type OqronConfig,
} from 'oqronkit';

const silent = { logger: false } satisfies OqronConfig;
const redis = 'redis://localhost:6379';
const postgres = { connectionString: 'postgresql://localhost/none' };

/** An option by a name that its type does not have yet. */
const option = (name: string, value: unknown): object => ({ [name]: value });

/**
 * What waiting examples wait for, each with a try that has to be refused as not available. Once it is not, the name has
 * landed: remove it here and from the examples that wait for it.
 */
export const MISSING = {
  cron: () => cron(),
  cronModule: () => cronModule(),
  schedule: () => schedule(),
  scheduleModule: () => scheduleModule(),
  webhook: () => webhook(),
  "adapter type 'postgres'": () => createStorageAdapter({ type: 'postgres', postgres }),
  "adapters of the mode 'redis'": () => createAdapters({ mode: 'redis', redis }),
  "mode 'hybrid-db'": () => new OqronEngine({ ...silent, mode: 'hybrid-db', redis, postgres }),
  "mode 'custom'": () => new OqronEngine({ ...silent, mode: 'custom', ...option('adapters', {}) }),
} satisfies Record<string, () => unknown>;

export type Missing = keyof typeof MISSING;

/** True when the library says that this does not exist yet; other failures are none of ours. */
export function isNotAvailable(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'MODULE_NOT_AVAILABLE';
}
