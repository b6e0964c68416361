import 'reflect-metadata';
import type { QueueContract } from '../../modules/queue/index.js';
import { decoratedTwice } from '../oqron.messages.js';

const KEY = 'oqron:handler';

/** What `@Queue` or `@Worker` left on a method. */
export interface HandlerMetadata {
  readonly kind: 'queue' | 'worker';
  readonly target: string | QueueContract;
  readonly options: object;
}

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
  return (target, key, descriptor) => {
    const method = descriptor.value as object;
    if (Reflect.hasOwnMetadata(KEY, method)) {
      throw new TypeError(decoratedTwice(`${target.constructor.name}.${String(key)}`));
    }
    Reflect.defineMetadata(KEY, metadata, method);
  };
}

export function handlerMetadata(method: object): HandlerMetadata | undefined {
  return Reflect.getMetadata(KEY, method) as HandlerMetadata | undefined;
}
