import { describe, it } from '@jest/globals';
import { createLockAdapter } from '../../lib/engine/adapters.js';
import { lockConformance } from '../../lib/conformance/index.js';
import { VirtualClock } from '../../lib/testing/virtual-clock.js';

lockConformance({ describe, it }, async () => {
  const clock = new VirtualClock();
  const adapter = await createLockAdapter({ type: 'memory', clock });
  return { adapter, clock, close: () => Promise.resolve() };
});
