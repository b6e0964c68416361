import { OqronError, StoreUnreachableError } from '../kernel/errors/index.js';
import { textOf } from '../kernel/job/stored-error.js';
import type { Clock } from '../kernel/ports/clock.js';
import type { Logger } from '../kernel/ports/logger.js';

/** The same trouble is a warning again after this long (ms); a server that is away is tried every second. */
const WARN_AGAIN_MS = 30_000;

/** The backend's log: without secrets, and the same trouble not every second. */
export class ConnectionLog implements Logger {
  /** What the last broken connection said. */
  last: string | undefined;
  /** The error of a failed start says it all. */
  opening = false;
  readonly #warned = new Map<string, number>();

  constructor(
    private readonly logger: Logger,
    private readonly clock: Clock,
    readonly clean: (text: string) => string,
  ) {}

  /**
   * What a failed start says. A connection that cannot be had says only that it is closed; why was told to the log
   * before. Errors that name their own remedy pass as they are.
   */
  explained(error: unknown, place: string, what = 'OqronEngine.start'): unknown {
    const { code, cause } = error instanceof OqronError ? error : { code: undefined, cause: error };
    if (code !== undefined && code !== 'STORE_UNREACHABLE' && code !== 'BATCH_REJECTED') return error;
    const refused = code === 'BATCH_REJECTED' ? undefined : this.last;
    const reason = this.clean(refused ?? textOf(cause).replace(/^\w*Error: /, ''));
    // Not the client's own error: it carries its commands, and with them the password.
    return new StoreUnreachableError(`${what} (${place}: ${reason})`, { cause: new Error(reason) });
  }

  debug(text: string, context?: Record<string, unknown>): void {
    this.logger.debug(this.clean(text), this.#harmless(context));
  }

  info(text: string, context?: Record<string, unknown>): void {
    this.logger.info(this.clean(text), this.#harmless(context));
  }

  warn(text: string, context?: Record<string, unknown>): void {
    if (context?.error !== undefined) {
      this.last = textOf(context.error).replace(/^\w*Error: /, '');
      if (this.opening) return;
    }
    const now = this.clock.monotonic();
    const before = this.#warned.get(text);
    if (before !== undefined && now - before < WARN_AGAIN_MS) {
      this.debug(text, context);
      return;
    }
    // Texts carry addresses and reasons, so there are few of them; nothing may grow for ever.
    if (this.#warned.size >= 100) this.#warned.clear();
    this.#warned.set(text, now);
    this.logger.warn(this.clean(text), this.#harmless(context));
  }

  error(text: string, context?: Record<string, unknown>): void {
    this.logger.error(this.clean(text), this.#harmless(context));
  }

  /** Errors of the client carry the command that failed, with its arguments. */
  #harmless(context: Record<string, unknown> = {}): Record<string, unknown> {
    const { error, ...rest } = context;
    return error === undefined ? rest : { ...rest, error: this.clean(textOf(error)) };
  }
}
