import { OqronError } from './oqron-error.js';

/**
 * A job that `dependsOn` names does not exist: it was never added, or its record was removed. Nothing was added.
 *
 * @example
 * const order = await orders.add(data, { jobId: 'order-7' });
 * await mails.add(mail, { dependsOn: [order] }); // the parent was acknowledged before its child is added
 * @publicApi
 */
export class UnknownParentError extends OqronError {
  constructor(
    where: string,
    /** The id that nobody knows. */
    readonly parentId: string,
    /** The queue in which it was looked for; absent when it was looked for in all of them. */
    readonly parentQueue?: string,
  ) {
    const place = parentQueue === undefined ? 'any recorded queue' : `queue "${parentQueue}"`;
    super(
      'UNKNOWN_PARENT',
      `${where}: dependsOn names job "${parentId}", which is not in ${place}. Await the add of a parent before you ` +
        'add its child (in one addBulk: put it first), and keep finished parents long enough (removeOnComplete).',
    );
  }
}

/**
 * The queue is switched off and its `disabledBehavior` is `reject`. Nothing was added.
 * @publicApi
 */
export class QueueDisabledError extends OqronError {
  constructor(
    where: string,
    readonly queue: string,
  ) {
    super(
      'QUEUE_DISABLED',
      `${where}: queue "${queue}" is disabled and rejects new jobs. Enable it and add again, ` +
        "or define it with disabledBehavior: 'hold' to keep jobs until then.",
    );
  }
}

/**
 * The queue is switched off and holds as many jobs as it may. Nothing was added, and nothing that it holds was dropped.
 * @publicApi
 */
export class TooManyHeldJobsError extends OqronError {
  constructor(
    where: string,
    readonly queue: string,
    /** Jobs that the queue may hold while it is disabled (`maxHeldJobs`). */
    readonly limit: number,
  ) {
    super(
      'TOO_MANY_HELD_JOBS',
      `${where}: queue "${queue}" is disabled and holds ${limit} jobs, as many as it may (maxHeldJobs). ` +
        'Enable it, or raise the limit in its definition.',
    );
  }
}
