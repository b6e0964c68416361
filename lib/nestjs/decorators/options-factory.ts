import type { InjectionToken, OptionalFactoryDependency } from '@nestjs/common';

/** What `inject` of an {@link OptionsFactory} may list: tokens, or `{ token, optional: true }`. @publicApi */
export type OptionsDependencies = readonly (InjectionToken | OptionalFactoryDependency)[];

/** What is injected for a token: an instance of a class; of other tokens the types say nothing. @publicApi */
export type InjectedValue<D> = D extends abstract new (...args: never[]) => infer V
  ? V
  : D extends { readonly token: infer K; readonly optional: boolean }
    ? InjectedValue<K> | undefined
    : unknown;

/**
 * Options of a decorator from dependency injection. They are made once, when the application starts, with what the
 * module of the decorated class can inject, else with what any module has. A token that nobody provides, a factory
 * that throws and options that are not valid are reported at start, with all other mistakes.
 *
 * @example
 * @Worker(VideoEncode, {
 *   inject: [ConfigService],
 *   useFactory: (config) => ({ concurrency: config.getOrThrow<number>('ENCODE_CONCURRENCY') }),
 * })
 * @publicApi
 */
export interface OptionsFactory<O, I extends OptionsDependencies = []> {
  /** What `useFactory` gets, in this order. @default [] */
  readonly inject?: I;
  /** Makes the options, at once or later. */
  useFactory(...values: NoInfer<{ -readonly [K in keyof I]: InjectedValue<I[K]> }>): O | Promise<O>;
}

/** Options as they are, or from dependency injection. @publicApi */
export type OptionsOrFactory<O, I extends OptionsDependencies = []> =
  (O & { readonly inject?: never; readonly useFactory?: never }) | OptionsFactory<O, I>;

/** Any factory, as the explorer sees it. */
export interface AnyOptionsFactory {
  readonly inject?: unknown;
  readonly useFactory: unknown;
}

export function isOptionsFactory(options: object): options is AnyOptionsFactory {
  return 'useFactory' in options || 'inject' in options;
}
