import type { QueueContract } from '../../modules/queue/index.js';
import type { WorkerOptions } from '../../modules/worker/index.js';
import {
  decorateClass,
  decorateMethod,
  type Constructor,
  type ConsumerMetadata,
  type HandlerDecorator,
} from './handler.metadata.js';

/** Options of `@Worker`. @publicApi */
export type WorkerDecoratorOptions<T = unknown, R = unknown> = Omit<
  WorkerOptions<T, R>,
  'topic' | 'handler' | 'handlers'
>;

/** On a method, which has to take this payload and answer this result; or on a class, whose methods carry `@Handler`. */
export interface WorkerDecorator<T, R> extends HandlerDecorator<T, R> {
  (target: Constructor): void;
}

/**
 * Method or class decorator: a consumer of a topic. A method gets the payload and the context; what it returns is the
 * job's result. On a class, the methods with `@Handler` run the jobs, each those of its name.
 *
 * @example
 * @Worker(VideoEncode, { concurrency: 2 })
 * async encode(video: VideoMetadata, ctx: JobContext<VideoMetadata>): Promise<string> {}
 * @publicApi
 */
export function Worker<T, R>(
  contract: QueueContract<T, R>,
  options?: WorkerDecoratorOptions<T, R>,
): WorkerDecorator<T, R>;
export function Worker(
  topic: string | (WorkerDecoratorOptions & { topic: string }),
  options?: WorkerDecoratorOptions,
): WorkerDecorator<never, unknown>;
export function Worker(
  target: QueueContract | string | (WorkerDecoratorOptions & { topic: string }),
  options: object = {},
): WorkerDecorator<never, unknown> {
  if (typeof target === 'object' && 'topic' in target) {
    const { topic, ...own } = target;
    return workerDecorator({ kind: 'worker', target: topic, options: { ...own, ...options } });
  }
  return workerDecorator({ kind: 'worker', target, options });
}

function workerDecorator(metadata: ConsumerMetadata): WorkerDecorator<never, unknown> {
  return (...args: [type: Constructor] | [target: object, key: string | symbol, descriptor: PropertyDescriptor]) => {
    if (args.length === 1) decorateClass(metadata, args[0]);
    else decorateMethod(metadata, ...args);
  };
}
