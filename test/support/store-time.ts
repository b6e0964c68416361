import type { LeaderElection } from '../../lib/kernel/ports/leader.js';

/** An election whose store is told the time, so that a case does not have to wait for it. */
export function onStoreTime(election: LeaderElection, clock: { now(): number }): LeaderElection {
  const at = (): { now: number } => ({ now: Math.floor(clock.now()) });
  return {
    campaign: (name, owner, ttlMs) => election.campaign(name, owner, ttlMs, at()),
    resign: (name, owner, epoch) => election.resign(name, owner, epoch, at()),
    current: (name) => election.current(name, at()),
  };
}
