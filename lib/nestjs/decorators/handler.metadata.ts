import 'reflect-metadata';
import type { QueueContract } from '../../modules/queue/index.js';
import { classDecoratedTwice, decoratedTwice } from '../oqron.messages.js';

const KEY = 'oqron:handler';

/** What `@Queue` or `@Worker` left on a method, or `@Worker` on a class. */
export interface ConsumerMetadata {
  readonly kind: 'queue' | 'worker';
  readonly target: string | QueueContract;
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

/** A method that runs jobs: payload first, then the context. */
export type HandlerMethod<T, R> = (
  data: T,
  ctx: import('../../kernel/runtime/job-context.js').JobContext<T>,
) => R | Promise<R>;

/** Accepts only methods that take this payload and answer this result. */
export type HandlerDecorator<T, R> = <M extends HandlerMethod<T, R>>(
  target: object,
  key: string | symbol,
  descriptor: TypedPropertyDescriptor<M>,
) => void;

export function handlerDecorator<T, R>(metadata: HandlerMetadata): HandlerDecorator<T, R> {
  return (target, key, descriptor) => decorateMethod(metadata, target, key, descriptor);
}

export function decorateMethod(
  metadata: HandlerMetadata,
  target: object,
  key: string | symbol,
  descriptor: PropertyDescriptor,
): void {
  const method = descriptor.value as object;
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
