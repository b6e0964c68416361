import type { FactoryProvider, InjectionToken, Provider, ValueProvider } from '@nestjs/common';

const added = new Map<InjectionToken, Provider>();

/**
 * Adds a provider to the core of every application of this process that is made from now on. For a test kit: a
 * `TestingModuleBuilder` replaces providers and cannot add one. Of two with one token the later counts.
 */
export function addCoreProvider(provider: FactoryProvider | ValueProvider): void {
  added.set(provider.provide, provider);
}

export function coreProviders(): readonly Provider[] {
  return [...added.values()];
}
