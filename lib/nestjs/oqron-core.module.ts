import { Global, Inject, Module, type OnApplicationShutdown } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { OqronEngine } from '../engine/oqron-engine.js';
import { ConfigurableModuleClass } from './oqron.module-definition.js';

/**
 * The global half: the engine and the queues. It is destroyed last of all modules, so that jobs which end during the
 * shutdown can still add others, and connections close after everybody else is done.
 */
@Global()
@Module({ imports: [DiscoveryModule] })
export class OqronCoreModule extends ConfigurableModuleClass implements OnApplicationShutdown {
  constructor(@Inject(OqronEngine) private readonly engine: OqronEngine) {
    super();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.engine.stop();
  }
}
