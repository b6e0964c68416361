import 'reflect-metadata';
import { isContract, type QueueContract } from '../../modules/queue/index.js';
import { classDecoratedTwice, decoratedTwice, notAMethod } from '../oqron.messages.js';
import type { HandlerDecorator } from './handler-method.js';

const KEY = 'oqron:handler';

/** What `@Queue` or `@Worker` left on a method, or `@Worker` on a class. */
export interface ConsumerMetadata {
  readonly kind: 'queue' | 'worker';
  /** Missing: the options have its name. */
  readonly target: string | QueueContract | undefined;
  /** As they are, or an `OptionsFactory`. */
  readonly options: object;
}

/** What `@Handler` left on a method. */
export interface NamedMetadata {
  readonly kind: 'handler';
  /** The job name. */
  readonly name: string;
  /** What types the method; its queue has to be the one of the class. */
  readonly contract: QueueContract | undefined;
}

export type HandlerMetadata = ConsumerMetadata | NamedMetadata;

/** Any class, abstract ones and those with parameters included. */
export type Constructor = abstract new (...args: never[]) => unknown;

/** @param target a contract, a name, or options that have the name */
export function consumerMetadata(
  kind: ConsumerMetadata['kind'],
  target: QueueContract | string | object,
  options: object,
): ConsumerMetadata {
  return typeof target === 'string' || isContract(target)
    ? { kind, target, options }
    : { kind, target: undefined, options: target };
}

export function handlerDecorator<T, R>(metadata: HandlerMetadata): HandlerDecorator<T, R> {
  return (target, key, descriptor) => decorateMethod(metadata, target, key, descriptor);
}

/**
 * The function that a method decorator stands on.
 *
 * @throws TypeError for what the explorer would pass over without a word: static methods, getters, symbols
 */
export function decoratedMethod(
  target: object,
  key: string | symbol,
  descriptor: PropertyDescriptor | undefined,
): object {
  const isStatic = typeof target === 'function';
  const method: unknown = descriptor?.value;
  if (typeof method === 'function' && typeof key === 'string' && !isStatic) return method;
  const type = (isStatic ? target : target.constructor) as Constructor;
  throw new TypeError(notAMethod(`${type.name}.${String(key)}`));
}

export function decorateMethod(
  metadata: HandlerMetadata,
  target: object,
  key: string | symbol,
  descriptor: PropertyDescriptor,
): void {
  const method = decoratedMethod(target, key, descriptor);
  if (Reflect.hasOwnMetadata(KEY, method)) {
    throw new TypeError(decoratedTwice(`${target.constructor.name}.${String(key)}`));
  }
  Reflect.defineMetadata(KEY, metadata, method);
}

export function decorateClass(metadata: ConsumerMetadata, target: Constructor): void {
  if (Reflect.hasOwnMetadata(KEY, target)) throw new TypeError(classDecoratedTwice(target.name));
  Reflect.defineMetadata(KEY, metadata, target);
}

export function handlerMetadata(method: object): HandlerMetadata | undefined {
  return Reflect.getMetadata(KEY, method) as HandlerMetadata | undefined;
}

/** What `@Worker` says of the class with this prototype, or of the nearest class above it. */
export function classMetadata(prototype: object): ConsumerMetadata | undefined {
  const type: unknown = prototype.constructor;
  return typeof type === 'function' ? (Reflect.getMetadata(KEY, type) as ConsumerMetadata | undefined) : undefined;
}
