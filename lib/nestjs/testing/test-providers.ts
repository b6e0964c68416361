import type { FactoryProvider } from '@nestjs/common';
import type { Backend } from '../../kernel/ports/backend.js';
import type { Clock } from '../../kernel/ports/clock.js';
import type { Duration } from '../../kernel/job/duration.js';
import { OqronEngine } from '../../engine/oqron-engine.js';
import { steadyRandom } from '../../testing/steady-random.js';
import { OqronTester, VirtualClock } from '../../testing/index.js';
import type { OqronModuleOptions } from '../oqron.module-definition.js';
import { OQRON_BACKEND, OQRON_CLOCK, OQRON_RANDOM } from '../oqron.tokens.js';

/** What a test says of its application, beside the options that it overrides. @publicApi */
export interface OqronTestingOptions extends Omit<
  OqronModuleOptions,
  'mode' | 'redis' | 'postgres' | 'adapters' | 'liveness'
> {
  /** @default a new `VirtualClock` */
  readonly clock?: Clock;
  /** Applications that are given one backend share its jobs. @default a memory of its own */
  readonly backend?: Backend;
  /** Real time after which the tester gives up. @default 4_000 ms */
  readonly patience?: Duration;
}

/** What a tester is made with. */
export const TESTER_OPTIONS = 'OQRON_TESTER_OPTIONS';

const testers = new WeakMap<OqronEngine, OqronTester>();

/** One engine has one tester, whoever provides it. */
export const testerProvider: FactoryProvider<OqronTester> = {
  provide: OqronTester,
  inject: [OqronEngine, { token: TESTER_OPTIONS, optional: true }],
  useFactory: (engine: OqronEngine, options?: { patience?: Duration }): OqronTester => {
    const tester = testers.get(engine) ?? new OqronTester(engine, options);
    testers.set(engine, tester);
    return tester;
  },
};

/** What takes the place of an application's own, by token, and the options that go over its own. */
export function replacements({ clock, backend, patience, ...options }: OqronTestingOptions): {
  readonly values: readonly (readonly [token: string, value: unknown])[];
  readonly options: OqronModuleOptions;
} {
  return {
    values: [
      [OQRON_CLOCK, clock ?? new VirtualClock()],
      [OQRON_RANDOM, steadyRandom],
      [OQRON_BACKEND, backend ?? null],
      [TESTER_OPTIONS, patience === undefined ? {} : { patience }],
    ],
    // Nothing is connected to, whatever the application names.
    options: {
      ...options,
      mode: 'default',
      redis: undefined,
      postgres: undefined,
      adapters: undefined,
      liveness: undefined,
    },
  };
}
