import type { ParameterDecoratorOptions } from '@nestjs/common';
import { parameterDecorator } from '../invocation/parameter-decorator.js';
import { JobParam, type PipeLike } from '../invocation/parameters.js';

/**
 * Parameter decorator: the job's payload, or one field of it; in a method with `@OnJob` the event, or a field of it. Pipes
 * and a Standard Schema are applied as in HTTP handlers; a payload that they refuse fails the job without another
 * attempt. A `schema` needs no pipe: it is validated by a `StandardSchemaValidationPipe` of its own where there is none.
 *
 * As soon as one parameter of a method has a decorator, every one needs one. Without any, a method gets the payload and
 * the context.
 *
 * @example
 * @Worker(Mail)
 * async send(@Payload('to') to: string, @Payload('retries', ParseIntPipe) retries: number, @Ctx() ctx: JobContext) {}
 * @publicApi
 */
export function Payload(...pipes: PipeLike[]): ParameterDecorator;
export function Payload(options: ParameterDecoratorOptions): ParameterDecorator;
export function Payload(field: string, ...pipes: PipeLike[]): ParameterDecorator;
export function Payload(field: string, options: ParameterDecoratorOptions): ParameterDecorator;
export function Payload(...args: (string | PipeLike | ParameterDecoratorOptions)[]): ParameterDecorator {
  const [field, ...rest] = args;
  return typeof field === 'string'
    ? parameterDecorator(JobParam.PAYLOAD, field, rest as PipeLike[])
    : parameterDecorator(JobParam.PAYLOAD, undefined, args as PipeLike[]);
}
