import { BatchRejectedError, OqronError, StoreFullError, StoreUnreachableError } from '../../kernel/errors/index.js';
import { textOf } from '../../kernel/job/stored-error.js';

/** The tables were changed by a newer release in a way that this one must not work with. */
export class SchemaTooNewError extends OqronError {
  constructor(where: string, found: number, known: number) {
    super(
      'SCHEMA_TOO_NEW',
      `${where}: the tables have schema version ${found}, and this release knows ${known}. Update oqronkit.`,
    );
  }
}

/** The tables are missing or older than this release needs, and it may not change them. */
export class SchemaMissingError extends OqronError {
  constructor(message: string) {
    super('SCHEMA_MISSING', message);
  }
}

/** The server cannot be used as it is: too old, or rights are missing. */
export class PostgresServerError extends OqronError {
  constructor(message: string, options?: { cause?: unknown }) {
    super('POSTGRES_SERVER', message, options);
  }
}

/** The npm package `pg` is not there. */
export class PostgresClientMissingError extends OqronError {
  constructor(options?: { cause?: unknown }) {
    super(
      'POSTGRES_CLIENT_MISSING',
      'PostgreSQL needs the package pg (8), which is an optional peer. Run: npm install pg',
      options,
    );
  }
}

/** An error that the server answered, as opposed to a broken connection. */
export interface ServerError extends Error {
  /** SQLSTATE: five characters. */
  readonly code: string;
  readonly detail?: string;
}

export function isServerError(error: unknown): error is ServerError {
  if (!(error instanceof Error)) return false;
  const { code, severity } = error as { code?: unknown; severity?: unknown };
  // Errors of the system have codes too (EPIPE has five characters); only the server says how severe it is.
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) && typeof severity === 'string';
}

/** The server goes away, has no room for the connection, or is a standby: another try may do. Nothing was written. */
const NOT_NOW = /^(08...|57P0[1-5]|53300|53400|25006|57014|55P03|40001|40P01|58...)$/;
const FULL = /^(53000|53100|53200)$/;
/** A connection that said this is of no use any more. */
const ENDS_CONNECTION = /^(08...|57P0[1-5]|25006)$/;

/** The statement met another transaction; run again, it may pass. */
export function isConflict(error: unknown): boolean {
  return isServerError(error) && /^(40001|40P01|55P03)$/.test(error.code);
}

/**
 * A named statement is not there, or one of its name is there already, or what the server made of it no longer holds.
 * All of that comes out before anything is run.
 */
export function isNameLost(error: unknown): boolean {
  if (!isServerError(error)) return false;
  if (error.code === '0A000') return (error as { routine?: unknown }).routine === 'RevalidateCachedQuery';
  return error.code === '26000' || error.code === '42P05';
}

/** Must the connection go after this error? */
export function endsConnection(error: unknown): boolean {
  return !isServerError(error) || ENDS_CONNECTION.test(error.code);
}

/** What a failed statement means for the caller of the store. */
export function storeError(where: string, error: unknown): OqronError {
  if (error instanceof OqronError) return error;
  const cause = bare(error);
  if (!isServerError(error) || NOT_NOW.test(error.code)) return new StoreUnreachableError(where, { cause });
  if (FULL.test(error.code)) return new StoreFullError(where, { cause });
  return new BatchRejectedError(where, { cause });
}

/**
 * Errors of the server carry the values of the statement in `detail` and `where`. Those are payloads, and must not get
 * into anybody's log.
 */
export function bare(error: unknown): Error {
  const plain = new Error(messageOf(error));
  if (error instanceof Error) plain.name = error.name;
  if (isServerError(error)) Object.assign(plain, { code: error.code });
  return plain;
}

/** Several addresses of one host fail together, with messages only inside. */
function messageOf(error: unknown): string {
  const { message, errors } = (error ?? {}) as { message?: unknown; errors?: unknown };
  if (message === '' && Array.isArray(errors)) return errors.map(messageOf).join('; ') || 'the connection failed';
  return textOf(error);
}
