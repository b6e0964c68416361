import type { FindRequest, DisabledBehavior, QueueRecord } from '../../lib/kernel/ports/job-admin.js';
import type { JobNote, LeasePolicy, NewJob } from '../../lib/kernel/ports/job-store.js';

export type { DisabledBehavior, LeasePolicy, NewJob };
export type JobStatus = FindRequest['status'];
export type QueueStrategy = QueueRecord['strategy'];
export type Progress = NonNullable<JobNote['progress']>;
export type Ref = NonNullable<NewJob['parents']>['refs'][number];
