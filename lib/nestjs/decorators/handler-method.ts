import type { JobContext } from '../../kernel/runtime/job-context.js';

/** A method that runs jobs: payload first, then the context. */
export type HandlerMethod<T, R> = (data: T, ctx: JobContext<T>) => R | Promise<R>;

/**
 * Accepts only methods that take this payload and answer this result: as `HandlerMethod`, or with `@Payload()` and
 * `@Ctx()` at their parameters. Types do not see the decorators of parameters, so each of these may be what a decorator
 * can fill in: the payload, a field of it, or the context. Of a payload that is `unknown` nothing is checked but the
 * result: `@Worker<unknown, string>(Mail)` is for parameters that pipes or decorators of your own make something else of.
 */
export type HandlerDecorator<T, R> = <M extends AnyMethod>(
  target: object,
  key: string | symbol,
  descriptor: TypedPropertyDescriptor<M> & TypedPropertyDescriptor<Accepted<HandlerMethod<T, R>, M, T, JobContext<T>>>,
) => void;

/** Accepts only methods that take this event, or fields of it with `@Payload(field)`. @publicApi */
export type ListenerDecorator<P> = <M extends AnyMethod>(
  target: object,
  key: string | symbol,
  descriptor: TypedPropertyDescriptor<M> & TypedPropertyDescriptor<Accepted<(event: P) => unknown, M, P, never>>,
) => void;

type AnyMethod = (...args: never[]) => unknown;

/** The method itself where it fits, otherwise what was expected: the compiler then says what is wrong with it. */
type Accepted<Plain extends AnyMethod, M extends AnyMethod, T, C> = M extends Plain
  ? M
  : M extends (...args: infer A) => ReturnType<Plain>
    ? IsUnknown<T> extends true
      ? M
      : A extends [infer First, infer Second, ...unknown[]]
        ? [Takes<First, T>, Takes<Second, C>] extends [true, true]
          ? // The plain form, and more: nobody fills the rest in.
            Plain
          : IfFilled<Plain, M, A, T, C>
        : IfFilled<Plain, M, A, T, C>
    : Plain;

type IfFilled<Plain, M, A, T, C> = false extends { [I in keyof A]: Fillable<A[I], T, C> }[keyof A & number] ? Plain : M;

/** Whether a parameter can be given the payload, the context, or a field of the payload. */
type Fillable<P, T, C> = true extends Takes<P, T> | (IsNever<C> extends true ? false : Takes<P, C>) | TakesField<P, T>
  ? true
  : false;

type Takes<P, S> = [S] extends [P] ? true : false;

/** A field that may be missing counts as one that is there: pipes fill in defaults. */
type TakesField<P, T> = T extends readonly unknown[]
  ? false
  : T extends object
    ? { [K in keyof T]-?: Takes<P, NonNullable<T[K]>> }[keyof T]
    : false;

/** `any` too. */
type IsUnknown<T> = unknown extends T ? true : false;
type IsNever<T> = [T] extends [never] ? true : false;
