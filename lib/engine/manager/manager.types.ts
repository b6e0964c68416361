import type { JobStatus } from '../../kernel/job/states.js';
import type { JobCounts, QueueRecord, VerifyProblem } from '../../kernel/ports/job-admin.js';
import type { JobSearch } from '../../modules/queue/index.js';
import type { EngineHealth } from '../health.js';
import type { ModuleName } from '../modules.js';
import type { DefinitionStatus } from '../registry.js';

/** Which of several jobs of one id is meant. @publicApi */
export interface JobLocation {
  /** The queue that holds the job. Without it all queues are asked; an id that several hold is then refused. */
  readonly queue?: string;
}

/** What jobs `queryJobs` answers; everything given must hold. Instants are ms since 1970, or a `Date`. @publicApi */
export interface JobQuery extends JobSearch {
  /** Only of this queue. */
  readonly queue?: string;
  /** Only in this state, or in one of these. */
  readonly status?: JobStatus | readonly JobStatus[];
  /** Jobs per page, 1 to 1 000. @default 100 */
  readonly limit?: number;
}

/** What `retryAllFailed` did. @publicApi */
export interface RetryAllResult {
  /** Jobs that were run again. */
  readonly retried: number;
  /** Failed jobs that were passed over, because they had been run again before. */
  readonly skipped: number;
  /** There may be more: call again with `cursor`. */
  readonly more: boolean;
  readonly cursor?: string;
}

/** One page of what `verify` found. @publicApi */
export interface VerifyPage {
  readonly problems: readonly VerifyProblem[];
  /** Jobs that were looked at. */
  readonly checked: number;
  /** Give it to the next call; absent on the last page. */
  readonly cursor?: string;
}

/** A queue as it is recorded, with its jobs and what this process knows of it. @publicApi */
export interface QueueInfo extends QueueRecord {
  /** Jobs per state. */
  readonly counts: JobCounts;
  /** The definitions of this process that name it. */
  readonly definitions: readonly DefinitionStatus[];
}

/** How far the consumers of a queue are behind. @publicApi */
export interface QueueLag {
  readonly queue: string;
  readonly paused: boolean;
  readonly disabled: boolean;
  readonly waiting: number;
  readonly active: number;
  readonly delayed: number;
  readonly failed: number;
  /**
   * How long the job that waits longest could have been running (ms); 0 when none waits. By the clock of this process.
   * On a `lifo` or `priority` queue it is that of the next 100 jobs.
   */
  readonly lagMs: number;
  /** That job. */
  readonly oldestId?: string;
}

/** @publicApi */
export interface QueueInfoPage {
  readonly queues: readonly QueueInfo[];
  /** Give it to the next call; absent on the last page. */
  readonly after?: string;
}

/** A module of this process. @publicApi */
export interface ModuleInfo {
  readonly name: ModuleName;
  /** The configuration of this process selects it. */
  readonly selected: boolean;
  /** Its definitions may run in this process. */
  readonly consume: boolean;
  /** False after `disableModule` of this process, until `enableModule`. */
  readonly enabled: boolean;
  /** The definitions of this process that belong to it. */
  readonly definitions: readonly DefinitionStatus[];
}

/** What `disableInstance` and `enableInstance` take. @publicApi */
export type InstanceType = ModuleName;

/** Memory of this process, in bytes. @publicApi */
export interface MemoryStats {
  readonly rss: number;
  readonly heapUsed: number;
  readonly heapTotal: number;
  readonly external: number;
}

/** The system as this process sees it. @publicApi */
export interface SystemStats extends EngineHealth {
  /** Names this process incarnation. */
  readonly owner: string;
  readonly project: string;
  readonly environment: string;
  readonly mode: string;
  /** Since the engine was started (ms); 0 before. */
  readonly uptimeMs: number;
  readonly memory: MemoryStats;
  /** The queues that were counted. */
  readonly queues: { readonly total: number; readonly paused: number; readonly disabled: number };
  /** Their jobs per state. */
  readonly jobs: JobCounts;
  /** There are more than 1 000 queues; the totals are of the first 1 000 by name. */
  readonly partial: boolean;
}
