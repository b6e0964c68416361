import { OqronError, StoreUnreachableError } from '../kernel/errors/index.js';
import { textOf } from '../kernel/job/stored-error.js';
import type { Backend } from '../kernel/ports/backend.js';
import type { Clock } from '../kernel/ports/clock.js';
import type { Logger } from '../kernel/ports/logger.js';
import type { RedisTarget } from '../backends/redis/index.js';
import type { ResolvedConfig } from './config.js';
import { lazyBackend } from './lazy-backend.js';
import { redisAddress, withoutSecrets } from './redis-address.js';

/** The same trouble is a warning again after this long (ms); a server that is away is tried every second. */
const WARN_AGAIN_MS = 30_000;

type RedisConfig = Pick<ResolvedConfig, 'project' | 'environment' | 'history' | 'logger'>;

/** The backend of the mode `redis`. Nothing is loaded or connected before it is opened. */
export function redisMode(redis: string | object, config: RedisConfig, clock: Clock): Backend {
  const { project, environment, history, logger } = config;
  const log = new ConnectionLog(logger, clock, (text) => withoutSecrets(text, redis));
  return lazyBackend('redis', async () => {
    const { createRedisBackend } = await import('../backends/redis/index.js');
    const backend = createRedisBackend({
      redis: redis as RedisTarget,
      project,
      environment,
      clock,
      limits: history,
      logger: log,
    });
    const where = redisAddress(redis);
    const open = async (): Promise<void> => {
      log.opening = true;
      try {
        await backend.open();
      } catch (error) {
        throw explained(error, where, log);
      } finally {
        log.opening = false;
      }
      const durability = backend.store.capabilities.durability;
      logger.info(`Redis ${backend.server?.version ?? ''} at ${where}`, { durability });
    };
    return { store: backend.store, signals: backend.signals, open, close: () => backend.close() };
  });
}

/** A connection that cannot be had says only that it is closed; why was told to the log before. */
function explained(error: unknown, where: string, log: ConnectionLog): unknown {
  const { code, cause } = error instanceof OqronError ? error : { code: undefined, cause: error };
  if (code !== undefined && code !== 'STORE_UNREACHABLE' && code !== 'BATCH_REJECTED') return error;
  const refused = code === 'BATCH_REJECTED' ? undefined : log.last;
  const reason = log.clean(refused ?? textOf(cause));
  // Not the client's own error: it carries its commands, and with them the password.
  return new StoreUnreachableError(`OqronEngine.start (Redis at ${where}: ${reason})`, { cause: new Error(reason) });
}

/** The backend's log: without secrets, and the same trouble not every second. */
class ConnectionLog implements Logger {
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
