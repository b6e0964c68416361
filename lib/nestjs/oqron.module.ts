import { Module, type DynamicModule, type Provider } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { OqronEngine, type EngineParts } from '../engine/oqron-engine.js';
import { injectedQueues } from './decorators/inject.decorator.js';
import { nestLogger } from './nest-logger.js';
import { OqronCoreModule } from './oqron-core.module.js';
import { OqronExplorer } from './oqron.explorer.js';
import {
  MODULE_OPTIONS_TOKEN,
  type ASYNC_OPTIONS_TYPE,
  type OPTIONS_TYPE,
  type OqronModuleOptions,
} from './oqron.module-definition.js';
import { OqronRunner } from './oqron.runner.js';
import { OQRON_ENGINE_PARTS } from './oqron.tokens.js';

/**
 * Registers OqronKit in a Nest application. Import it once, **last** in the root module: Nest destroys modules in
 * reverse order, and running jobs should end before what they use is closed.
 *
 * @example
 * @Module({ imports: [DatabaseModule, MailModule, OqronModule.forRoot({ project: 'shop' })] })
 * export class AppModule {}
 * @publicApi
 */
@Module({ imports: [DiscoveryModule], providers: [OqronExplorer, OqronRunner], exports: [OqronRunner] })
export class OqronModule {
  static forRoot(options: typeof OPTIONS_TYPE = {}): DynamicModule {
    return { module: OqronModule, imports: [withCore(OqronCoreModule.forRoot(options))] };
  }

  /** Options from dependency injection: `useFactory`, `useClass` or `useExisting`. */
  static forRootAsync(options: typeof ASYNC_OPTIONS_TYPE): DynamicModule {
    return { module: OqronModule, imports: [withCore(OqronCoreModule.forRootAsync(options))] };
  }
}

/** Adds the engine and the queues. The lists are read when Nest scans the module: by then every class is decorated. */
function withCore(core: DynamicModule): DynamicModule {
  return {
    ...core,
    get providers(): Provider[] {
      return [...(core.providers ?? []), ...engineProviders, ...queueProviders()];
    },
    get exports(): NonNullable<DynamicModule['exports']> {
      return [OqronEngine, ...injectedQueues().keys()];
    },
  };
}

const engineProviders: Provider[] = [
  { provide: OQRON_ENGINE_PARTS, useValue: {} },
  {
    provide: OqronEngine,
    inject: [MODULE_OPTIONS_TOKEN, OQRON_ENGINE_PARTS],
    useFactory: (options: OqronModuleOptions, parts: EngineParts) =>
      new OqronEngine({ ...options, logger: options.logger ?? nestLogger() }, parts),
  },
];

function queueProviders(): Provider[] {
  return [...injectedQueues()].map(([token, target]) => ({
    provide: token,
    inject: [OqronEngine],
    useFactory: (engine: OqronEngine) => engine.producer(target),
  }));
}
