import { Inject, Injectable, type Type } from '@nestjs/common';
import { ContextIdFactory, ExternalContextCreator, ModuleRef, type ContextId } from '@nestjs/core';
import type { InstanceWrapper } from '@nestjs/core/internal';
import type { Handler } from '../../kernel/runtime/consumer.js';
import { OQRON_MODULE_OPTIONS, type OqronModuleOptions } from '../oqron.module-definition.js';
import { enhancersOf } from './enhancer-options.js';
import { HandlerContexts, type HandlerPlan, type Host, type Method, type WrappedCall } from './handler-contexts.js';
import { emptyParameter, primitivePayload } from './messages.js';
import { emptyParameters, HANDLER_PARAMETERS, LISTENER_PARAMETERS } from './parameters.js';

/**
 * Turns a decorated method into what the engine calls for each job, or each event. What can be decided once is decided
 * when it is made: a method of a singleton without enhancers, pipes and parameter decorators is called as it is.
 */
@Injectable()
export class OqronInvoker {
  readonly #contexts: HandlerContexts;

  constructor(creator: ExternalContextCreator, @Inject(OQRON_MODULE_OPTIONS) { enhancers }: OqronModuleOptions) {
    this.#contexts = new HandlerContexts(creator, enhancersOf(enhancers));
  }

  /** What is wrong with the parameters of a method: nothing is called before this is empty. */
  problems(wrapper: InstanceWrapper, method: string, place: string): string[] {
    const host = wrapper.instance as Host;
    const declared = this.#contexts.parameters(host, method);
    if (!declared) return [];
    const count = Math.max((host[method] as Method).length, this.#contexts.types(host, method)?.length ?? 0);
    return emptyParameters(declared, count).map((index) => emptyParameter(place, index + 1));
  }

  /** Calls the method with the payload and the context of a job. Made once for each handler. */
  handler(wrapper: InstanceWrapper, method: string): Handler {
    const plan = this.#contexts.planFor(wrapper, method, HANDLER_PARAMETERS);
    if (isPerJob(wrapper) || (plan && plan.scopedGlobals.size > 0)) {
      const call = scopedCall(wrapper, method, plan);
      return (ctx) => call(ctx, ctx.data, ctx);
    }
    const instance = wrapper.instance as Host;
    if (plan) {
      const call = plan.build(instance);
      return (ctx) => call(ctx.data, ctx);
    }
    const run = instance[method] as Method;
    const refuse = this.#primitiveGuard(instance, method);
    if (refuse) {
      return (ctx) => {
        refuse(ctx.data);
        return run.call(instance, ctx.data, ctx);
      };
    }
    return (ctx) => run.call(instance, ctx.data, ctx);
  }

  /** Calls the method with what an event carries. Made once for each listener. */
  listener(wrapper: InstanceWrapper, method: string): (event: unknown) => Promise<void> {
    const plan = this.#contexts.planFor(wrapper, method, LISTENER_PARAMETERS);
    if (isPerJob(wrapper) || (plan && plan.scopedGlobals.size > 0)) {
      const call = scopedCall(wrapper, method, plan);
      return async (event) => void (await call(event, event));
    }
    const instance = wrapper.instance as Host;
    const call = plan ? plan.build(instance) : (instance[method] as Method).bind(instance);
    return async (event) => void (await call(event));
  }

  /**
   * The types let `send(to: string)` pass for `@Payload('to') to: string`, since they do not see the decorator. Where it
   * was forgotten, the method would get the whole payload for a text.
   */
  #primitiveGuard(host: Host, method: string): ((payload: unknown) => void) | undefined {
    const type = this.#contexts.types(host, method)?.[0];
    const name = [String, Number, Boolean].find((primitive) => primitive === type)?.name;
    if (name === undefined) return undefined;
    const place = `${host.constructor.name}.${method}`;
    return (payload) => {
      if (typeof payload === 'object' && payload !== null) throw new TypeError(primitivePayload(place, name));
    };
  }
}

/** Request-scoped, transient, or in need of something request-scoped: an enhancer counts too. */
function isPerJob(wrapper: InstanceWrapper): boolean {
  return !wrapper.isDependencyTreeStatic() || wrapper.isTransient;
}

type ScopedCall = (request: unknown, ...args: unknown[]) => Promise<unknown>;

/**
 * Builds host and enhancers for each call, in a context of their own. Nest keeps what it makes in weak maps by that
 * context: when the call is over, nothing holds them.
 */
function scopedCall(wrapper: InstanceWrapper, method: string, plan: HandlerPlan | undefined): ScopedCall {
  const durable = wrapper.isDependencyTreeDurable();
  const hostRef = moduleRefOf(wrapper);
  const globals = plan && plan.scopedGlobals.size > 0 ? plan.scopedGlobals : undefined;
  return async (request, ...args) => {
    const contextId = ContextIdFactory.getByRequest(request as object);
    const { payload } = contextId as { payload?: unknown };
    // As Nest's own entry points do it: what is durable outlives the job, and is given what the strategy says of its tenant.
    hostRef.registerRequestByContextId(durable ? (payload ?? request) : request, contextId);
    const target = await resolve(hostRef, wrapper, contextId);
    if (!plan) return (target[method] as Method)(...args);
    const made = globals && (await resolveAll(globals, contextId));
    const call: WrappedCall = plan.build(target, contextId, made);
    return call(...args);
  };
}

/** That of the wrapper's own module: two modules may provide one class. */
function moduleRefOf(wrapper: InstanceWrapper): ModuleRef {
  return wrapper.host?.getProviderByKey(ModuleRef).instance as ModuleRef;
}

function resolve(moduleRef: ModuleRef, wrapper: InstanceWrapper, contextId: ContextId): Promise<Host> {
  return moduleRef.resolve<Host>(wrapper.token as Type<Host>, contextId, { strict: true });
}

async function resolveAll<K>(
  wrappers: ReadonlyMap<K, readonly InstanceWrapper[]>,
  contextId: ContextId,
): Promise<ReadonlyMap<K, readonly unknown[]>> {
  const made = [...wrappers].map(async ([kind, list]) => {
    const instances = await Promise.all(list.map((wrapper) => resolve(moduleRefOf(wrapper), wrapper, contextId)));
    return [kind, instances] as const;
  });
  return new Map(await Promise.all(made));
}
