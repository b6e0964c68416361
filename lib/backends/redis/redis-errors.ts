import { BatchRejectedError, OqronError, StoreFullError, StoreUnreachableError } from '../../kernel/errors/index.js';

/** The data in Redis were written by a newer release, which this one must not touch. */
class SchemaTooNewError extends OqronError {
  constructor(where: string, found: string) {
    super(
      'SCHEMA_TOO_NEW',
      `${where}: the data in Redis have schema version ${found}, which this release does not know. Update oqronkit.`,
    );
  }
}

/** The server cannot be used as it is. */
export class RedisServerError extends OqronError {
  constructor(message: string, options?: { cause?: unknown }) {
    super('REDIS_SERVER', message, options);
  }
}

/** The npm package `ioredis` is not there. */
export class RedisClientMissingError extends OqronError {
  constructor(options?: { cause?: unknown }) {
    super(
      'REDIS_CLIENT_MISSING',
      'Mode "redis" needs the package ioredis (5 or 6), which is an optional peer. Run: npm install ioredis',
      options,
    );
  }
}

/** The server is there but does not serve now, and wrote nothing: as good as unreachable. */
const NOT_NOW = /^(LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|BUSY|NOREPLICAS|UNBLOCKED)\b/;

/** What a failed command means for the caller of the store. */
export function storeError(where: string, error: unknown): OqronError {
  if (error instanceof OqronError) return error;
  const cause = bare(error);
  if (!isReply(error)) return new StoreUnreachableError(where, { cause });
  const { message } = error;
  if (/\bOOM command not allowed/.test(message) || message.startsWith('MISCONF')) {
    return new StoreFullError(where, { cause });
  }
  const tooNew = /OQRON_SCHEMA_TOO_NEW (\d+)/.exec(message);
  if (tooNew) return new SchemaTooNewError(where, tooNew[1] ?? '');
  if (NOT_NOW.test(message)) return new StoreUnreachableError(where, { cause });
  return new BatchRejectedError(where, { cause });
}

/**
 * The client's errors carry the command that failed with all its arguments: payloads, or the password. Those must not get
 * into anybody's log.
 */
export function bare(error: unknown): Error {
  const plain = new Error(error instanceof Error ? error.message : String(error));
  if (error instanceof Error) plain.name = error.name;
  return plain;
}

/** An answer of the server, as opposed to a broken connection. */
function isReply(error: unknown): error is Error {
  return error instanceof Error && error.name === 'ReplyError';
}

export function isNoScript(error: unknown): boolean {
  return isReply(error) && error.message.startsWith('NOSCRIPT');
}
