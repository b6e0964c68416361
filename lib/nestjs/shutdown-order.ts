import type { ModulesContainer } from '@nestjs/core';

type NestModule = ModulesContainer extends Map<string, infer M> ? M : never;

/**
 * The `onModuleDestroy` hooks that Nest calls before those of the module that `isOurs`, as `Class.onModuleDestroy (Module)`.
 * Nest sorts modules by their distance from the root module and destroys them from the near ones to the far ones, equal
 * ones in reverse order of their imports, and global ones last.
 */
export function destroyedBefore(modules: Iterable<NestModule>, isOurs: (module: NestModule) => boolean): string[] {
  const asTheyBegin = [...modules].sort((a, b) => b.distance - a.distance);
  const ours = asTheyBegin.findIndex(isOurs);
  return ours < 0
    ? []
    : asTheyBegin
        .slice(ours + 1)
        .toReversed()
        .flatMap(destroyHooks);
}

function destroyHooks(module: NestModule): string[] {
  const collections = [module.providers, module.controllers, module.injectables, module.middlewares];
  const wrappers = collections.flatMap((collection) => [...collection.values()]);
  return wrappers
    .filter((wrapper) => !wrapper.isAlias && wrapper.isDependencyTreeStatic() && hasHook(wrapper.instance))
    .map(({ instance }) => `${(instance as object).constructor.name}.onModuleDestroy (${module.name})`);
}

function hasHook(instance: unknown): boolean {
  return (
    typeof instance === 'object' && instance !== null && typeof Reflect.get(instance, 'onModuleDestroy') === 'function'
  );
}
