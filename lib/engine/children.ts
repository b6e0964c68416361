import type { JobTarget } from '../kernel/job/job-target.js';
import type { AddChild } from '../kernel/runtime/child-jobs.js';
import type { Queue, QueueContract } from '../modules/queue/index.js';

/** Producers that are kept; names of queues may come from data. */
const MAX_PRODUCERS = 1_000;

/** How running jobs add others. A producer that was made once is kept: what it says of its queue is recorded once. */
export function childAdder(producer: (target: string | QueueContract) => Queue): AddChild {
  const producers = new Map<string | JobTarget, Queue>();
  return async (target, data, options, lineage) => {
    let queue = producers.get(target);
    if (!queue) {
      queue = producer(target as string | QueueContract);
      if (producers.size >= MAX_PRODUCERS) producers.clear();
      producers.set(target, queue);
    }
    return queue.addFrom(lineage, undefined, data, options);
  };
}
