import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { OqronError, type Duration, type OqronConfig } from 'oqronkit';

/** What every app of this repository is told from outside. The API and the worker must be told the same. */
export interface AppSettings {
  /** `--mode`, the connections that the mode needs, `PROJECT`, `DATABASE_SCHEMA` and `SHUTDOWN_TIMEOUT`. */
  readonly engine: Pick<OqronConfig, 'mode' | 'redis' | 'postgres' | 'project' | 'shutdown'>;
  /** `DATA_DIR`: where documents lie. */
  readonly dataDir: string;
}

/**
 * For `NestFactory`: an app that cannot be put together throws, and Nest does not print the same error with a stack of
 * its own before. Logs wait until `app.flushLogs()`.
 */
export const ONE_ERROR_MESSAGE = { abortOnError: false, bufferLogs: true, autoFlushLogs: false };

/** Where the modes `redis` and `db` look when nothing else is said. */
const LOCAL_REDIS = 'redis://127.0.0.1:6379';
const LOCAL_DATABASE = 'postgresql://postgres@127.0.0.1:5432/postgres';

const USAGE = 'Arguments: --mode <mode>, --redis <url>, --database <url>';

/** How long running jobs may take to end after SIGINT or SIGTERM; then they are handed back. */
const SHUTDOWN_TIMEOUT = '10s';

/**
 * Reads the settings of an app. An unknown mode is left to the library, whose error names the known ones.
 *
 * @throws StartError naming an unknown argument
 */
export function readAppSettings(args: readonly string[], env: NodeJS.ProcessEnv): AppSettings {
  const { mode, ...given } = readArgs(args);
  const redis = given.redis || env.REDIS_URL || (mode === 'redis' ? LOCAL_REDIS : undefined);
  const connectionString = given.database || env.DATABASE_URL || (mode === 'db' ? LOCAL_DATABASE : undefined);
  const schema = env.DATABASE_SCHEMA || undefined;
  return {
    engine: {
      mode: mode as OqronConfig['mode'],
      ...(redis ? { redis } : {}),
      ...(connectionString ? { postgres: { connectionString, ...(schema && { schema }) } } : {}),
      ...(env.PROJECT ? { project: env.PROJECT } : {}),
      shutdown: { timeout: (env.SHUTDOWN_TIMEOUT || SHUTDOWN_TIMEOUT) as Duration },
    },
    dataDir: resolve(env.DATA_DIR || '.data'),
  };
}

interface Arguments {
  readonly mode: string;
  readonly redis?: string | undefined;
  readonly database?: string | undefined;
}

function readArgs(args: readonly string[]): Arguments {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        mode: { type: 'string', default: 'default' },
        redis: { type: 'string' },
        database: { type: 'string' },
      },
    });
    return values;
  } catch (error) {
    throw new StartError(`${error instanceof Error ? error.message : String(error)}. ${USAGE}.`);
  }
}

/** An app cannot start for a reason that whoever starts it can mend. The message says it all. */
export class StartError extends Error {
  override readonly name = 'StartError';
}

/** Ends a process that could not start: with one readable message, or with the stack of what nobody expected. */
export function exitWith(error: unknown): never {
  const expected = error instanceof StartError || error instanceof OqronError;
  const text = error instanceof Error ? (expected ? error.message : (error.stack ?? error.message)) : String(error);
  process.stderr.write(`${text}\n`);
  process.exit(1);
}
