import { Queue, queueDefinition, type QueueContract, type QueueOptions } from '../modules/queue/index.js';
import { workerDefinition, type Worker, type WorkerOptions } from '../modules/worker/index.js';
import { OqronKit } from './oqronkit.js';

/**
 * Defines a queue of the default engine. With `handler` it consumes; without, it only publishes and costs nothing.
 *
 * @throws InvalidOptionsError naming every bad option
 * @example
 * export const videoEncodeQueue = queue<VideoMetadata, string>({ name: 'video-encode-topic' });
 * @publicApi
 */
export function queue<T = unknown, R = unknown>(options: QueueOptions<T, R>): Queue<T, R>;
export function queue<T, R>(
  contract: QueueContract<T, R>,
  options?: Omit<QueueOptions<NoInfer<T>, NoInfer<R>>, 'name'>,
): Queue<T, R>;
export function queue<T, R>(
  target: QueueOptions<T, R> | QueueContract<T, R>,
  options?: Omit<QueueOptions<T, R>, 'name'>,
): Queue<T, R> {
  const definition = queueDefinition(target, options);
  OqronKit.define(definition);
  return new Queue<T, R>(definition.name, OqronKit.host(definition));
}

/**
 * Defines a consumer of a topic in the default engine. It has no `add`.
 *
 * @throws InvalidOptionsError naming every bad option
 * @example
 * worker<VideoMetadata, string>({ topic: 'video-encode-topic', concurrency: 2, handler: (ctx) => encode(ctx.data) });
 * @publicApi
 */
export function worker<T = unknown, R = unknown>(options: WorkerOptions<T, R>): Worker;
export function worker<T, R>(
  contract: QueueContract<T, R>,
  options: Omit<WorkerOptions<NoInfer<T>, NoInfer<R>>, 'topic'>,
): Worker;
export function worker<T, R>(
  target: WorkerOptions<T, R> | QueueContract<T, R>,
  options?: Omit<WorkerOptions<T, R>, 'topic'>,
): Worker {
  const definition = workerDefinition(target, options);
  OqronKit.define(definition);
  return { topic: definition.name };
}
