import { textOf } from '../kernel/job/stored-error.js';
import type { Logger } from '../kernel/ports/logger.js';

/** The lowest level that is written. @publicApi */
export type LogThreshold = 'debug' | 'info' | 'warn' | 'error';

const LEVELS: readonly LogThreshold[] = ['debug', 'info', 'warn', 'error'];

/** One line per message: level, text, context as JSON. Warnings and errors go to stderr. */
export function consoleLogger(threshold: LogThreshold): Logger {
  const write =
    (level: LogThreshold) =>
    (message: string, context?: Record<string, unknown>): void => {
      if (LEVELS.indexOf(level) < LEVELS.indexOf(threshold)) return;
      const detail = context && Object.keys(context).length > 0 ? ` ${JSON.stringify(context)}` : '';
      const stream = level === 'warn' || level === 'error' ? process.stderr : process.stdout;
      stream.write(`oqronkit ${level.toUpperCase()} ${message}${detail}\n`);
    };
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
}

/**
 * The user's logger, made harmless: one that throws (a transport whose worker has exited does) must not take the loop
 * that logs down with it. Its lines go to stderr instead.
 */
export function guardedLogger(own: Logger): Logger {
  const spare = consoleLogger('warn');
  const write =
    (level: LogThreshold) =>
    (message: string, context?: Record<string, unknown>): void => {
      try {
        own[level](message, context);
      } catch (error) {
        spare[level](message, { ...context, loggerThrew: textOf(error) });
      }
    };
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
}

const nothing = (): void => undefined;

export const silentLogger: Logger = { debug: nothing, info: nothing, warn: nothing, error: nothing };
