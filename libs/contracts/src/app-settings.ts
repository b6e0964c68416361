import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { OqronError, type OqronConfig } from 'oqronkit';

/** What every app of this repository is told from outside. The API and the worker must be told the same. */
export interface AppSettings {
  /** `--mode`, and the connections that the mode needs. */
  readonly engine: Pick<OqronConfig, 'mode' | 'redis' | 'postgres' | 'shutdown'>;
  /** `DATA_DIR`: where documents lie. */
  readonly dataDir: string;
}

/**
 * For `NestFactory`: an app that cannot be put together throws, and Nest does not print the same error with a stack of
 * its own before. Logs wait until `app.flushLogs()`.
 */
export const ONE_ERROR_MESSAGE = { abortOnError: false, bufferLogs: true, autoFlushLogs: false };

/** How long running jobs may take to end after SIGINT or SIGTERM. */
const SHUTDOWN_TIMEOUT_MS = 10_000;

/**
 * Reads the settings of an app. An unknown mode is left to the library, whose error names the known ones.
 *
 * @throws StartError naming an unknown argument
 */
export function readAppSettings(args: readonly string[], env: NodeJS.ProcessEnv): AppSettings {
  return {
    engine: {
      mode: readMode(args),
      ...(env.REDIS_URL ? { redis: env.REDIS_URL } : {}),
      ...(env.DATABASE_URL ? { postgres: { connectionString: env.DATABASE_URL } } : {}),
      shutdown: { timeout: SHUTDOWN_TIMEOUT_MS },
    },
    dataDir: resolve(env.DATA_DIR || '.data'),
  };
}

function readMode(args: readonly string[]): OqronConfig['mode'] {
  try {
    const { values } = parseArgs({ args: [...args], options: { mode: { type: 'string', default: 'default' } } });
    return values.mode as OqronConfig['mode'];
  } catch (error) {
    throw new StartError(`${error instanceof Error ? error.message : String(error)}. Arguments: --mode <mode>.`);
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
