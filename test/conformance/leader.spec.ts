import { describe, it } from '@jest/globals';
import { MemoryLeader } from '../../lib/backends/memory/memory-leader.js';
import { leaderConformance } from '../../lib/conformance/index.js';
import { VirtualClock } from '../../lib/testing/virtual-clock.js';

leaderConformance({ describe, it }, async () => {
  const clock = new VirtualClock();
  return { adapter: new MemoryLeader(clock), clock, close: () => Promise.resolve() };
});
