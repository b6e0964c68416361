import { describe, it } from '@jest/globals';
import { createStorageAdapter } from '../../lib/engine/adapters.js';
import { storageConformance } from '../../lib/conformance/index.js';
import { VirtualClock } from '../../lib/testing/virtual-clock.js';

storageConformance({ describe, it }, async () => {
  const clock = new VirtualClock();
  const adapter = await createStorageAdapter({ type: 'memory', clock });
  return { adapter, clock, close: () => Promise.resolve() };
});
