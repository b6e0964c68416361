import 'reflect-metadata';
import type { ParameterDecoratorOptions } from '@nestjs/common';
import { assignMetadata, isParameterDecoratorOptions, ROUTE_ARGS_METADATA } from '@nestjs/common/internal';
import type { Parameters, PipeLike } from './parameters.js';

/** Keeps a parameter where Nest keeps those of HTTP handlers: pipes that are classes get their dependencies there. */
export function parameterDecorator(
  type: number,
  field: string | undefined,
  args: readonly (PipeLike | ParameterDecoratorOptions)[],
): ParameterDecorator {
  const { pipes, schema } = optionsOf(args);
  return (target, key, index) => {
    if (key === undefined) throw new TypeError('@Payload and @Ctx are for parameters of methods, not of constructors.');
    const known = (Reflect.getMetadata(ROUTE_ARGS_METADATA, target.constructor, key) ?? {}) as Parameters;
    const entry = { data: field, pipes, ...(schema === undefined ? {} : { schema }) };
    const all = assignMetadata(known as never, type as never, index, entry as never);
    Reflect.defineMetadata(ROUTE_ARGS_METADATA, all, target.constructor, key);
  };
}

function optionsOf(args: readonly (PipeLike | ParameterDecoratorOptions)[]): {
  pipes: readonly PipeLike[];
  schema: ParameterDecoratorOptions['schema'];
} {
  const [first] = args;
  if (!isParameterDecoratorOptions(first)) return { pipes: args as readonly PipeLike[], schema: undefined };
  return { pipes: first.pipes ?? [], schema: first.schema };
}
