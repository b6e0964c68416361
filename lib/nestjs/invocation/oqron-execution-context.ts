import type { ArgumentsHost } from '@nestjs/common';
import { OqronError } from '../../kernel/errors/index.js';
import { JobContext } from '../../kernel/runtime/job-context.js';

/** What `context.getType()` answers in guards, interceptors and filters of handlers and listeners. @publicApi */
export type OqronContextType = 'oqron';

/**
 * Whether a guard, interceptor, filter or parameter decorator is called for a job or an event of a job, not for a request.
 *
 * @example
 * canActivate(context: ExecutionContext) {
 *   if (isOqronContext(context)) return true; // jobs were checked when they were added
 *   return this.check(context.switchToHttp().getRequest());
 * }
 * @publicApi
 */
export function isOqronContext(host: ArgumentsHost): boolean {
  return host.getType<string>() === ('oqron' satisfies OqronContextType);
}

/**
 * The execution context of a handler or listener.
 *
 * @example
 * intercept(context: ExecutionContext, next: CallHandler) {
 *   const job = OqronExecutionContext.create(context).getJob<{ to: string }>();
 *   return next.handle().pipe(tap(() => job.log.info(`sent to ${job.data.to}`)));
 * }
 * @publicApi
 */
export class OqronExecutionContext {
  readonly #input: unknown;
  readonly #job: unknown;

  private constructor(host: ArgumentsHost) {
    this.#input = host.getArgByIndex(0);
    this.#job = host.getArgByIndex(1);
  }

  /** @throws OqronError (`NOT_AN_OQRON_CONTEXT`) for the context of a request; ask {@link isOqronContext} first */
  static create(host: ArgumentsHost): OqronExecutionContext {
    if (!isOqronContext(host)) {
      throw new OqronError(
        'NOT_AN_OQRON_CONTEXT',
        `OqronExecutionContext.create() was given a context of type "${host.getType()}". Ask isOqronContext(context) first.`,
      );
    }
    return new OqronExecutionContext(host);
  }

  /** True in a method with `@OnJob`: there is an event and no job that runs. */
  isEvent(): boolean {
    return !(this.#job instanceof JobContext);
  }

  /** The context that the handler gets. @throws OqronError (`NO_JOB`) for a listener */
  getJob<T = unknown>(): JobContext<T> {
    if (this.#job instanceof JobContext) return this.#job as JobContext<T>;
    throw new OqronError('NO_JOB', 'A listener (@OnJob) has no job that runs: ask isEvent() first, and getPayload().');
  }

  /** The job's payload, as it was before pipes; for a listener what its event carries. */
  getPayload<T = unknown>(): T {
    return this.#input as T;
  }

  /** Name of the queue; `undefined` for an event that is not of one queue. */
  getQueue(): string | undefined {
    if (this.#job instanceof JobContext) return this.#job.queueName;
    const queue: unknown = (this.#input as { queue?: unknown } | null | undefined)?.queue;
    return typeof queue === 'string' ? queue : undefined;
  }

  /** Fires when the handler should stop. @throws OqronError (`NO_JOB`) for a listener */
  getSignal(): AbortSignal {
    return this.getJob().signal;
  }
}
