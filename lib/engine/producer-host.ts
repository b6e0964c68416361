import { EngineStateError } from '../kernel/errors/index.js';
import type { QueueDefinition, QueueHost } from '../modules/queue/index.js';
import type { ResolvedConfig } from './config.js';
import type { EngineRuntime } from './engine-runtime.js';
import { producerPlan } from './plans.js';

/** The engine behind a producer. */
export interface ProducerHome {
  readonly config: ResolvedConfig;
  readonly runtime: EngineRuntime;
  newId(): string;
  /** Connects, and records what the definition says of its queue. Asked again after it has failed. */
  ready(definition: QueueDefinition): Promise<void>;
  stopped(): boolean;
}

/** What the producer side of a definition works with. The function throws once the engine has stopped. */
export function producerHost(definition: QueueDefinition, home: ProducerHome): () => QueueHost {
  const { name } = definition;
  const { config, runtime: rt } = home;
  let ready: Promise<void> | undefined;
  const forget = (error: unknown): never => {
    ready = undefined;
    throw error;
  };
  const host: QueueHost = {
    plan: producerPlan(definition, config),
    home: config,
    ...rt.producerParts(name),
    events: rt.events,
    newId: home.newId,
    ready: () => (ready ??= home.ready(definition).catch(forget)),
    call: (where, send) => rt.lane(name).run(`${where} (queue "${name}")`, send),
  };
  return () => {
    if (home.stopped()) throw new EngineStateError(`Queue (queue "${name}")`, 'the engine has been stopped');
    return host;
  };
}
