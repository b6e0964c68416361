import { Logger as NestLogger } from '@nestjs/common';
import type { Logger } from '../kernel/ports/logger.js';

/** Writes through Nest's own logger, so that `app.useLogger` and the log levels of the app apply. */
export function nestLogger(context = 'Oqron'): Logger {
  const logger = new NestLogger(context);
  const details = (given?: Record<string, unknown>): Record<string, unknown>[] =>
    given && Object.keys(given).length > 0 ? [given] : [];
  return {
    debug: (message, given) => logger.debug(message, ...details(given)),
    info: (message, given) => logger.log(message, ...details(given)),
    warn: (message, given) => logger.warn(message, ...details(given)),
    error: (message, given) => logger.error(message, ...details(given)),
  };
}
