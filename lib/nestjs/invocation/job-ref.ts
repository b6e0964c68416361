import { REQUEST } from '@nestjs/core';

/**
 * What a request-scoped provider of a handler injects to get its `JobContext` (in a listener: the event). An alias of
 * Nest's `REQUEST`; a durable provider gets the payload of the `ContextIdStrategy` there.
 *
 * @example
 * @Injectable({ scope: Scope.REQUEST })
 * export class JobLogger {
 *   constructor(@Inject(JOB_REF) private readonly job: JobContext) {}
 * }
 * @publicApi
 */
export const JOB_REF = REQUEST;
