import type { EnhancerOptions } from '../oqron.module-definition.js';

/** The option `enhancers` with every default filled in. Pipes run always: methods rely on what they make of a payload. */
export interface Enhancers {
  readonly global: boolean;
  readonly guards: boolean;
  readonly interceptors: boolean;
  readonly filters: boolean;
}

export function enhancersOf(options: boolean | EnhancerOptions = true): Enhancers {
  if (typeof options === 'boolean') return { global: false, guards: options, interceptors: options, filters: options };
  const { global = false, guards = true, interceptors = true, filters = true } = options;
  return { global, guards, interceptors, filters };
}
