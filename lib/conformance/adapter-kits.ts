import { BROKER_METHODS, LEADER_METHODS, LOCK_METHODS, STORAGE_METHODS } from '../kernel/ports/adapter-methods.js';
import type { IBrokerEngine } from '../kernel/ports/broker.js';
import type { LeaderElection } from '../kernel/ports/leader.js';
import type { ILockAdapter } from '../kernel/ports/lock.js';
import type { IStorageEngine } from '../kernel/ports/storage.js';
import {
  collectAdapterCases,
  type AdapterConformanceOptions,
  type AdapterFactory,
  type AdapterSuite,
} from './adapter-suite.js';
import { blockingCases } from './broker/blocking.js';
import { channelCases } from './broker/channels.js';
import { claimCases } from './broker/claims.js';
import { entryCases } from './broker/entries.js';
import { orderCases } from './broker/order.js';
import type { ConformanceRunner } from './kit.js';
import { termCases } from './leader/terms.js';
import { leaseCases } from './lock/leases.js';
import { atomicCases } from './storage/atomic.js';
import { bulkCases } from './storage/bulk.js';
import { queryCases } from './storage/query.js';
import { recordCases } from './storage/records.js';
import type { ConformanceCase } from './suite.js';

const STORAGE: readonly AdapterSuite<IStorageEngine>[] = [recordCases, queryCases, bulkCases, atomicCases];
const BROKER: readonly AdapterSuite<IBrokerEngine>[] = [
  entryCases,
  orderCases,
  claimCases,
  blockingCases,
  channelCases,
];
const LOCK: readonly AdapterSuite<ILockAdapter>[] = [leaseCases];

/** @publicApi */
export interface StorageConformanceOptions extends AdapterConformanceOptions<IStorageEngine> {
  /** `false` leaves out the cases about Dates, for a storage that keeps JSON. The engine itself stores none. Default `true`. */
  readonly dates?: boolean;
}

/**
 * The cases of the storage kit, bound to a factory, for running them one by one and without a test runner. Throws a
 * `TypeError` when `options.without` names a case that does not exist, or `options.lacks` a method that is required.
 * @publicApi
 */
export function collectStorageConformance(
  factory: AdapterFactory<IStorageEngine>,
  options: StorageConformanceOptions = {},
): ConformanceCase[] {
  const cases = collectAdapterCases('collectStorageConformance', STORAGE_METHODS, STORAGE, factory, options);
  return options.dates === false ? cases.filter(({ name }) => !name.startsWith('[dates]')) : cases;
}

/**
 * Declares the storage kit with a test runner: what `IStorageEngine` promises, on any adapter.
 *
 * @example
 * import { describe, it } from 'node:test';
 * import { realTime, storageConformance } from 'oqronkit/conformance';
 *
 * storageConformance({ describe, it }, async () => {
 *   const table = await dynamo.createTable();
 *   return { adapter: new DynamoStorage(table), clock: realTime, close: () => table.drop() };
 * }, { lacks: ['increment'], dates: false });
 * @publicApi
 */
export function storageConformance(
  runner: ConformanceRunner,
  factory: AdapterFactory<IStorageEngine>,
  options: StorageConformanceOptions = {},
): void {
  declareCases(runner, 'Storage conformance', collectStorageConformance(factory, options));
}

/** The cases of the broker kit; see {@link collectStorageConformance}. @publicApi */
export function collectBrokerConformance(
  factory: AdapterFactory<IBrokerEngine>,
  options: AdapterConformanceOptions<IBrokerEngine> = {},
): ConformanceCase[] {
  return collectAdapterCases('collectBrokerConformance', BROKER_METHODS, BROKER, factory, options);
}

/**
 * Declares the broker kit with a test runner: what `IBrokerEngine` promises, on any adapter.
 *
 * @example
 * brokerConformance({ describe, it }, async () => {
 *   const clock = new VirtualClock();
 *   const adapter = await createBrokerAdapter({ type: 'memory', clock });
 *   return { adapter, clock, close: () => Promise.resolve() };
 * });
 * @publicApi
 */
export function brokerConformance(
  runner: ConformanceRunner,
  factory: AdapterFactory<IBrokerEngine>,
  options: AdapterConformanceOptions<IBrokerEngine> = {},
): void {
  declareCases(runner, 'Broker conformance', collectBrokerConformance(factory, options));
}

/** The cases of the lock kit; see {@link collectStorageConformance}. @publicApi */
export function collectLockConformance(
  factory: AdapterFactory<ILockAdapter>,
  options: AdapterConformanceOptions<ILockAdapter> = {},
): ConformanceCase[] {
  return collectAdapterCases('collectLockConformance', LOCK_METHODS, LOCK, factory, options);
}

/**
 * Declares the lock kit with a test runner: what `ILockAdapter` promises, on any adapter.
 *
 * @example
 * lockConformance({ describe, it }, async () => {
 *   const consul = await connect();
 *   return { adapter: new ConsulLock(consul), clock: realTime, close: () => consul.close() };
 * }, { lacks: ['renewMany'] });
 * @publicApi
 */
export function lockConformance(
  runner: ConformanceRunner,
  factory: AdapterFactory<ILockAdapter>,
  options: AdapterConformanceOptions<ILockAdapter> = {},
): void {
  declareCases(runner, 'Lock conformance', collectLockConformance(factory, options));
}

/** The cases of the leader kit; see {@link collectStorageConformance}. @publicApi */
export function collectLeaderConformance(
  factory: AdapterFactory<LeaderElection>,
  options: AdapterConformanceOptions<LeaderElection> = {},
): ConformanceCase[] {
  return collectAdapterCases('collectLeaderConformance', LEADER_METHODS, [termCases], factory, options);
}

/**
 * Declares the leader kit with a test runner: what `LeaderElection` promises, on any backend.
 *
 * @example
 * leaderConformance({ describe, it }, async () => {
 *   const clock = new VirtualClock();
 *   const backend = createMyBackend({ clock });
 *   return { adapter: backend.leader, clock, close: () => backend.close() };
 * });
 * @publicApi
 */
export function leaderConformance(
  runner: ConformanceRunner,
  factory: AdapterFactory<LeaderElection>,
  options: AdapterConformanceOptions<LeaderElection> = {},
): void {
  declareCases(runner, 'Leader conformance', collectLeaderConformance(factory, options));
}

function declareCases(runner: ConformanceRunner, title: string, cases: readonly ConformanceCase[]): void {
  runner.describe(title, () => {
    for (const suite of new Set(cases.map((one) => one.suite))) {
      runner.describe(suite, () => {
        for (const one of cases) if (one.suite === suite) runner.it(one.name, () => one.run());
      });
    }
  });
}
