import { Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { OqronEngine } from '../engine/oqron-engine.js';
import { InvalidOptionsError } from '../kernel/errors/index.js';
import { OqronCoreModule } from './oqron-core.module.js';
import { OqronExplorer } from './oqron.explorer.js';
import { forRootTwice } from './oqron.messages.js';

/**
 * Starts the engine when the application is ready and drains it first when the application ends. It lives in the outer
 * module, whose hooks run before those of everything that handlers may still need.
 */
@Injectable()
export class OqronRunner implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly logger = new Logger('OqronExplorer');

  constructor(
    private readonly engine: OqronEngine,
    private readonly explorer: OqronExplorer,
    private readonly modules: ModulesContainer,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    const cores = [...this.modules.values()].filter(({ metatype }) => metatype === OqronCoreModule);
    if (cores.length > 1) throw new InvalidOptionsError('OqronModule', [forRootTwice()]);
    const places = new Map<string, string>();
    for (const { definition, place } of this.explorer.explore()) {
      places.set(`${definition.kind} ${definition.name}`, place);
      this.engine.define(definition);
    }
    await this.start();
    for (const { kind, name, active, reason, concurrency, handlers } of this.engine.definitions()) {
      const place = places.get(`${kind} ${name}`);
      if (!place) continue;
      const names = handlers.length > 0 ? `, names ${handlers.join(', ')}` : '';
      const state = active ? `concurrency ${concurrency}${names}` : `inactive: ${reason}`;
      this.logger.log(`${place} {${kind} ${name}} ${state}`);
    }
  }

  /** Nest closes nothing when an application cannot start: open connections would keep the process alive. */
  private async start(): Promise<void> {
    try {
      await this.engine.start();
    } catch (error) {
      await this.engine.stop().catch(() => undefined);
      throw error;
    }
  }

  /** Running jobs end before the modules that they use are destroyed. */
  async onModuleDestroy(): Promise<void> {
    await this.engine.drain();
  }
}
