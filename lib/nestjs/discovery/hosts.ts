import type { InstanceWrapper } from '@nestjs/core/internal';

/** A provider or controller whose class may have decorated methods. */
export interface Host {
  readonly wrapper: InstanceWrapper;
  /** Of its instance. Methods are read here: the getters of an instance are none of our business. */
  readonly prototype: object;
  /** Name of its class. */
  readonly name: string;
  /** Name of the module that has it. */
  readonly module: string;
}

/** A method of a host, or the host's class. */
export interface Place {
  readonly host: Host;
  /** `Class.method`, or `Class`. */
  readonly name: string;
}

/**
 * Every instance once. What has no class is passed over: values, functions, and the plain objects that tests put in
 * place of providers.
 */
export function hostsOf(wrappers: readonly InstanceWrapper[]): Host[] {
  const hosts = new Map<object, Host>();
  // Classes first: a factory that hands out another provider's instance must not become its host.
  for (const wrapper of wrappers.toSorted((a, b) => Number(a.isNotMetatype) - Number(b.isNotMetatype))) {
    // An alias has the instance of another provider, or none when that one is request-scoped.
    const instance: unknown = wrapper.isAlias ? undefined : wrapper.instance;
    if (typeof instance !== 'object' || instance === null || hosts.has(instance)) continue;
    const prototype = Object.getPrototypeOf(instance) as object | null;
    if (!prototype || prototype === Object.prototype) continue;
    const module = wrapper.host?.name ?? 'unknown module';
    hosts.set(instance, { wrapper, prototype, name: classOf(wrapper, prototype), module });
  }
  return [...hosts.values()];
}

function classOf(wrapper: InstanceWrapper, prototype: object): string {
  if (wrapper.metatype && !wrapper.isNotMetatype) return wrapper.metatype.name;
  const type: unknown = Object.getOwnPropertyDescriptor(prototype, 'constructor')?.value;
  return typeof type === 'function' ? type.name : String(wrapper.name);
}

/** The value of a method, wherever in the chain of prototypes it is. */
export function methodOf(prototype: object, name: string): object | undefined {
  for (let at: object | null = prototype; at; at = Object.getPrototypeOf(at) as object | null) {
    const found = Object.getOwnPropertyDescriptor(at, name);
    if (found) return typeof found.value === 'function' ? (found.value as object) : undefined;
  }
  return undefined;
}
