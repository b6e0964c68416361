export { createMemoryBackend } from '../engine/backends.js';
export type { EnqueuedJob } from './history.js';
export { OqronTester, type TesterOptions, type WaitForOptions } from './oqron-tester.js';
export { createTestEngine, type TestEngine } from './test-engine.js';
export { TestKitError } from './test-kit-error.js';
export { VirtualClock } from './virtual-clock.js';
