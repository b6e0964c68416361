import type { QueueContract } from '../../modules/queue/index.js';
import type { HandlerDecorator } from './handler-method.js';
import { handlerDecorator } from './handler.metadata.js';

/**
 * Method decorator: runs the jobs of one name. Its class carries `@Worker`, which says of which queue. The method gets
 * the payload and the context; what it returns is the job's result. With the contract, payload and result are checked
 * against what the contract says of that name; with the name alone they are not.
 *
 * @example
 * @Worker(Mail)
 * export class Mailer {
 *   @Handler(Mail, 'welcome')
 *   async welcome(mail: Welcome, ctx: JobContext<Welcome>): Promise<void> {}
 * }
 * @publicApi
 */
export function Handler<T, R, N extends keyof T & string>(
  contract: QueueContract<T, R>,
  name: N,
): HandlerDecorator<T[N], R>;
export function Handler(name: string): HandlerDecorator<never, unknown>;
export function Handler(target: QueueContract | string, name?: string): HandlerDecorator<never, unknown> {
  return typeof target === 'string'
    ? handlerDecorator({ kind: 'handler', name: target, contract: undefined })
    : handlerDecorator({ kind: 'handler', name: name as string, contract: target });
}
