import { Logger as NestLogger } from '@nestjs/common';
import type { Logger } from '../kernel/ports/logger.js';

type Details = Record<string, unknown>;

/**
 * Writes through Nest's own logger, so that `app.useLogger` and the log levels of the app apply. Details go along as one
 * plain object, which Nest prints behind the message, or as `params` of a JSON line; a stack where Nest expects it.
 */
export function nestLogger(context = 'Oqron'): Logger {
  const logger = new NestLogger(context);
  return {
    debug: (message, given) => logger.debug(message, ...present(given)),
    info: (message, given) => logger.log(message, ...present(given)),
    warn: (message, given) => logger.warn(message, ...present(given)),
    error: (message, { stack, ...given } = {}) => {
      if (typeof stack === 'string') logger.error(message, ...present(given), stack);
      else logger.error(message, ...present(stack === undefined ? given : { ...given, stack }));
    },
  };
}

/** Nest would print an empty object. */
function present(given: Details | undefined): Details[] {
  return given && Object.keys(given).length > 0 ? [given] : [];
}
