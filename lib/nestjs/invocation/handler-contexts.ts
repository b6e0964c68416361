import { ForbiddenException } from '@nestjs/common';
import {
  PIPES_METADATA,
  GUARDS_METADATA,
  EXCEPTION_FILTERS_METADATA,
  INTERCEPTORS_METADATA,
} from '@nestjs/common/internal';
import { ROUTE_ARGS_METADATA } from '@nestjs/common/internal';
import type { ContextId, ExternalContextCreator } from '@nestjs/core';
import { HandlerMetadataStorage, type InstanceWrapper } from '@nestjs/core/internal';
import { OqronError } from '../../kernel/errors/index.js';
import type { Enhancers } from './enhancer-options.js';
import { JobFilters, type FilterChain } from './job-filters.js';
import { jobParams, withSchemaPipes, type Parameters, type PipeLike } from './parameters.js';

export type Method = (...args: unknown[]) => unknown;
export type Host = Record<string, Method>;

/** A call with its guards, interceptors, pipes and filters. */
export type WrappedCall = (...args: unknown[]) => Promise<unknown>;

/** What finds the enhancers of one kind. */
interface EnhancerSource {
  readonly config?: Record<string, () => InstanceWrapper[]>;
  getGlobalMetadata(contextId?: ContextId, inquirerId?: string): readonly unknown[];
  reflectClassMetadata(instance: object, key: string): readonly unknown[] | undefined;
  reflectMethodMetadata(method: Method, key: string): readonly unknown[] | undefined;
  create(...args: unknown[]): unknown;
}

type GuardLike = { canActivate(context: unknown): unknown; readonly constructor: { readonly name: string } };

interface ContextUtils {
  reflectCallbackMetadata(instance: object, method: string, key: string): Parameters | undefined;
  reflectCallbackParamtypes(instance: object, method: string): readonly unknown[] | undefined;
}

/** What is read or replaced of Nest's creator of calls. Nest calls it private. */
interface CreatorParts {
  guardsContextCreator: EnhancerSource;
  interceptorsContextCreator: EnhancerSource;
  pipesContextCreator: EnhancerSource;
  filtersContextCreator: EnhancerSource;
  guardsConsumer: { tryActivate(guards: unknown[], ...rest: unknown[]): Promise<boolean> };
  modulesContainer: Map<string, unknown>;
  contextUtils: ContextUtils;
  handlerMetadataStorage: unknown;
  getHostModuleKey: () => string;
  createGuardsFn: (guards: GuardLike[], instance: object, method: Method, type: string) => unknown;
}

const KINDS = [
  { kind: 'guards', source: 'guardsContextCreator', key: GUARDS_METADATA, scoped: 'getGlobalRequestGuards' },
  {
    kind: 'interceptors',
    source: 'interceptorsContextCreator',
    key: INTERCEPTORS_METADATA,
    scoped: 'getGlobalRequestInterceptors',
  },
  { kind: 'pipes', source: 'pipesContextCreator', key: PIPES_METADATA, scoped: 'getGlobalRequestPipes' },
  {
    kind: 'filters',
    source: 'filtersContextCreator',
    key: EXCEPTION_FILTERS_METADATA,
    scoped: 'getGlobalRequestFilters',
  },
] as const;

type Kind = (typeof KINDS)[number]['kind'];

/** A method that has enhancers, pipes or parameter decorators. */
export interface HandlerPlan {
  /** Global enhancers that have to be made for each call. */
  readonly scopedGlobals: ReadonlyMap<Kind, readonly InstanceWrapper[]>;
  /** @param globals what became of `scopedGlobals` */
  build(target: Host, contextId?: ContextId, globals?: ReadonlyMap<Kind, readonly unknown[]>): WrappedCall;
}

/**
 * Puts guards, interceptors, pipes and filters around methods, by Nest's own creator of such calls. That one knows no
 * switch for global enhancers, and finds the module of a class only among providers: so it is used through objects that
 * stand in front of it and answer these questions themselves. The creator that the application shares is left as it is.
 */
export class HandlerContexts {
  readonly #creator: CreatorParts;

  constructor(
    creator: ExternalContextCreator,
    private readonly enhancers: Enhancers,
  ) {
    this.#creator = creator as unknown as CreatorParts;
    const missing = KINDS.filter(({ source }) => typeof this.#creator[source]?.getGlobalMetadata !== 'function');
    // Rather no start than global HTTP guards that eat jobs.
    if (missing.length > 0) {
      throw new OqronError(
        'NEST_NOT_SUPPORTED',
        `This version of @nestjs/core keeps its enhancers in another way (${missing.map(({ source }) => source).join(', ')}): update oqronkit.`,
      );
    }
  }

  /** Nothing for a method that can be called as it is. */
  planFor(wrapper: InstanceWrapper, method: string, defaults: Parameters): HandlerPlan | undefined {
    const host = wrapper.instance as Host;
    const used = new Set(KINDS.filter((kind) => this.#uses(kind, host, method)).map(({ kind }) => kind));
    const declared = this.parameters(host, method);
    if (used.size === 0 && !declared) return undefined;
    const parameters = declared && withSchemaPipes(declared, this.#pipesOf(host, method));
    const front = this.#frontFor(wrapper, parameters ?? (used.has('pipes') ? defaults : undefined));
    const options = {
      guards: used.has('guards'),
      interceptors: used.has('interceptors'),
      filters: used.has('filters'),
    };
    return {
      scopedGlobals: this.#scopedGlobals(),
      build: (target, contextId, globals) => {
        const creator = (globals ? withGlobals(front, globals) : front) as unknown as ExternalContextCreator;
        // The wrapper's id: enhancers that are scoped or transient were made for this host.
        return creator.create(
          target,
          target[method] as Method,
          method,
          ROUTE_ARGS_METADATA,
          jobParams as never,
          contextId,
          wrapper.id,
          options,
          'oqron',
        ) as WrappedCall;
      },
    };
  }

  /** What decorators say of the parameters of a method. */
  parameters(host: object, method: string): Parameters | undefined {
    return this.#creator.contextUtils.reflectCallbackMetadata(host, method, ROUTE_ARGS_METADATA);
  }

  /** What the compiler says of them. Nothing where it emits no metadata of decorators. */
  types(host: object, method: string): readonly unknown[] | undefined {
    return this.#creator.contextUtils.reflectCallbackParamtypes(host, method);
  }

  #uses({ kind, source, key, scoped }: (typeof KINDS)[number], host: Host, method: string): boolean {
    if (kind !== 'pipes' && !this.enhancers[kind]) return false;
    const creator = this.#creator[source];
    const own = [creator.reflectClassMetadata(host, key), creator.reflectMethodMetadata(host[method] as Method, key)];
    if (own.some((found) => found && found.length > 0)) return true;
    return this.enhancers.global && (creator.getGlobalMetadata().length > 0 || scopedOf(creator, scoped).length > 0);
  }

  #pipesOf(host: Host, method: string): PipeLike[] {
    const { pipesContextCreator: pipes } = this.#creator;
    const own = [
      ...(pipes.reflectClassMetadata(host, PIPES_METADATA) ?? []),
      ...(pipes.reflectMethodMetadata(host[method] as Method, PIPES_METADATA) ?? []),
    ];
    return [...own, ...(this.enhancers.global ? pipes.getGlobalMetadata() : [])] as PipeLike[];
  }

  #scopedGlobals(): ReadonlyMap<Kind, readonly InstanceWrapper[]> {
    if (!this.enhancers.global) return new Map();
    const all = KINDS.map(({ kind, source, scoped }) => [kind, scopedOf(this.#creator[source], scoped)] as const);
    return new Map(all.filter(([kind, found]) => found.length > 0 && (kind === 'pipes' || this.enhancers[kind])));
  }

  /** Nest's creator as one handler sees it. */
  #frontFor(wrapper: InstanceWrapper, parameters: Parameters | undefined): CreatorParts {
    const creator = this.#creator;
    const front = Object.create(creator) as CreatorParts;
    const global = this.enhancers.global;
    for (const { source } of KINDS) {
      // Asked without a context, it answers with the static ones; the others are made by us.
      front[source] = override(creator[source], {
        getGlobalMetadata: () => (global ? creator[source].getGlobalMetadata() : []),
      });
    }
    const filters = front.filtersContextCreator;
    filters.create = (...args) =>
      new JobFilters(creator.filtersContextCreator.create.apply(filters, args) as FilterChain);
    front.contextUtils = override(creator.contextUtils, { reflectCallbackMetadata: () => parameters });
    front.handlerMetadataStorage = new HandlerMetadataStorage();
    // A class may be provided by several modules, and a controller is no provider at all.
    const moduleKey = [...creator.modulesContainer].find(([, module]) => module === wrapper.host)?.[0] ?? '';
    front.getHostModuleKey = () => moduleKey;
    front.createGuardsFn = (guards, instance, method, type) => guardsCall(creator, guards, instance, method, type);
    return front;
  }
}

function withGlobals(front: CreatorParts, globals: ReadonlyMap<Kind, readonly unknown[]>): CreatorParts {
  const own = Object.create(front) as CreatorParts;
  for (const { kind, source } of KINDS) {
    const made = globals.get(kind);
    if (!made) continue;
    const all = [...front[source].getGlobalMetadata(), ...made];
    own[source] = override(front[source], { getGlobalMetadata: () => all });
  }
  return own;
}

/** Says which guard refused what: "Forbidden resource" in a job's record helps nobody. */
function guardsCall(
  creator: CreatorParts,
  guards: GuardLike[],
  instance: object,
  method: Method,
  type: string,
): unknown {
  if (guards.length === 0) return null;
  return async (args: unknown[]): Promise<void> => {
    let last: GuardLike | undefined;
    const watched = guards.map((guard) => ({
      canActivate: (context: unknown) => {
        last = guard;
        return guard.canActivate(context);
      },
    }));
    if (await creator.guardsConsumer.tryActivate(watched, args, instance, method, type)) return;
    throw new ForbiddenException(
      `Forbidden resource: ${last?.constructor.name} refused ${instance.constructor.name}.${method.name}`,
    );
  };
}

function scopedOf({ config }: EnhancerSource, list: string): InstanceWrapper[] {
  return config?.[list]?.() ?? [];
}

function override<T extends object>(original: T, own: Partial<T>): T {
  return Object.assign(Object.create(original) as T, own);
}
