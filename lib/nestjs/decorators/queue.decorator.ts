import type { QueueContract, QueueOptions } from '../../modules/queue/index.js';
import type { HandlerDecorator } from './handler-method.js';
import { consumerMetadata, handlerDecorator } from './handler.metadata.js';
import type { OptionsDependencies, OptionsFactory, OptionsOrFactory } from './options-factory.js';

/** Options of `@Queue`. @publicApi */
export type QueueDecoratorOptions<T = unknown, R = unknown> = Omit<QueueOptions<T, R>, 'name' | 'handler' | 'handlers'>;

/**
 * Method decorator: a queue and its handler in one place. The method gets the payload and the context; what it returns
 * is the job's result. The options, or with a name also all of it, may come from dependency injection.
 *
 * @example
 * @Queue(VideoEncode, { concurrency: 2 })
 * async encode(video: VideoMetadata, ctx: JobContext<VideoMetadata>): Promise<string> {}
 *
 * @Queue({ inject: [Settings], useFactory: (settings) => ({ name: settings.queue }) })
 * run(data: unknown): void {}
 * @publicApi
 */
export function Queue<T, R, const I extends OptionsDependencies = []>(
  contract: QueueContract<T, R>,
  options?: OptionsOrFactory<QueueDecoratorOptions<T, R>, I>,
): HandlerDecorator<T, R>;
export function Queue<const I extends OptionsDependencies = []>(
  name: string,
  options?: OptionsOrFactory<QueueDecoratorOptions, I>,
): HandlerDecorator<never, unknown>;
export function Queue<const I extends OptionsDependencies = []>(
  options: OptionsFactory<QueueDecoratorOptions & { name: string }, I>,
): HandlerDecorator<never, unknown>;
export function Queue(target: QueueContract | string | object, options: object = {}): HandlerDecorator<never, unknown> {
  return handlerDecorator(consumerMetadata('queue', target, options));
}
