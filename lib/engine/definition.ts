import type { QueueDeclaration } from '../kernel/ports/job-admin.js';
import type { QueueDefinition } from '../modules/queue/index.js';
import type { WorkerDefinition } from '../modules/worker/index.js';

/** Whatever an engine can be given to run. */
export type Definition = QueueDefinition | WorkerDefinition;

/** What a definition says of its queue that the store has to record. */
export function declarationOf({ settings }: Definition): QueueDeclaration {
  const { strategy, disabledBehavior, maxHeldJobs, version } = settings;
  const status = 'status' in settings ? settings.status : undefined;
  return {
    ...(strategy === undefined ? {} : { strategy }),
    ...(status === undefined ? {} : { paused: status === 'paused' }),
    ...(disabledBehavior === undefined ? {} : { disabledBehavior }),
    ...(maxHeldJobs === undefined ? {} : { maxHeldJobs }),
    ...(version === undefined ? {} : { version }),
  };
}
