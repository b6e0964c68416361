import type { OqronConfig } from '../engine/config.js';
import type { EngineParts } from '../engine/engine-parts.js';
import { OqronEngine } from '../engine/oqron-engine.js';
import type { Clock } from '../kernel/ports/clock.js';
import { OqronTester, type TesterOptions } from './oqron-tester.js';
import { steadyRandom } from './steady-random.js';
import { VirtualClock } from './virtual-clock.js';

/** An engine for a test. @publicApi */
export interface TestEngine<C extends Clock = VirtualClock> {
  readonly engine: OqronEngine;
  readonly tester: OqronTester;
  readonly clock: C;
}

/**
 * An engine in memory on a virtual clock, whatever mode its configuration names, with its tester. It opens no
 * connection, port or file, logs nothing unless `logger` is set, and its retries have no jitter. Another `clock` (a real
 * one: `systemClock`), or a `backend` that engines share, can be given.
 *
 * @throws InvalidOptionsError, ModuleNotAvailableError as `new OqronEngine` does
 * @example
 * const { engine, tester } = createTestEngine({ ...config, modules: [workerModule()] });
 * @publicApi
 */
export function createTestEngine<C extends Clock = VirtualClock>(
  config: OqronConfig = {},
  parts: EngineParts & TesterOptions & { readonly clock?: C } = {},
): TestEngine<C> {
  const { patience, ...own } = parts;
  const clock = (own.clock ?? new VirtualClock()) as C;
  const engine = new OqronEngine({ logger: false, ...inMemory(config) }, { random: steadyRandom, ...own, clock });
  return { engine, tester: new OqronTester(engine, patience === undefined ? {} : { patience }), clock };
}

/** The same configuration without what it would connect to. */
function inMemory(config: OqronConfig): OqronConfig {
  const { mode: _mode, redis: _redis, postgres: _postgres, adapters: _adapters, liveness: _liveness, ...rest } = config;
  return rest;
}
