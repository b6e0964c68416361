import type { Definition } from '../../engine/definition.js';
import type { Handler } from '../../kernel/runtime/consumer.js';
import { queueDefinition, type QueueContract } from '../../modules/queue/index.js';
import { workerDefinition } from '../../modules/worker/index.js';
import type { ConsumerMetadata } from '../decorators/handler.metadata.js';
import { handlersByName, type NamedMethod } from '../named-methods.js';
import { targetMissing } from '../oqron.messages.js';
import type { Place } from './hosts.js';
import { resolveOptions } from './resolve-options.js';

/** What a definition becomes of what was found, or what is wrong with it. */
export interface ConsumerPlan {
  readonly place: Place;
  readonly problems: readonly string[];
  /** What it serves, where that is known though something else is wrong. */
  readonly serves?: { readonly kind: ConsumerMetadata['kind']; readonly name: string };
  /** Missing when there is nothing to make. Throws when the options are not valid. */
  readonly make?: () => Definition;
}

/**
 * A method with `@Queue` or `@Worker`, or a class with `@Worker`: its options, and with them its queue.
 *
 * @param handlers of a method, what calls it; of a class, its methods with `@Handler`
 */
export async function planConsumer(
  place: Place,
  metadata: ConsumerMetadata,
  handlers: Handler | readonly NamedMethod[],
): Promise<ConsumerPlan> {
  const { kind } = metadata;
  const decorator = kind === 'queue' ? '@Queue' : '@Worker';
  const { options, problems } = await resolveOptions(place, decorator, metadata.options);
  const target = metadata.target ?? (options && nameIn(kind, options));
  if (target === undefined) {
    if (problems) return { place, problems };
    return { place, problems: [targetMissing(place.name, decorator, kind === 'queue' ? 'name' : 'topic')] };
  }
  const name = typeof target === 'string' ? target : target.name;
  const serves = { kind, name };
  const named = typeof handlers === 'function' ? undefined : handlersByName(place.name, name, handlers);
  if (problems) return { place, problems: [...problems, ...(named?.problems ?? [])], serves };
  const runs = named ? { handlers: named.handlers } : { handler: handlers as Handler };
  const make = (): Definition => define(kind, target, { ...options, ...runs });
  return { place, problems: named?.problems ?? [], serves, make };
}

/** The queue of a decorator that was given options only. */
function nameIn(kind: ConsumerMetadata['kind'], options: { name?: unknown; topic?: unknown }): string | undefined {
  const name = kind === 'queue' ? options.name : options.topic;
  return typeof name === 'string' ? name : undefined;
}

function define(kind: ConsumerMetadata['kind'], target: string | QueueContract, options: object): Definition {
  if (kind === 'queue') {
    return typeof target === 'string'
      ? queueDefinition({ ...options, name: target })
      : queueDefinition(target, options);
  }
  return typeof target === 'string'
    ? workerDefinition({ ...options, topic: target })
    : workerDefinition(target, options);
}
