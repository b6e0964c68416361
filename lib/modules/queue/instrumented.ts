import { ambient } from '../../kernel/async-context.js';
import type { EnqueuedJob } from '../../kernel/runtime/instrumentation.js';
import type { JobDraft, Lineage } from './new-job.js';
import type { QueueHost } from './queue-host.js';

/** Where a job comes from that is added here: without an id of its own it carries that of what it is added in. */
export function lineageHere({ instruments }: QueueHost, lineage?: Lineage): Lineage | undefined {
  if (instruments.asyncContext === false || lineage?.correlationId !== undefined) return lineage;
  const correlationId = ambient()?.correlationId;
  return correlationId === undefined ? lineage : { ...lineage, correlationId };
}

/** Tells the instrumentations of jobs that leave now; `send` gets them with what is to travel with them. */
export function sendTold<T>(
  { instruments, plan }: QueueHost,
  drafts: readonly JobDraft[],
  bulk: boolean,
  send: (drafts: readonly JobDraft[]) => Promise<T>,
): Promise<T> {
  const jobs = drafts.map(({ job }) => viewOf(plan.queue, job));
  return instruments.enqueue({ queueName: plan.queue, jobs, bulk }, (headers) =>
    send(
      drafts.map((draft, i) => {
        const own = headers[i];
        return own ? { ...draft, job: { ...draft.job, meta: { ...draft.job.meta, headers: own } } } : draft;
      }),
    ),
  );
}

function viewOf(queueName: string, { id, name, meta }: JobDraft['job']): EnqueuedJob {
  const { correlationId, parentId } = meta;
  return {
    queueName,
    id,
    name,
    ...(correlationId === undefined ? {} : { correlationId }),
    ...(parentId === undefined ? {} : { parentId }),
    headers: {},
  };
}
