import { Module, type DynamicModule, type Provider } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { OqronInvoker } from './invocation/oqron.invoker.js';
import { OqronCoreModule } from './oqron-core.module.js';
import { featureModule, OqronQueuesModule, queuesOfDecorators } from './oqron-queues.module.js';
import { OqronExplorer } from './oqron.explorer.js';
import type { ASYNC_OPTIONS_TYPE, OPTIONS_TYPE } from './oqron.module-definition.js';
import { OqronRunner } from './oqron.runner.js';
import type { QueueTarget } from './oqron.tokens.js';

/** Only of the module that `forRoot` answers: others of this class, in features, give the queues and nothing else. */
const rootProviders: Provider[] = [OqronExplorer, OqronInvoker, OqronRunner];

/**
 * Registers OqronKit in a Nest application. Import it once, **last** in the root module: Nest destroys modules in
 * reverse order, and running jobs should end before what they use is closed.
 *
 * @example
 * @Module({ imports: [DatabaseModule, MailModule, OqronModule.forRoot({ project: 'shop' })] })
 * export class AppModule {}
 * @publicApi
 */
@Module({ imports: [queuesOfDecorators], exports: [OqronQueuesModule] })
export class OqronModule {
  /**
   * The engine with these options, and beside them `isGlobal` (`false`: queues only where a module imports this class or
   * {@link forFeature}) and `extraProviders`.
   *
   * @throws InvalidOptionsError when the application is made, with every problem of the options
   */
  static forRoot(options: typeof OPTIONS_TYPE = {}): DynamicModule {
    return root(OqronCoreModule.forRoot(options));
  }

  /**
   * Options from dependency injection: `useFactory`, `useClass` or `useExisting`. `isGlobal` and `extraProviders` stand
   * beside these.
   */
  static forRootAsync(options: typeof ASYNC_OPTIONS_TYPE): DynamicModule {
    return root(OqronCoreModule.forRootAsync(options));
  }

  /**
   * Provides these queues to the module that imports it. Needed when `isGlobal` is `false`, in modules that are loaded
   * lazily, and for queues that no `@InjectQueue` names: names known only at run time, `inject: [getQueueToken(Mail)]`.
   *
   * @example
   * @Module({ imports: [OqronModule.forFeature([Mail, `tenant-${id}`])] })
   * export class MailModule {}
   */
  static forFeature(queues: readonly QueueTarget[]): DynamicModule {
    return featureModule(queues);
  }
}

function root(core: DynamicModule): DynamicModule {
  return { module: OqronModule, imports: [DiscoveryModule, core], providers: rootProviders, exports: [OqronRunner] };
}
