import type { Backend, HistoryLimits } from '../../kernel/ports/backend.js';
import type { Clock } from '../../kernel/ports/clock.js';
import { systemClock } from '../../kernel/ports/system-clock.js';
import { MemoryBroker } from './memory-broker.js';
import { MemoryJobStore } from './memory-job-store.js';
import { MemoryLeader } from './memory-leader.js';
import { MemoryLock } from './memory-lock.js';
import { MemorySignals } from './memory-signals.js';
import { MemoryStorage } from './memory-storage.js';

export { MemoryBroker, MemoryLock, MemoryStorage };

/**
 * A store in this process's memory. Engines that are given one backend share its jobs, as processes share a server:
 * a test can run an API and a worker side by side. `clock` is the store's time; give it the engines' clock.
 *
 * @example
 * const backend = createMemoryBackend({ clock });
 * const api = new OqronEngine({ modules: [queueModule({ consume: false })] }, { backend, clock });
 * const workers = new OqronEngine({ modules: [workerModule()] }, { backend, clock });
 * @publicApi
 */
export function createMemoryBackend(options: { clock?: Clock; limits?: HistoryLimits } = {}): Backend {
  const clock = options.clock ?? systemClock;
  const signals = new MemorySignals(clock);
  const broker = new MemoryBroker(clock);
  return {
    store: new MemoryJobStore(clock, signals, options.limits),
    signals,
    leader: new MemoryLeader(clock),
    adapters: { storage: new MemoryStorage(clock), broker, lock: new MemoryLock(clock) },
    open: () => Promise.resolve(),
    close: async () => broker.close(),
  };
}
