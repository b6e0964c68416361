import 'reflect-metadata';
import { isDeepStrictEqual } from 'node:util';
import { MetadataScanner } from '@nestjs/core';
import { isContract, type QueueContract } from '../modules/queue/index.js';
import { classMetadata, handlerMetadata, type HandlerMetadata } from './decorators/handler.metadata.js';
import { methodOf } from './discovery/hosts.js';
import { queueName, type QueueTarget } from './oqron.tokens.js';

const KEY = 'oqron:injected-queues';

/** Marks the value provider with what a `forFeature` was given. */
export const FEATURE_QUEUES = Symbol('OqronFeatureQueues');

/**
 * What any class of this process injects, by name. Modules provide these names, because Nest reads them before a class
 * says where it belongs. Which contract stands for a name is decided in each application.
 */
const injected = new Map<string, QueueTarget>();

/** Notes that a class injects a queue. */
export function noteInjection(type: object, target: QueueTarget): void {
  const name = queueName(target);
  if (typeof target !== 'string' || !injected.has(name)) injected.set(name, target);
  Reflect.defineMetadata(KEY, [...injectionsOf(type), target], type);
}

/** What a class, or one above it, injects. */
export function injectionsOf(type: object): readonly QueueTarget[] {
  return (Reflect.getMetadata(KEY, type) as QueueTarget[] | undefined) ?? [];
}

/** The contracts whose jobs a class, and its methods, run. */
export function handledContracts(type: object): QueueContract[] {
  const prototype = Reflect.get(type, 'prototype') as object | undefined;
  // An arrow function that makes a provider has none.
  if (!prototype) return [];
  const methods = new MetadataScanner().getAllMethodNames(prototype).map((name) => methodOf(prototype, name));
  return [classMetadata(prototype), ...methods.map((method) => method && handlerMetadata(method))]
    .map((metadata) => metadata && targetOf(metadata))
    .filter(isContract);
}

function targetOf(metadata: HandlerMetadata): QueueContract | string | undefined {
  return metadata.kind === 'handler' ? metadata.contract : metadata.target;
}

export function injectedNames(): string[] {
  return [...injected.keys()];
}

/** For classes that an application does not know yet when it makes its queues, such as middleware. */
export function injectedContract(name: string): QueueContract | undefined {
  const target = injected.get(name);
  return typeof target === 'string' ? undefined : target;
}

/** Made twice, in two files or by two calls, and still one: nobody can tell them apart. */
export function sameContract(one: QueueContract, other: QueueContract): boolean {
  return one === other || (one.name === other.name && isDeepStrictEqual(one.settings, other.settings));
}
