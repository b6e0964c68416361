import type { QueueContract } from '../../modules/queue/index.js';
import type { WorkerOptions } from '../../modules/worker/index.js';
import type { HandlerDecorator } from './handler-method.js';
import {
  consumerMetadata,
  decorateClass,
  decorateMethod,
  type Constructor,
  type ConsumerMetadata,
} from './handler.metadata.js';
import type { OptionsDependencies, OptionsOrFactory } from './options-factory.js';

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
 * job's result. On a class, the methods with `@Handler` run the jobs, each those of its name. The options, or all of it
 * with the topic, may come from dependency injection.
 *
 * @example
 * @Worker(VideoEncode, { concurrency: 2 })
 * async encode(video: VideoMetadata, ctx: JobContext<VideoMetadata>): Promise<string> {}
 *
 * @Worker(VideoEncode, { inject: [Settings], useFactory: (settings) => ({ concurrency: settings.encoders }) })
 * async encode(video: VideoMetadata): Promise<string> {}
 * @publicApi
 */
export function Worker<T, R, const I extends OptionsDependencies = []>(
  contract: QueueContract<T, R>,
  options?: OptionsOrFactory<WorkerDecoratorOptions<T, R>, I>,
): WorkerDecorator<T, R>;
export function Worker<const I extends OptionsDependencies = []>(
  topic: string,
  options?: OptionsOrFactory<WorkerDecoratorOptions, I>,
): WorkerDecorator<never, unknown>;
export function Worker<const I extends OptionsDependencies = []>(
  options: OptionsOrFactory<WorkerDecoratorOptions & { topic: string }, I>,
): WorkerDecorator<never, unknown>;
export function Worker(target: QueueContract | string | object, options: object = {}): WorkerDecorator<never, unknown> {
  return workerDecorator(consumerMetadata('worker', target, options));
}

function workerDecorator(metadata: ConsumerMetadata): WorkerDecorator<never, unknown> {
  return (...args: [type: Constructor] | [target: object, key: string | symbol, descriptor: PropertyDescriptor]) => {
    if (args.length === 1) decorateClass(metadata, args[0]);
    else decorateMethod(metadata, ...args);
  };
}
