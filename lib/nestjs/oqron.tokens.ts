import type { QueueContract } from '../modules/queue/index.js';

/** What {@link InjectQueue} and `overrideProvider` take. @publicApi */
export type QueueTarget = QueueContract<unknown, unknown> | string;

/**
 * The injection token of a queue, readable in Nest's messages.
 *
 * @example
 * Test.createTestingModule({ imports: [AppModule] }).overrideProvider(getQueueToken('mail')).useValue(fake);
 * @publicApi
 */
export function getQueueToken(queue: { readonly name: string } | string): string {
  return `OqronQueue_${queueName(queue)}`;
}

/**
 * Parts of the engine that tests replace (clock, randomness, backend): override this provider.
 * @publicApi
 */
export const OQRON_ENGINE_PARTS = 'OQRON_ENGINE_PARTS';

function queueName(queue: { readonly name: string } | string): string {
  return typeof queue === 'string' ? queue : queue.name;
}
