import { Module, type DynamicModule, type FactoryProvider } from '@nestjs/common';
import { InvalidOptionsError } from '../kernel/errors/index.js';
import type { Queue } from '../modules/queue/index.js';
import { forRootMissing } from './messages/lifecycle.messages.js';
import { OqronQueueRegistry } from './oqron-queue.registry.js';
import { getQueueToken, queueName, type QueueTarget } from './oqron.tokens.js';
import { FEATURE_QUEUES, injectedNames } from './queue-contracts.js';

/** The queues that `@InjectQueue` names, see {@link queuesOfDecorators}. */
@Module({})
export class OqronQueuesModule {}

/** The queues that one `forFeature` names. */
@Module({})
class OqronFeatureModule {}

/**
 * One object, so that every module that imports it imports the same one. Its lists are read when Nest scans it: by then
 * every class that is not loaded lazily has been decorated.
 */
export const queuesOfDecorators: DynamicModule = {
  module: OqronQueuesModule,
  get providers(): FactoryProvider[] {
    return injectedNames().map((name) => queueProvider(name, (registry) => registry.injectedQueue(name)));
  },
  get exports(): string[] {
    return injectedNames().map(getQueueToken);
  },
};

/** Provides and exports these queues. */
export function featureModule(queues: readonly QueueTarget[]): DynamicModule {
  const byName = new Map(queues.map((queue) => [queueName(queue), queue]));
  return {
    module: OqronFeatureModule,
    providers: [
      { provide: FEATURE_QUEUES, useValue: queues },
      ...[...byName.values()].map((queue) => queueProvider(queue, (registry) => registry.queue(queue))),
    ],
    exports: [...byName.keys()].map(getQueueToken),
  };
}

function queueProvider(
  target: QueueTarget,
  make: (registry: OqronQueueRegistry) => Queue | undefined,
): FactoryProvider<Queue | undefined> {
  return {
    provide: getQueueToken(target),
    inject: [{ token: OqronQueueRegistry, optional: true }],
    useFactory: (registry?: OqronQueueRegistry) => {
      if (!registry) throw new InvalidOptionsError('OqronModule', [forRootMissing(queueName(target))]);
      return make(registry);
    },
  };
}
