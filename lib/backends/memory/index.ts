import type { Backend, HistoryLimits } from '../../kernel/ports/backend.js';
import type { Clock } from '../../kernel/ports/clock.js';
import { systemClock } from '../../kernel/ports/system-clock.js';
import { MemoryJobStore } from './memory-job-store.js';
import { MemorySignals } from './memory-signals.js';

/**
 * A store in this process's memory. Engines that share one backend see the same jobs.
 */
export function createMemoryBackend(options: { clock?: Clock; limits?: HistoryLimits } = {}): Backend {
  const clock = options.clock ?? systemClock;
  const signals = new MemorySignals(clock);
  return {
    store: new MemoryJobStore(clock, signals, options.limits),
    signals,
    open: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
}
