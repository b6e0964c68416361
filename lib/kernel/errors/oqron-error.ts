/**
 * Base class of every error that OqronKit throws.
 *
 * `code` never changes between releases, so programs may branch on it; messages may.
 *
 * @example
 * try {
 *   await queue.add(data);
 * } catch (error) {
 *   if (error instanceof OqronError && error.code === 'PAYLOAD_TOO_LARGE') shrink(data);
 *   else throw error;
 * }
 * @publicApi
 */
export class OqronError extends Error {
  /** Stable, machine-readable name of the failure. */
  readonly code: string;

  constructor(code: string, message: string, options?: { cause?: unknown }) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
  }
}
