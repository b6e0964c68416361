import { Inject } from '@nestjs/common';
import { OqronEngine } from '../../engine/oqron-engine.js';
import type { PayloadOf, Queue, QueueContract, ResultOf } from '../../modules/queue/index.js';
import { getQueueToken, type QueueTarget } from '../oqron.tokens.js';
import { noteInjection } from '../queue-contracts.js';
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
  const inject = Inject(getQueueToken(target)) as (...place: [object, string | symbol | undefined, number?]) => void;
  return (place: object, key: string | symbol | undefined, index?: number) => {
    noteInjection(typeof place === 'function' ? place : place.constructor, target);
    inject(place, key, index);
  };
}

/** Injects the `OqronEngine`. @publicApi */
export const InjectOqron = (): ParameterDecorator & PropertyDecorator => Inject(OqronEngine);
