import type { QueueContract, QueueOptions } from '../../modules/queue/index.js';
import { handlerDecorator, type HandlerDecorator } from './handler.metadata.js';

/** Options of `@Queue`. @publicApi */
export type QueueDecoratorOptions<T = unknown, R = unknown> = Omit<QueueOptions<T, R>, 'name' | 'handler' | 'handlers'>;

/**
 * Method decorator: a queue and its handler in one place. The method gets the payload and the context; what it returns
 * is the job's result.
 *
 * @example
 * @Queue(VideoEncode, { concurrency: 2 })
 * async encode(video: VideoMetadata, ctx: JobContext<VideoMetadata>): Promise<string> {}
 * @publicApi
 */
export function Queue<T, R>(
  contract: QueueContract<T, R>,
  options?: QueueDecoratorOptions<T, R>,
): HandlerDecorator<T, R>;
export function Queue(name: string, options?: QueueDecoratorOptions): HandlerDecorator<never, unknown>;
export function Queue(target: QueueContract | string, options: object = {}): HandlerDecorator<never, unknown> {
  return handlerDecorator({ kind: 'queue', target, options });
}
