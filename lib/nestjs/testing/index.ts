export { createMemoryBackend, OqronTester, TestKitError, VirtualClock } from '../../testing/index.js';
export type { EnqueuedJob, TesterOptions, WaitForOptions } from '../../testing/index.js';
export { OqronTestingModule } from './oqron-testing.module.js';
export type { OqronTestingOptions } from './test-providers.js';
export { withOqronTesting } from './with-oqron-testing.js';
