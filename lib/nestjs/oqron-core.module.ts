import { Global, Inject, Module, type OnApplicationShutdown } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { OqronEngine } from '../engine/oqron-engine.js';
import { engineProviders } from './engine.providers.js';
import { InstrumentRegistrar } from './instrumentation/instrument-registrar.js';
import { ConfigurableModuleClass, OQRON_MODULE_OPTIONS } from './oqron.module-definition.js';
import { OqronQueueRegistry } from './oqron-queue.registry.js';
import { queuesOfDecorators } from './oqron-queues.module.js';
import { OQRON_BACKEND, OQRON_CLOCK, OQRON_RANDOM } from './oqron.tokens.js';

/**
 * The global half: the engine and the queues. It is destroyed last of all modules, so that jobs which end during the
 * shutdown can still add others, and connections close after everybody else is done.
 */
@Global()
@Module({
  imports: [queuesOfDecorators, DiscoveryModule],
  providers: [...engineProviders, OqronQueueRegistry, InstrumentRegistrar],
  exports: [OqronEngine, OqronQueueRegistry, OQRON_MODULE_OPTIONS, OQRON_CLOCK, OQRON_RANDOM, OQRON_BACKEND],
})
export class OqronCoreModule extends ConfigurableModuleClass implements OnApplicationShutdown {
  constructor(@Inject(OqronEngine) private readonly engine: OqronEngine) {
    super();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.engine.stop();
  }
}
