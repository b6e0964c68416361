import type { CrashPoint } from './store-hooks.mjs';

export interface CrashCase extends Pick<CrashPoint, 'op' | 'when' | 'how'> {
  readonly name: string;
  readonly queue: string;
}

export function cases(store: 'redis' | 'postgres'): CrashCase[];

export function pointOf(one: CrashCase): CrashPoint & { readonly name: string };

export function uncovered(
  store: 'redis' | 'postgres',
  methods: readonly string[],
  scripts?: readonly string[],
): string[];
