import type { QueueContract } from '../../modules/queue/index.js';
import type { WorkerOptions } from '../../modules/worker/index.js';
import { handlerDecorator, type HandlerDecorator } from './handler.metadata.js';

/** Options of `@Worker`. @publicApi */
export type WorkerDecoratorOptions<T = unknown, R = unknown> = Omit<
  WorkerOptions<T, R>,
  'topic' | 'handler' | 'handlers'
>;

/**
 * Method decorator: a consumer of a topic. The method gets the payload and the context; what it returns is the job's
 * result.
 *
 * @example
 * @Worker(VideoEncode, { concurrency: 2 })
 * async encode(video: VideoMetadata, ctx: JobContext<VideoMetadata>): Promise<string> {}
 * @publicApi
 */
export function Worker<T, R>(
  contract: QueueContract<T, R>,
  options?: WorkerDecoratorOptions<T, R>,
): HandlerDecorator<T, R>;
export function Worker(
  topic: string | (WorkerDecoratorOptions & { topic: string }),
  options?: WorkerDecoratorOptions,
): HandlerDecorator<never, unknown>;
export function Worker(
  target: QueueContract | string | (WorkerDecoratorOptions & { topic: string }),
  options: object = {},
): HandlerDecorator<never, unknown> {
  if (typeof target === 'object' && 'topic' in target) {
    const { topic, ...own } = target;
    return handlerDecorator({ kind: 'worker', target: topic, options: { ...own, ...options } });
  }
  return handlerDecorator({ kind: 'worker', target, options });
}
