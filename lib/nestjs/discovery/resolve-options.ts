import { Inject, type InjectionToken } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { InvalidClassScopeException, type InstanceWrapper } from '@nestjs/core/internal';
import { isOptionsFactory } from '../decorators/options-factory.js';
import { badFactory, factoryFailed, noOptions, scopedToken, unknownToken } from '../oqron.messages.js';
import type { Place } from './hosts.js';

/** Options, or what is wrong with how they are made. */
export type ResolvedOptions =
  | { readonly options: object; readonly problems?: undefined }
  | { readonly options?: undefined; readonly problems: readonly string[] };

/**
 * What a decorator was given as options: as it is, or made by its factory, once. Every decorator with options takes
 * them from here.
 *
 * @param decorator as it is written, for messages: `@Worker`
 */
export async function resolveOptions(
  { host, name }: Place,
  decorator: string,
  given: object,
): Promise<ResolvedOptions> {
  if (!isOptionsFactory(given)) return { options: given };
  const { inject = [], useFactory, ...more } = given;
  const others = Object.keys(more);
  if (typeof useFactory !== 'function' || !Array.isArray(inject) || others.length > 0) {
    return { problems: [badFactory(name, decorator, others)] };
  }
  const injected = await Promise.all(inject.map((token) => injectedValue(host.wrapper, token)));
  const problems = injected.flatMap(({ problem, token }) => {
    if (!problem) return [];
    return [
      problem === 'scoped' ? scopedToken(name, decorator, token) : unknownToken(name, decorator, token, host.module),
    ];
  });
  if (problems.length > 0) return { problems };
  try {
    const options: unknown = await (useFactory as Factory)(...injected.map(({ value }) => value));
    if (typeof options !== 'object' || options === null || Array.isArray(options)) {
      return { problems: [noOptions(name, decorator, options)] };
    }
    return { options };
  } catch (error) {
    return { problems: [factoryFailed(name, decorator, error)] };
  }
}

type Factory = (...values: unknown[]) => unknown;

interface Injected {
  /** As messages name it. */
  readonly token: string;
  readonly value?: unknown;
  readonly problem?: 'unknown' | 'scoped';
}

async function injectedValue({ host }: InstanceWrapper, given: unknown): Promise<Injected> {
  const { token, optional } = tokenOf(given);
  const name = nameOf(token);
  const moduleRef = host?.getProviderByKey(ModuleRef).instance as ModuleRef | undefined;
  if (!moduleRef || !isToken(token)) return { token: name, problem: 'unknown' };
  try {
    return { token: name, value: await valueOf(moduleRef, token) };
  } catch (error) {
    if (error instanceof InvalidClassScopeException) return { token: name, problem: 'scoped' };
    return optional ? { token: name } : { token: name, problem: 'unknown' };
  }
}

/** What a class of this module would get; two modules may have different values of one token. */
async function valueOf(moduleRef: ModuleRef, token: InjectionToken): Promise<unknown> {
  class Carrier {
    constructor(readonly value: unknown) {}
  }
  Inject(token)(Carrier, undefined, 0);
  try {
    return (await moduleRef.create(Carrier)).value;
  } catch {
    // Not visible from there: take it from wherever it is. This throws when it is nowhere, or request-scoped.
    return moduleRef.get<unknown>(token, { strict: false });
  }
}

function tokenOf(given: unknown): { token: unknown; optional: boolean } {
  if (typeof given !== 'object' || given === null || !('token' in given)) return { token: given, optional: false };
  return { token: given.token, optional: 'optional' in given && given.optional === true };
}

function isToken(token: unknown): token is InjectionToken {
  return typeof token === 'string' || typeof token === 'symbol' || typeof token === 'function';
}

function nameOf(token: unknown): string {
  return typeof token === 'function' ? token.name : String(token);
}
