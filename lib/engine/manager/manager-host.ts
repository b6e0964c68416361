import { InvalidOptionsError, QueueNotFoundError } from '../../kernel/errors/index.js';
import type { EventBus } from '../../kernel/events.js';
import { idProblem, nameProblem } from '../../kernel/job/ids.js';
import { MAX_BATCH_ITEMS } from '../../kernel/job/limits.js';
import type { StoredJob } from '../../kernel/job/stored-job.js';
import type { CallId, JobStore } from '../../kernel/ports/job-store.js';
import type { JobHandle, Queue, QueueHost } from '../../modules/queue/index.js';
import type { EngineHealth } from '../health.js';
import type { ModuleName, SelectedModule } from '../modules.js';
import type { DefinitionStatus } from '../registry.js';

/** What an engine lends its manager. */
export interface ManagerHost {
  readonly owner: string;
  readonly project: string;
  readonly environment: string;
  readonly mode: string;
  readonly modules: ReadonlyMap<ModuleName, SelectedModule>;
  readonly store: JobStore;
  readonly events: EventBus;
  newId(): string;
  /** Resolves when the store can be called. Rejects once the engine was stopped. */
  ready(where: string): Promise<void>;
  /** The handle of a queue. A payload that this process cannot decode is given as its text. */
  queue(name: string): Queue;
  /** What such a handle works with. */
  queueHost(name: string): QueueHost;
  /** Makes of jobs of this queue that were read what its handle would answer. */
  handles(queue: string): (job: StoredJob, created?: boolean) => JobHandle;
  /** Sends a call about this queue, again if its reply is lost. */
  call<T>(where: string, queue: string, send: (call: CallId) => Promise<T>): Promise<T>;
  definitions(): DefinitionStatus[];
  /** Names of the queues that definitions of this kind have handlers for. */
  consumed(kind: ModuleName): string[];
  /** Modules that were switched off here: definitions that join later are switched off too. */
  readonly disabledModules: Set<ModuleName>;
  health(): EngineHealth;
  uptimeMs(): number;
  /** The clock of this process: wall time, and what never goes back (ms). */
  now(): number;
  monotonic(): number;
}

/** Connects, and refuses a queue that nobody knows. */
export async function knownQueue(host: ManagerHost, where: string, queue: string): Promise<void> {
  const problem = nameProblem(queue);
  if (problem !== undefined) throw new InvalidOptionsError(where, [problem]);
  await host.ready(where);
  if (host.definitions().some(({ name }) => name === queue)) return;
  if (!(await host.store.admin.record(queue))) throw new QueueNotFoundError(where, queue);
}

export function checkId(where: string, id: string): void {
  const problem = idProblem(id);
  if (problem !== undefined) throw new InvalidOptionsError(where, [problem]);
}

/** A page size. */
export function checkLimit(where: string, limit: number, max = MAX_BATCH_ITEMS): number {
  if (Number.isInteger(limit) && limit >= 1 && limit <= max) return limit;
  throw new InvalidOptionsError(where, [`limit: expected a whole number from 1 to ${max}`]);
}
