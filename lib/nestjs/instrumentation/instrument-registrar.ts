import { Injectable, type OnModuleInit } from '@nestjs/common';
import { DiscoveryService } from '@nestjs/core';
import { OqronEngine } from '../../engine/oqron-engine.js';
import { InvalidOptionsError } from '../../kernel/errors/index.js';
import type { OqronInstrumentation } from '../../kernel/runtime/instrumentation.js';
import { isInstrumentation } from './instrumentation.decorator.js';

/** Gives the providers with `@Instrumentation()` to the engine, before the first job can be added. */
@Injectable()
export class InstrumentRegistrar implements OnModuleInit {
  constructor(
    private readonly discovery: DiscoveryService,
    private readonly engine: OqronEngine,
  ) {}

  onModuleInit(): void {
    const problems: string[] = [];
    for (const wrapper of this.discovery.getProviders()) {
      // By its token too: what a test puts in its place need not be of a marked class.
      if (wrapper.isAlias || !(isInstrumentation(wrapper.token) || isInstrumentation(wrapper.metatype))) continue;
      const instance: unknown = wrapper.instance;
      if (!wrapper.isDependencyTreeStatic() || wrapper.isTransient) {
        problems.push(
          `${String(wrapper.name)} carries @Instrumentation, and it, or something it injects, is request-scoped or ` +
            'transient. An instrumentation watches all jobs: make it a singleton.',
        );
      } else if (typeof instance === 'object' && instance !== null) {
        this.engine.instrument(instance as OqronInstrumentation);
      }
    }
    if (problems.length > 0) throw new InvalidOptionsError('OqronModule', problems);
  }
}
