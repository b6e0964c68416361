import { ModuleNotAvailableError } from '../kernel/errors/index.js';
import type { JobHome } from '../kernel/job/job.js';
import type { Backend } from '../kernel/ports/backend.js';
import type { IBrokerEngine } from '../kernel/ports/broker.js';
import type { ILockAdapter } from '../kernel/ports/lock.js';
import type { IStorageEngine } from '../kernel/ports/storage.js';
import { isolatedBroker, isolatedLock, isolatedStorage } from './isolation.js';
import { withJobsView, type JobsSource } from './jobs-view.js';

/**
 * The adapters of one engine, isolated by its project and environment. A broker or lock that its backend does not have throws
 * `ModuleNotAvailableError` when it is read.
 * @publicApi
 */
export class EngineAdapters {
  readonly #storage: IStorageEngine;
  readonly #broker: IBrokerEngine | undefined;
  readonly #lock: ILockAdapter | undefined;
  readonly #backend: Backend;

  /** @internal Made by the engine. */
  constructor(backend: Backend, home: JobHome, jobs: JobsSource, ready: (where: string) => Promise<void>) {
    const { storage, broker, lock } = backend.adapters ?? {};
    this.#storage = withJobsView(storage ? isolatedStorage(storage, home) : this.#noStorage(), home, jobs);
    this.#broker = broker && isolatedBroker(broker, home);
    this.#lock =
      lock &&
      isolatedLock(
        opened(lock, () => ready('OqronEngine.adapters.lock')),
        home,
      );
    this.#backend = backend;
  }

  /**
   * Records. The namespace `jobs` is a read-only view of the engine's jobs; it is there in every mode. The other ones
   * reject with `ModuleNotAvailableError` where the backend has no storage.
   */
  get storage(): IStorageEngine {
    return this.#storage;
  }

  /** Transport of ids. @throws ModuleNotAvailableError */
  get broker(): IBrokerEngine {
    return this.#broker ?? this.#notThere('broker');
  }

  /** Leases by key. Works before the start, from the first call on. @throws ModuleNotAvailableError */
  get lock(): ILockAdapter {
    return this.#lock ?? this.#notThere('lock');
  }

  #noStorage(): IStorageEngine {
    const refuse = async (): Promise<never> => this.#notThere('storage');
    return { save: refuse, get: refuse, list: refuse, delete: refuse, prune: refuse, count: refuse, bulkGet: refuse };
  }

  #notThere(part: string): never {
    throw new ModuleNotAvailableError(
      `the ${part} adapter of the backend "${this.#backend.store.capabilities.backend}"`,
    );
  }
}

/** A lock whose calls wait until the store is open. */
function opened(lock: ILockAdapter, ready: () => Promise<void>): ILockAdapter {
  const { renewMany } = lock;
  return {
    acquire: async (...args) => ready().then(() => lock.acquire(...args)),
    renew: async (...args) => ready().then(() => lock.renew(...args)),
    release: async (...args) => ready().then(() => lock.release(...args)),
    isOwner: async (...args) => ready().then(() => lock.isOwner(...args)),
    ...(renewMany && { renewMany: async (...args) => ready().then(() => renewMany.apply(lock, args)) }),
  };
}
