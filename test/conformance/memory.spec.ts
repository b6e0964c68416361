import { describe, it } from '@jest/globals';
import { createMemoryBackend } from '../../lib/backends/memory/index.js';
import { jobStoreConformance } from '../../lib/conformance/index.js';

jobStoreConformance({ describe, it }, async () => {
  const backend = createMemoryBackend();
  await backend.open();
  return { store: backend.store, signals: backend.signals, close: () => backend.close() };
});
