import type { Provider } from '@nestjs/common';
import { z } from 'zod';
import type { OqronConfig } from '../engine/config.js';
import { OqronEngine } from '../engine/oqron-engine.js';
import type { EngineParts } from '../engine/engine-parts.js';
import { InvalidOptionsError } from '../kernel/errors/index.js';
import type { Backend } from '../kernel/ports/backend.js';
import type { Clock, Random } from '../kernel/ports/clock.js';
import { systemClock, systemRandom } from '../kernel/ports/system-clock.js';
import { checkOptions, strict } from '../kernel/validation.js';
import { judgeHttpException } from './invocation/http-errors.js';
import { optionsMissing } from './messages/lifecycle.messages.js';
import { nestLogger } from './nest-logger.js';
import { GIVEN_OPTIONS_TOKEN, OQRON_MODULE_OPTIONS, type OqronModuleOptions } from './oqron.module-definition.js';
import { OQRON_BACKEND, OQRON_CLOCK, OQRON_OPTION_OVERRIDES, OQRON_RANDOM } from './oqron.tokens.js';

/** The engine, and what may be put in place of its parts. */
export const engineProviders: Provider[] = [
  { provide: OQRON_CLOCK, useValue: systemClock },
  { provide: OQRON_RANDOM, useValue: systemRandom },
  { provide: OQRON_BACKEND, useValue: null },
  { provide: OQRON_OPTION_OVERRIDES, useValue: {} },
  {
    provide: OQRON_MODULE_OPTIONS,
    inject: [GIVEN_OPTIONS_TOKEN, OQRON_OPTION_OVERRIDES],
    useFactory: over,
  },
  {
    provide: OqronEngine,
    inject: [OQRON_MODULE_OPTIONS, OQRON_CLOCK, OQRON_RANDOM, OQRON_BACKEND],
    useFactory: (options: OqronModuleOptions, clock: Clock, random: Random, backend: Backend | null) =>
      makeEngine(options, { clock, random, judgeError: judgeHttpException, ...(backend && { backend }) }),
  },
];

const choice = z.boolean().optional();

/** What the engine knows nothing of. */
const nestOptions = {
  autoStart: choice,
  enhancers: z
    .union([z.boolean(), strict({ global: choice, guards: choice, interceptors: choice, filters: choice })])
    .optional(),
};

function over(given: OqronModuleOptions, overrides: OqronModuleOptions): OqronModuleOptions {
  // A factory that forgets its `return` would else start an engine in memory, and lose jobs silently.
  if (typeof given !== 'object' || given === null)
    throw new InvalidOptionsError('OqronModule', [optionsMissing(given)]);
  return { ...given, ...overrides };
}

/** @throws InvalidOptionsError with every problem of the engine's options and of Nest's */
function makeEngine(options: OqronModuleOptions, parts: EngineParts): OqronEngine {
  const { autoStart, enhancers, ...config } = options;
  const { problems = [] } = checkOptions(strict(nestOptions), { autoStart, enhancers });
  const engine = attempt(problems, { ...config, logger: config.logger ?? nestLogger() }, parts);
  if (!engine || problems.length > 0) throw new InvalidOptionsError('OqronKit config', problems);
  return engine;
}

function attempt(problems: string[], config: OqronConfig, parts: EngineParts): OqronEngine | undefined {
  try {
    return new OqronEngine(config, parts);
  } catch (error) {
    if (!(error instanceof InvalidOptionsError)) throw error;
    problems.push(...error.problems);
    return undefined;
  }
}
