import type { OqronEngine } from '../engine/oqron-engine.js';
import type { QueueInfo } from '../engine/manager/manager.types.js';

/** Jobs of one queue that wait for their turn or run. */
export interface Leftover {
  readonly queue: string;
  readonly text: string;
  /** Nothing here will ever take them: the queue stands still, or nobody consumes it in this engine. */
  readonly hopeless: boolean;
}

/** What waits for its turn or runs, queue by queue. Delayed jobs count once they are due. */
export async function leftovers(engine: OqronEngine, now: number): Promise<Leftover[]> {
  const found: Leftover[] = [];
  let after: string | undefined;
  do {
    const page = await engine.manager.listQueues({ limit: 1_000, ...(after === undefined ? {} : { after }) });
    for (const info of page.queues) {
      const due = info.counts.delayed > 0 ? await dueOf(engine, info.name, now) : 0;
      const waiting = info.counts.waiting + due;
      if (waiting + info.counts.active > 0) found.push(leftover(info, waiting));
    }
    after = page.after;
  } while (after !== undefined);
  return found;
}

/** Due jobs are moved by whoever claims next; where nobody does they are late. */
async function dueOf(engine: OqronEngine, queue: string, now: number): Promise<number> {
  const { jobs } = await engine.producer(queue).getJobs({ status: 'delayed', limit: 1 });
  return jobs.some(({ runAt }) => runAt <= now) ? 1 : 0;
}

function leftover(info: QueueInfo, waiting: number): Leftover {
  const { name: queue, counts, paused, disabled } = info;
  const why = standsStill(info);
  const state = [
    ...(waiting > 0 ? [`${waiting} waiting`] : []),
    ...(counts.active > 0 ? [`${counts.active} active`] : []),
  ].join(', ');
  const reason = waiting > 0 && why !== undefined ? ` (${why})` : '';
  const idle = counts.active === 0 && (paused || disabled || why !== undefined);
  return { queue, text: `queue "${queue}": ${state}${reason}`, hopeless: idle };
}

/** Why this engine takes no job of the queue, if it takes none. */
export function standsStill(
  info: Pick<QueueInfo, 'paused' | 'disabled' | 'definitions'> | undefined,
): string | undefined {
  if (info?.paused) return 'the queue is paused';
  if (info?.disabled) return 'the queue is disabled';
  const definitions = info?.definitions ?? [];
  if (definitions.some(({ active }) => active)) return undefined;
  const reasons = definitions.flatMap(({ kind, reason }) => (reason === undefined ? [] : [`${kind}: ${reason}`]));
  return `nothing in this engine consumes it${reasons.length > 0 ? `; ${reasons.join('; ')}` : ''}`;
}
