import { cancelCases } from './job-store/cancel.js';
import { changeCases } from './job-store/change.js';
import { claimCases } from './job-store/claim.js';
import { deadLetterCases } from './job-store/dead-letters.js';
import { dedupLastCases } from './job-store/dedup-last.js';
import { dedupCases } from './job-store/dedup.js';
import { delayCases } from './job-store/delay.js';
import { disabledCases } from './job-store/disabled.js';
import { fenceCases } from './job-store/fence.js';
import { insertCases } from './job-store/insert.js';
import { leaseCases } from './job-store/lease.js';
import { limitCases, limitSignalCases } from './job-store/limits.js';
import { manageCases } from './job-store/manage.js';
import { noteCases } from './job-store/notes.js';
import { orderCases } from './job-store/order.js';
import { parentAgainCases } from './job-store/parents-again.js';
import { parentEndCases } from './job-store/parents-end.js';
import { parentWaitCases } from './job-store/parents-wait.js';
import { parentCases } from './job-store/parents.js';
import { pauseCases } from './job-store/pause.js';
import { payloadCases } from './job-store/payload.js';
import { raceCases } from './job-store/race.js';
import { readCases } from './job-store/read.js';
import { resendCases } from './job-store/resend.js';
import { retentionCases } from './job-store/retention.js';
import { settleCases } from './job-store/settle.js';
import { signalCases } from './job-store/signals.js';
import { stallCases } from './job-store/stall.js';
import { strategyCases } from './job-store/strategy.js';
import { suspectCases } from './job-store/suspect.js';
import { thenCases } from './job-store/then.js';
import { bind, type ConformanceCase, type ConformanceFactory, type ConformanceOptions, type Suite } from './suite.js';

const SUITES: readonly Suite[] = [
  insertCases,
  payloadCases,
  claimCases,
  orderCases,
  fenceCases,
  leaseCases,
  settleCases,
  thenCases,
  noteCases,
  retentionCases,
  delayCases,
  stallCases,
  suspectCases,
  resendCases,
  pauseCases,
  strategyCases,
  cancelCases,
  readCases,
  changeCases,
  parentCases,
  parentWaitCases,
  parentEndCases,
  parentAgainCases,
  dedupCases,
  dedupLastCases,
  disabledCases,
  limitCases,
  deadLetterCases,
  manageCases,
  raceCases,
  signalCases,
  limitSignalCases,
];

/**
 * What the kit needs of a test runner. Jest, Vitest, Mocha and `node:test` have it as they are.
 * @publicApi
 */
export interface ConformanceRunner {
  describe(name: string, declare: () => void): unknown;
  it(name: string, run: () => Promise<void>): unknown;
}

/**
 * The cases of the JobStore kit, bound to a factory, for running them one by one and without a test runner.
 * Throws a `TypeError` when `options.without` names a case that does not exist.
 *
 * @example
 * for (const test of collectConformance(factory)) {
 *   await test.run().catch((error) => console.error(test.name, error));
 * }
 * @publicApi
 */
export function collectConformance(factory: ConformanceFactory, options: ConformanceOptions = {}): ConformanceCase[] {
  const without = new Set(options.without);
  const known = new Set(SUITES.flatMap(({ cases }) => cases.map(({ name }) => name)));
  for (const name of without) {
    if (!known.has(name)) throw new TypeError(`collectConformance: options.without names no case: "${name}"`);
  }
  return SUITES.filter(({ needsSignals }) => !needsSignals || options.signals !== false).flatMap((suite) =>
    suite.cases.filter(({ name }) => !without.has(name)).map((one) => bind(suite.name, one, factory, options)),
  );
}

/**
 * Declares the whole JobStore kit with a test runner: rules 2 to 9 of the port, on any backend.
 *
 * Each case gets a store of its own from `factory`. Time is virtual: every operation carries its store time, so a
 * server's own clock plays no part and nothing sleeps.
 *
 * @example
 * import { describe, it } from '@jest/globals';
 * import { jobStoreConformance } from 'oqronkit/conformance';
 *
 * jobStoreConformance({ describe, it }, async () => {
 *   const backend = createMyBackend({ keyPrefix: `test:${crypto.randomUUID()}` });
 *   await backend.open();
 *   return { store: backend.store, signals: backend.signals, close: () => backend.close() };
 * });
 * @publicApi
 */
export function jobStoreConformance(
  runner: ConformanceRunner,
  factory: ConformanceFactory,
  options: ConformanceOptions = {},
): void {
  const cases = collectConformance(factory, options);
  runner.describe('JobStore conformance', () => {
    for (const suite of new Set(cases.map((one) => one.suite))) {
      runner.describe(suite, () => {
        for (const one of cases) if (one.suite === suite) runner.it(one.name, () => one.run());
      });
    }
  });
}
