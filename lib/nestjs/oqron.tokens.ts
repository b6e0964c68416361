import type { QueueContract } from '../modules/queue/index.js';

/** What `@InjectQueue`, `forFeature` and `getQueueToken` take. @publicApi */
export type QueueTarget = QueueContract | string;

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
 * The `Clock` of the engine. Override it in tests; inject it where code of yours should keep the same time.
 *
 * @example
 * Test.createTestingModule({ imports: [AppModule] }).overrideProvider(OQRON_CLOCK).useValue(new VirtualClock());
 * @publicApi
 */
export const OQRON_CLOCK = 'OQRON_CLOCK';

/** The `Random` of the engine: ids and jitter. Override it in tests. @publicApi */
export const OQRON_RANDOM = 'OQRON_RANDOM';

/**
 * The store: `null`, the default, means the one that the options name. A `Backend` that is given here is used whatever
 * they name, and is not closed by the engine; applications that are given one backend share its jobs.
 *
 * @example
 * Test.createTestingModule({ imports: [AppModule] }).overrideProvider(OQRON_BACKEND).useValue(createMemoryBackend());
 * @publicApi
 */
export const OQRON_BACKEND = 'OQRON_BACKEND';

/**
 * Options that go over those of `forRoot`, which keep what is not named here: an empty object unless a test overrides it.
 * @publicApi
 */
export const OQRON_OPTION_OVERRIDES = 'OQRON_OPTION_OVERRIDES';

export function queueName(queue: { readonly name: string } | string): string {
  return typeof queue === 'string' ? queue : queue.name;
}
