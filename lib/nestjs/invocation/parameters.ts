import {
  StandardSchemaValidationPipe,
  type ParameterDecoratorOptions,
  type PipeTransform,
  type Type,
} from '@nestjs/common';
import { CUSTOM_ROUTE_ARGS_METADATA, RouteParamtypes } from '@nestjs/common/internal';

/**
 * What a parameter is given. The numbers are those of Nest's HTTP parameters, because pipes go by them: the validation
 * pipes validate a "body", and leave alone what is none.
 */
export const JobParam = { PAYLOAD: RouteParamtypes.BODY, CONTEXT: RouteParamtypes.HEADERS } as const;

export type PipeLike = Type<PipeTransform> | PipeTransform;

/** What Nest keeps for a decorated parameter. */
export interface ParameterMetadata {
  readonly index: number;
  readonly data: string | undefined;
  readonly pipes: readonly PipeLike[];
  readonly schema?: ParameterDecoratorOptions['schema'];
}

/** By `type:index`. */
export type Parameters = Readonly<Record<string, ParameterMetadata>>;

const plain = (index: number): ParameterMetadata => ({ index, data: undefined, pipes: [] });

/** A handler without parameter decorators, as pipes see it: `(payload, ctx)`. */
export const HANDLER_PARAMETERS: Parameters = {
  [`${JobParam.PAYLOAD}:0`]: plain(0),
  [`${JobParam.CONTEXT}:1`]: plain(1),
};

/** A listener without parameter decorators: `(event)`. */
export const LISTENER_PARAMETERS: Parameters = { [`${JobParam.PAYLOAD}:0`]: plain(0) };

/** Gives the parameters their values: a call has the payload (or event) first and the context second. */
export const jobParams = {
  exchangeKeyForValue(type: number, field: unknown, [payload, ctx]: readonly unknown[]): unknown {
    if (type !== JobParam.PAYLOAD) return type === JobParam.CONTEXT ? ctx : undefined;
    return typeof field === 'string' ? (payload as Record<string, unknown> | null | undefined)?.[field] : payload;
  },
};

/**
 * A schema alone is only a note that a pipe may read; whoever wrote it wants the payload validated. So a parameter with
 * one gets the pipe, unless one of `others` is it already: twice would transform twice.
 */
export function withSchemaPipes(parameters: Parameters, others: readonly PipeLike[]): Parameters {
  if (others.some(isSchemaPipe)) return parameters;
  return Object.fromEntries(
    Object.entries(parameters).map(([key, parameter]) => {
      const { schema, pipes } = parameter;
      const needed = schema !== undefined && !isCustom(key) && !pipes.some(isSchemaPipe);
      return [key, needed ? { ...parameter, pipes: [new StandardSchemaValidationPipe(), ...pipes] } : parameter];
    }),
  );
}

/** Positions (0 = first) of parameters that would silently be `undefined`: without a decorator, or with one of HTTP. */
export function emptyParameters(parameters: Parameters, count: number): number[] {
  const filled = new Set(
    Object.entries(parameters)
      .filter(
        ([key]) => isCustom(key) || [JobParam.PAYLOAD, JobParam.CONTEXT].some((type) => key.startsWith(`${type}:`)),
      )
      .map(([, { index }]) => index),
  );
  const last = Math.max(count - 1, ...Object.values(parameters).map(({ index }) => index));
  return Array.from({ length: last + 1 }, (_, index) => index).filter((index) => !filled.has(index));
}

function isCustom(key: string): boolean {
  return key.includes(CUSTOM_ROUTE_ARGS_METADATA);
}

function isSchemaPipe(pipe: PipeLike): boolean {
  if (pipe instanceof StandardSchemaValidationPipe) return true;
  return (
    typeof pipe === 'function' &&
    (pipe === StandardSchemaValidationPipe || pipe.prototype instanceof StandardSchemaValidationPipe)
  );
}
