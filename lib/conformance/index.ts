/**
 * The conformance kit: proves that a backend keeps the rules of the engine's port. It runs under any test runner and
 * asserts with `node:assert` only.
 *
 * @example
 * import { describe, it } from 'node:test';
 * import { jobStoreConformance } from 'oqronkit/conformance';
 *
 * jobStoreConformance({ describe, it }, async () => {
 *   const backend = createMyBackend({ keyPrefix: `test:${crypto.randomUUID()}` });
 *   await backend.open();
 *   return { store: backend.store, signals: backend.signals, close: () => backend.close() };
 * });
 *
 * @packageDocumentation
 */
export { collectConformance, jobStoreConformance, type ConformanceRunner } from './kit.js';
export type { ConformanceCase, ConformanceFactory, ConformanceOptions, ConformanceSubject } from './suite.js';
export {
  brokerConformance,
  collectBrokerConformance,
  collectLeaderConformance,
  collectLockConformance,
  collectStorageConformance,
  leaderConformance,
  lockConformance,
  storageConformance,
  type StorageConformanceOptions,
} from './adapter-kits.js';
export {
  realTime,
  type AdapterConformanceOptions,
  type AdapterFactory,
  type AdapterSubject,
  type ConformanceClock,
} from './adapter-suite.js';
