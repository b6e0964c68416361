import type { ErrorVerdict } from '../../kernel/runtime/attempt.js';

/** 4xx that say "not now" and not "never": Request Timeout, Too Early, Too Many Requests. */
const PASSING = new Set([408, 425, 429]);

/** What is read of an `HttpException`. By its shape: a dependency may bring a second copy of the class. */
interface HttpErrorLike {
  getStatus(): unknown;
  getResponse(): unknown;
}

/**
 * Judges Nest's `HttpException`s. A 4xx other than 408, 425 and 429 blames the payload or the rights of who added the job:
 * it will not be better next time. Pipes put what is wrong into the response and leave "Bad Request Exception" as the
 * message, which tells nobody anything in a job's record.
 */
export function judgeHttpException(thrown: unknown): ErrorVerdict | undefined {
  if (!isHttpError(thrown)) return undefined;
  const status = thrown.getStatus();
  if (typeof status !== 'number') return undefined;
  const reasons = reasonsOf(thrown.getResponse());
  return {
    retryable: !(status >= 400 && status < 500) || PASSING.has(status),
    ...(reasons === undefined ? {} : { message: reasons }),
  };
}

function isHttpError(thrown: unknown): thrown is HttpErrorLike {
  return (
    thrown instanceof Error &&
    typeof (thrown as Partial<HttpErrorLike>).getStatus === 'function' &&
    typeof (thrown as Partial<HttpErrorLike>).getResponse === 'function'
  );
}

/** `{ message: ['to must be an email', 'n must be an integer'] }` as one text; nothing where the message says it already. */
function reasonsOf(response: unknown): string | undefined {
  if (response === null || typeof response !== 'object') return undefined;
  const { message, error } = response as { message?: unknown; error?: unknown };
  if (typeof message === 'string') return undefined;
  if (!Array.isArray(message) || message.length === 0) return JSON.stringify(response);
  const reasons = message.map(reasonOf).join('; ');
  return typeof error === 'string' ? `${error}: ${reasons}` : reasons;
}

/** A text, or an error of class-validator: that one holds the whole payload besides. */
function reasonOf(reason: unknown): string {
  if (typeof reason === 'string') return reason;
  const { constraints } = (reason ?? {}) as { constraints?: unknown };
  return typeof constraints === 'object' && constraints !== null
    ? Object.values(constraints).join(', ')
    : JSON.stringify(reason);
}
