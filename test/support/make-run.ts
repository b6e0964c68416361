import type { VirtualClock } from 'oqronkit/testing';
import { JobRun, type LeaseSpec } from '../../lib/kernel/runtime/job-run.js';
import { localDeadline } from '../../lib/kernel/runtime/lease-keeper.js';

const SPEC: LeaseSpec = { queue: 'mail', kind: 'worker', leaseMs: 30_000, heartbeatMs: 5_000 };

/** An attempt whose claim was sent now. */
export function makeRun(clock: VirtualClock, id: string, spec: Partial<LeaseSpec> = {}, fence = 7): JobRun {
  const lease = { ...SPEC, ...spec };
  const now = clock.monotonic();
  return new JobRun(
    {
      id,
      name: 'default',
      meta: {},
      priority: 0,
      fence,
      attempt: 1,
      stalledCount: 0,
      createdAt: clock.now(),
      runAt: clock.now(),
    },
    lease,
    now,
    localDeadline(now, lease.leaseMs),
    now,
    clock.now(),
  );
}
