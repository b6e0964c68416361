import { Injectable, applyDecorators, SetMetadata } from '@nestjs/common';

const KEY = 'oqron:instrumentation';

/**
 * Marks a provider as an `OqronInstrumentation` of the engine. It is made and overridden like any other provider, may
 * inject what it needs, and has to be a singleton. Several stand around each other in the order in which Nest lists them.
 *
 * @example
 * @Instrumentation()
 * export class Audit implements OqronInstrumentation {
 *   constructor(private readonly log: AuditLog) {}
 *   onSettled(job: InstrumentedJob, { outcome }: SettledAttempt): void {
 *     this.log.write(job.queueName, job.id, outcome);
 *   }
 * }
 * @publicApi
 */
export const Instrumentation = (): ClassDecorator =>
  applyDecorators(Injectable(), SetMetadata(KEY, true)) as ClassDecorator;

/** Also of a class that inherits the mark. */
export function isInstrumentation(type: unknown): boolean {
  return typeof type === 'function' && Reflect.getMetadata(KEY, type) === true;
}
