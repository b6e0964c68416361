import { Inject } from '@nestjs/common';
import { OqronEngine } from '../../engine/oqron-engine.js';
import type { PayloadOf, Queue, QueueContract, ResultOf } from '../../modules/queue/index.js';
import { getQueueToken, type QueueTarget } from '../oqron.tokens.js';
import type { Constructor } from './handler.metadata.js';

/** The producer of a contract: `@InjectQueue(VideoEncode) queue: QueueOf<typeof VideoEncode>`. @publicApi */
export type QueueOf<C> = Queue<PayloadOf<C>, ResultOf<C>>;

/**
 * Accepts a constructor that has a parameter which can hold the queue, and a property that can: injecting it as a
 * queue of another payload does not compile.
 */
export interface InjectQueueDecorator<T, R> {
  <C extends Constructor>(
    target: Queue<T, R> extends ConstructorParameters<C>[number] ? C : never,
    key: undefined,
    index: number,
  ): void;
  <P, K extends keyof P>(target: Queue<T, R> extends P[K] ? P : never, key: K): void;
}

/** Queues that some class injects. The module provides them when Nest reads it, which is after all classes exist. */
const injected = new Map<string, QueueTarget>();

/** What the modules have to provide. */
export function injectedQueues(): ReadonlyMap<string, QueueTarget> {
  return injected;
}

/**
 * Parameter and property decorator: injects the producer of a queue, anywhere in the application.
 *
 * @example
 * constructor(@InjectQueue(VideoEncode) private readonly videos: QueueOf<typeof VideoEncode>) {}
 * @publicApi
 */
export function InjectQueue<T, R>(contract: QueueContract<T, R>): InjectQueueDecorator<T, R>;
export function InjectQueue(name: string): ParameterDecorator & PropertyDecorator;
export function InjectQueue(target: QueueTarget): ParameterDecorator & PropertyDecorator {
  const token = getQueueToken(target);
  // A contract says more than a name; whoever injects by name gets the same queue.
  if (typeof target !== 'string' || !injected.has(token)) injected.set(token, target);
  return Inject(token);
}

/** Injects the `OqronEngine`. @publicApi */
export const InjectOqron = (): ParameterDecorator & PropertyDecorator => Inject(OqronEngine);
