import type { LeadershipHealth } from '../kernel/runtime/leader.js';
import type { WorkerLoop } from '../kernel/runtime/worker-loop.js';
import type { EngineRuntime } from './engine-runtime.js';

/** How an engine is doing. @publicApi */
export interface EngineHealth {
  /** `drained`: nothing runs any more, producers still work. */
  readonly state: 'new' | 'started' | 'drained' | 'stopped';
  readonly backend: string;
  /** What an acknowledged job survives. */
  readonly durability: string;
  readonly running: number;
  /** Handlers that were told to stop and still run past their grace. */
  readonly zombies: number;
  /** The wake-up channel works; otherwise idle consumers poll. */
  readonly signals: boolean;
  /** What is wrong with the store's server or hurts there, one sentence each; none is a good sign. */
  readonly warnings: readonly string[];
  /**
   * Background loops of this process that turn no more, one sentence each: the process should be replaced. It takes two
   * looks, three seconds apart or more, to name one.
   */
  readonly stuck: readonly string[];
  /** Who sweeps all queues. Absent where the backend has no elections: then every process does. */
  readonly leader?: LeadershipHealth;
}

/** What an engine's parts say of themselves. */
export function healthOf(
  rt: EngineRuntime,
  loops: readonly WorkerLoop[],
  own: Pick<EngineHealth, 'state' | 'stuck'>,
): EngineHealth {
  const { backend, durability } = rt.store.capabilities;
  const leader = rt.leadership.health();
  return {
    state: own.state,
    backend,
    durability,
    running: loops.reduce((sum, loop) => sum + loop.running, 0),
    zombies: loops.reduce((sum, loop) => sum + loop.zombies, 0),
    signals: rt.pulse.proven,
    warnings: rt.backend.warnings ?? [],
    stuck: own.stuck,
    ...(leader && { leader }),
  };
}
