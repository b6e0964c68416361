import { Injectable } from '@nestjs/common';
import { DiscoveryService, MetadataScanner } from '@nestjs/core';
import { InvalidOptionsError } from '../kernel/errors/index.js';
import type { Handler } from '../kernel/runtime/consumer.js';
import type { Definition } from '../engine/definition.js';
import { queueDefinition } from '../modules/queue/index.js';
import { workerDefinition } from '../modules/worker/index.js';
import { classMetadata, handlerMetadata, type ConsumerMetadata } from './decorators/handler.metadata.js';
import { handlersByName, type NamedMethod } from './named-methods.js';
import { duplicateHandler, handlersWithoutWorker, scopedHandler } from './oqron.messages.js';

/** A decorated class or method of a provider or controller, ready to be defined. */
export interface DiscoveredHandler {
  readonly definition: Definition;
  /** `Class.method`; of a class with `@Worker`, `Class`. */
  readonly place: string;
}

type Instance = Record<string, (...args: unknown[]) => unknown>;
type Wrapper = ReturnType<DiscoveryService['getProviders']>[number];

/** Finds the methods that carry `@Queue` or `@Worker`, and the classes that carry `@Worker`, inherited ones included. */
@Injectable()
export class OqronExplorer {
  constructor(
    private readonly discovery: DiscoveryService,
    private readonly scanner: MetadataScanner,
  ) {}

  /** @throws InvalidOptionsError with every problem at once */
  explore(): DiscoveredHandler[] {
    const findings = new Findings();
    const seen = new Set<object>();
    for (const wrapper of [...this.discovery.getProviders(), ...this.discovery.getControllers()]) {
      const instance = wrapper.instance as Instance | undefined;
      if (!instance || typeof instance !== 'object' || wrapper.isAlias || seen.has(instance)) continue;
      const prototype = Object.getPrototypeOf(instance) as object | null;
      if (!prototype) continue;
      seen.add(instance);
      this.exploreInstance(wrapper, instance, prototype, findings);
    }
    if (findings.problems.length > 0) throw new InvalidOptionsError('OqronModule', findings.problems);
    return findings.found;
  }

  private exploreInstance(wrapper: Wrapper, instance: Instance, prototype: object, findings: Findings): void {
    const nameOfClass = (): string =>
      wrapper.metatype && !wrapper.inject ? wrapper.metatype.name : instance.constructor.name;
    const scoped = (): boolean => !wrapper.isDependencyTreeStatic() || wrapper.isTransient;
    const named: NamedMethod[] = [];
    for (const method of this.scanner.getAllMethodNames(prototype)) {
      const run = instance[method];
      const metadata = run && handlerMetadata(run);
      if (!metadata) continue;
      const place = `${nameOfClass()}.${method}`;
      const handler: Handler = (ctx) => run.call(instance, ctx.data, ctx);
      if (metadata.kind === 'handler') named.push({ place, metadata, run: handler });
      else if (scoped()) findings.problems.push(scopedHandler(place));
      else findings.add(place, () => define(metadata, { handler }));
    }
    const worker = classMetadata(prototype);
    if (!worker) {
      const places = named.map(({ place }) => place);
      if (places.length > 0) findings.problems.push(handlersWithoutWorker(nameOfClass(), places));
      return;
    }
    const place = nameOfClass();
    if (scoped()) findings.problems.push(scopedHandler(place));
    const { handlers, problems } = handlersByName(place, worker, named);
    findings.problems.push(...problems);
    findings.add(place, () => define(worker, { handlers }));
  }
}

/** What the walk found, and what is wrong with it. */
class Findings {
  readonly found: DiscoveredHandler[] = [];
  readonly problems: string[] = [];
  readonly #places = new Map<string, string>();

  add(place: string, make: () => Definition): void {
    try {
      const definition = make();
      const key = `${definition.kind} ${definition.name}`;
      const first = this.#places.get(key);
      if (first) this.problems.push(duplicateHandler(definition.kind, definition.name, first, place));
      this.#places.set(key, place);
      this.found.push({ definition, place });
    } catch (error) {
      if (!(error instanceof InvalidOptionsError)) throw error;
      this.problems.push(...error.problems.map((problem) => `${place}: ${problem}`));
    }
  }
}

type Handlers = { readonly handler: Handler } | { readonly handlers: Readonly<Record<string, Handler>> };

function define({ kind, target, options }: ConsumerMetadata, handlers: Handlers): Definition {
  if (kind === 'queue') {
    return typeof target === 'string'
      ? queueDefinition({ ...options, name: target, ...handlers })
      : queueDefinition(target, { ...options, ...handlers });
  }
  return typeof target === 'string'
    ? workerDefinition({ ...options, topic: target, ...handlers })
    : workerDefinition(target, { ...options, ...handlers });
}
