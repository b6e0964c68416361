import { describe, it } from '@jest/globals';
import { createBrokerAdapter } from '../../lib/engine/adapters.js';
import { brokerConformance } from '../../lib/conformance/index.js';
import { VirtualClock } from '../../lib/testing/virtual-clock.js';

brokerConformance({ describe, it }, async () => {
  const clock = new VirtualClock();
  const adapter = await createBrokerAdapter({ type: 'memory', clock });
  return { adapter, clock, close: () => Promise.resolve() };
});
