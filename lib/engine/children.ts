import type { JobTarget } from '../kernel/job/job-target.js';
import type { AddChild } from '../kernel/runtime/child-jobs.js';
import type { Queue, QueueContract } from '../modules/queue/index.js';
import type { Definition } from './definition.js';

/** Producers that are kept; names of queues may come from data. */
const MAX_PRODUCERS = 1_000;

/** A name, a contract, or what this process defines of the name. */
export type ChildTarget = string | QueueContract | Definition;

/**
 * How running jobs add others. A queue that is defined here is meant as it is defined, codec included, by its bare name
 * too. A producer that was made once is kept: what it says of its queue is recorded once.
 */
export function childAdder(
  producer: (target: ChildTarget) => Queue,
  definitionOf: (name: string) => Definition | undefined,
): AddChild {
  const producers = new Map<string | JobTarget | Definition, Queue>();
  return async (target, data, options, lineage) => {
    const key = typeof target === 'string' ? (definitionOf(target) ?? target) : target;
    let queue = producers.get(key);
    if (!queue) {
      queue = producer(key as ChildTarget);
      if (producers.size >= MAX_PRODUCERS) producers.clear();
      producers.set(key, queue);
    }
    return queue.addFrom(lineage, undefined, data, options);
  };
}
