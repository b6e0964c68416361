import { ambient, useAmbient, withAmbient } from '../async-context.js';
import { InvalidOptionsError } from '../errors/index.js';
import type { JobContext } from './job-context.js';

/** A correlation id is at most this long (characters). */
const MAX_CORRELATION_CHARS = 256;

/**
 * Where code runs: in which job, for which correlation id. It works anywhere below a handler, also behind awaits.
 *
 * What it knows is kept from its first use in the process on (also by {@link runWithCorrelation} and by an
 * instrumentation that wraps handlers), because it costs every job a little: jobs that ran already then are not seen.
 * With `asyncContext: true` in the configuration it is kept from the start, with `false` never.
 *
 * @example
 * logger.info('sent', { job: OqronContext.current()?.id, correlation: OqronContext.correlationId() });
 * @publicApi
 */
export class OqronContext {
  /** The context of the job whose handler runs here; `undefined` elsewhere, and in a `processBatch`. */
  static current<T = unknown>(): JobContext<T> | undefined {
    useAmbient();
    return ambient()?.job as JobContext<T> | undefined;
  }

  /** The id that jobs get which are added here and name none. */
  static correlationId(): string | undefined {
    useAmbient();
    return ambient()?.correlationId;
  }
}

/**
 * Runs `code` so that every job which it adds, and which names no `correlationId`, carries this one; so do the jobs
 * that those add.
 *
 * @throws InvalidOptionsError when the id is no text of 1 to 256 characters
 * @example
 * app.use((req, res, next) => runWithCorrelation(req.get('x-correlation-id') ?? randomUUID(), next));
 * @publicApi
 */
export function runWithCorrelation<T>(correlationId: string, code: () => T): T {
  if (typeof correlationId !== 'string' || correlationId === '' || correlationId.length > MAX_CORRELATION_CHARS) {
    const problem = `correlationId: expected a text of 1 to ${MAX_CORRELATION_CHARS} characters`;
    throw new InvalidOptionsError('runWithCorrelation', [problem]);
  }
  return withAmbient({ correlationId }, code);
}
