import { OqronError } from './oqron-error.js';

/**
 * Why a handler is told to stop. After `timeout`, `cancelled` and `lost` nothing it does is recorded. After `shutdown`
 * a returned value still completes the job; a throw or `undefined` hands it back with the attempt refunded.
 * @publicApi
 */
export type AbortKind = 'timeout' | 'cancelled' | 'lost' | 'shutdown';

/**
 * `ctx.signal.reason` of a handler that should stop.
 *
 * @example
 * ctx.signal.addEventListener('abort', () => {
 *   if (ctx.signal.reason.kind === 'cancelled') cleanUp();
 * });
 * @publicApi
 */
export class JobAbortedError extends OqronError {
  constructor(
    readonly kind: AbortKind,
    where: string,
    detail?: string,
  ) {
    super('JOB_ABORTED', `${where}: the handler should stop (${kind}${detail === undefined ? '' : `: ${detail}`})`);
  }
}
