import { Injectable } from '@nestjs/common';
import { DiscoveryService, MetadataScanner } from '@nestjs/core';
import { InvalidOptionsError } from '../kernel/errors/index.js';
import type { Handler } from '../kernel/runtime/consumer.js';
import type { Definition } from '../engine/definition.js';
import { queueDefinition } from '../modules/queue/index.js';
import { workerDefinition } from '../modules/worker/index.js';
import { handlerMetadata, type HandlerMetadata } from './decorators/handler.metadata.js';
import { duplicateHandler, scopedHandler } from './oqron.messages.js';

/** A decorated method of a provider or controller, ready to be defined. */
export interface DiscoveredHandler {
  readonly definition: Definition;
  /** `Class.method`. */
  readonly place: string;
}

type Instance = Record<string, (...args: unknown[]) => unknown>;

/** Finds the methods that carry `@Queue` or `@Worker`, inherited ones included. */
@Injectable()
export class OqronExplorer {
  constructor(
    private readonly discovery: DiscoveryService,
    private readonly scanner: MetadataScanner,
  ) {}

  /** @throws InvalidOptionsError with every problem at once */
  explore(): DiscoveredHandler[] {
    const found: DiscoveredHandler[] = [];
    const problems: string[] = [];
    const places = new Map<string, string>();
    const seen = new Set<object>();
    for (const wrapper of [...this.discovery.getProviders(), ...this.discovery.getControllers()]) {
      const instance = wrapper.instance as Instance | undefined;
      if (!instance || typeof instance !== 'object' || wrapper.isAlias || seen.has(instance)) continue;
      const prototype = Object.getPrototypeOf(instance) as object | null;
      if (!prototype) continue;
      seen.add(instance);
      for (const method of this.scanner.getAllMethodNames(prototype)) {
        const run = instance[method];
        const metadata = run && handlerMetadata(run);
        if (!metadata) continue;
        const host = wrapper.metatype && !wrapper.inject ? wrapper.metatype.name : instance.constructor.name;
        const place = `${host}.${method}`;
        if (!wrapper.isDependencyTreeStatic() || wrapper.isTransient) {
          problems.push(scopedHandler(place));
          continue;
        }
        try {
          const definition = define(metadata, (ctx) => run.call(instance, ctx.data, ctx));
          const key = `${definition.kind} ${definition.name}`;
          const first = places.get(key);
          if (first) problems.push(duplicateHandler(definition.kind, definition.name, first, place));
          places.set(key, place);
          found.push({ definition, place });
        } catch (error) {
          if (!(error instanceof InvalidOptionsError)) throw error;
          problems.push(...error.problems.map((problem) => `${place}: ${problem}`));
        }
      }
    }
    if (problems.length > 0) throw new InvalidOptionsError('OqronModule', problems);
    return found;
  }
}

function define({ kind, target, options }: HandlerMetadata, handler: Handler): Definition {
  if (kind === 'queue') {
    return typeof target === 'string'
      ? queueDefinition({ ...options, name: target, handler })
      : queueDefinition(target, { ...options, handler });
  }
  return typeof target === 'string'
    ? workerDefinition({ ...options, topic: target, handler })
    : workerDefinition(target, { ...options, handler });
}
