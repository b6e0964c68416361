import type { IBrokerEngine } from './broker.js';
import type { JobStore } from './job-store.js';
import type { LeaderElection } from './leader.js';
import type { ILockAdapter } from './lock.js';
import type { Signals } from './signals.js';
import type { IStorageEngine } from './storage.js';

/**
 * A store with its signals, as the engine gets it from a backend's factory.
 */
export interface Backend {
  readonly store: JobStore;
  readonly signals: Signals;
  /** Elects who does what only one process has to do. Without it every process does it; nothing breaks. */
  readonly leader?: LeaderElection;
  /** Public adapters on the same server, for what the application keeps there itself. A part may be missing. */
  readonly adapters?: {
    readonly storage?: IStorageEngine;
    readonly broker?: IBrokerEngine;
    readonly lock?: ILockAdapter;
  };
  /** What is wrong with the server, or hurts there, as far as it was looked at: for health. One sentence each. */
  readonly warnings?: readonly string[];
  /** Connects and checks the server. Throws when the mode cannot work. */
  open(): Promise<void>;
  /** Closes what `open` opened. Idempotent. */
  close(): Promise<void>;
}

/** What a backend may keep of one job's history. */
export interface HistoryLimits {
  /** Log lines per job; the oldest go first. */
  readonly maxJobLogs: number;
  /** Timeline entries per job; the oldest go first. */
  readonly maxTimelineEntries: number;
}

export const DEFAULT_HISTORY_LIMITS: HistoryLimits = { maxJobLogs: 200, maxTimelineEntries: 50 };
