import { Injectable, type NestMiddleware } from '@nestjs/common';
import { useAmbient } from '../../kernel/async-context.js';
import { idFactory } from '../../kernel/job/ids.js';
import { systemClock, systemRandom } from '../../kernel/ports/system-clock.js';
import { runWithCorrelation } from '../../kernel/runtime/oqron-context.js';

/** What may come from outside: it ends up in records, logs and headers. */
const SAFE = /^[\w.:@/+=-]{1,128}$/;

/** @publicApi */
export interface CorrelationOptions {
  /** Headers of the request that may have the id, the first one first. @default ['x-correlation-id', 'x-request-id'] */
  readonly headers?: readonly string[];
  /** The header of the answer that tells the id; `false` = none. @default 'x-correlation-id' */
  readonly respondWith?: string | false;
  /** Makes the id of a request that has none, or none that can be used. @default a UUIDv7 */
  readonly newId?: () => string;
}

/** The part of a request that is read: of Node's own, of Express or Fastify. */
interface IncomingRequest {
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
}

interface OutgoingAnswer {
  setHeader(name: string, value: string): unknown;
}

/** @publicApi */
export type CorrelationHandler = (req: IncomingRequest, res: OutgoingAnswer, next: () => void) => void;

/**
 * The middleware with other headers, as a function. See {@link OqronCorrelationMiddleware}.
 *
 * @example
 * app.use(correlationMiddleware({ headers: ['x-amzn-trace-id'] }));
 * @publicApi
 */
export function correlationMiddleware(options: CorrelationOptions = {}): CorrelationHandler {
  const { headers = ['x-correlation-id', 'x-request-id'], respondWith = 'x-correlation-id' } = options;
  const names = headers.map((name) => name.toLowerCase());
  const newId = options.newId ?? idFactory(systemClock, systemRandom);
  // From the first job on, not only from the first request.
  useAmbient();
  return (req, res, next) => {
    const given = names.map((name) => req.headers[name]).find((value) => typeof value === 'string' && SAFE.test(value));
    const id = (given as string | undefined) ?? newId();
    if (respondWith !== false) res.setHeader(respondWith, id);
    runWithCorrelation(id, next);
  };
}

/**
 * Gives each HTTP request a correlation id: that of its header `x-correlation-id` or `x-request-id` (1 to 128 letters,
 * digits and `_ . : @ / + = -`), else a new one. Every job that is added while the request is handled carries it, and so
 * do the jobs that those add; the answer has it as `x-correlation-id`.
 *
 * @example
 * export class AppModule implements NestModule {
 *   configure(consumer: MiddlewareConsumer): void {
 *     consumer.apply(OqronCorrelationMiddleware).forRoutes('{*path}');
 *   }
 * }
 * @publicApi
 */
@Injectable()
export class OqronCorrelationMiddleware implements NestMiddleware {
  readonly #handle = correlationMiddleware();

  use(req: IncomingRequest, res: OutgoingAnswer, next: () => void): void {
    this.#handle(req, res, next);
  }
}
