import 'reflect-metadata';
import type { ClusterEventName, ClusterEvents, EngineEventName, EngineEvents } from '../../kernel/events.js';
import { isContract, type QueueContract } from '../../modules/queue/index.js';
import type { ListenerDecorator } from './handler-method.js';
import { decoratedMethod } from './handler.metadata.js';
import type { OptionsDependencies, OptionsFactory } from './options-factory.js';

const KEY = 'oqron:on-job';

type JobEvents = Extract<EngineEventName, `job:${string}`>;

/** The engine's events as `@OnJob` names them: those of jobs without their prefix, the others with it. @publicApi */
export type OnJobEvent = (JobEvents extends `job:${infer E}` ? E : never) | Exclude<EngineEventName, JobEvents>;

/** The engine's name of an event. @publicApi */
export type EngineNameOf<E extends OnJobEvent> = `job:${E}` extends EngineEventName
  ? `job:${E}`
  : Extract<E, EngineEventName>;

/** The events that say of which queue they are, so that a contract can choose among them. @publicApi */
export type OnJobQueueEvent = {
  [E in OnJobEvent]: EngineEvents[EngineNameOf<E>] extends { readonly queue: string } ? E : never;
}[OnJobEvent];

/** Whose events a listener gets: those of this process, or hints of those of all processes. @publicApi */
export type OnJobScope = 'process' | 'cluster';

/** What a method with `@OnJob` gets. @publicApi */
export type OnJobPayload<E extends OnJobEvent, R = unknown, S extends OnJobScope = 'process'> = S extends 'cluster'
  ? ClusterEvents[Extract<EngineNameOf<E>, ClusterEventName>]
  : E extends 'success'
    ? Omit<EngineEvents['job:success'], 'result'> & { readonly result: R }
    : EngineEvents[EngineNameOf<E>];

/** Options of `@OnJob`. @publicApi */
export interface OnJobOptions<S extends OnJobScope = OnJobScope> {
  /**
   * `process`: what happens in this process, each event once. `cluster`: also what happens in others, through the
   * signal bus: hints that may get lost, without results, stacks and details.
   * @default 'process'
   */
  readonly scope?: S;
  /** Only events of this queue. @default those of all queues */
  readonly queue?: QueueContract | string;
}

type PlainOptions<S extends OnJobScope> = OnJobOptions<S> & { readonly inject?: never; readonly useFactory?: never };
type ScopeOnly<S extends OnJobScope> = Omit<PlainOptions<S>, 'queue'> & { readonly queue?: never };

/** Accepts methods that can take this event, or fields of it with `@Payload(field)`. @publicApi */
export type OnJobDecorator<P> = ListenerDecorator<P>;

/** What `@OnJob` left on a method. */
export interface ListenerMetadata {
  readonly event: string;
  /** An `OnJobOptions`, or what makes one. */
  readonly options: object;
  /** The queue of the decorator's second argument. */
  readonly queue: QueueContract | string | undefined;
}

/**
 * Method decorator: called when something happened to a job, or to the engine. It gets the event. It is called while
 * the application runs, at most once for each event, in the process where it happened; what must not get lost belongs
 * in a job (see `deadLetter`). What it throws is logged and hurts nothing. A method may carry several.
 *
 * @param event `'success'`, `'fail'`, `'retry'`, `'start'`, `'progress'`, `'added'`, `'stalled'`, `'cancelled'` or
 * `'released'` for jobs; other events of the engine by their names, such as `'queue:paused'` or `'error'`
 *
 * @example
 * @OnJob('fail', VideoEncode)
 * async tell({ id, error }: OnJobPayload<'fail'>): Promise<void> {}
 *
 * @OnJob('stalled', { scope: 'cluster' })
 * count({ queue }: OnJobPayload<'stalled'>): void {}
 * @publicApi
 */
export function OnJob<E extends OnJobEvent, S extends OnJobScope = 'process'>(
  event: E,
  options?: PlainOptions<S>,
): OnJobDecorator<OnJobPayload<E, unknown, S>>;
export function OnJob<E extends OnJobQueueEvent, T, R, S extends OnJobScope = 'process'>(
  event: E,
  contract: QueueContract<T, R>,
  options?: ScopeOnly<S>,
): OnJobDecorator<OnJobPayload<E, R, S>>;
export function OnJob<E extends OnJobQueueEvent, S extends OnJobScope = 'process'>(
  event: E,
  queue: string,
  options?: ScopeOnly<S>,
): OnJobDecorator<OnJobPayload<E, unknown, S>>;
/** Of options that are made at start nobody knows the scope yet: the method gets what both scopes have. */
export function OnJob<E extends OnJobEvent, const I extends OptionsDependencies = []>(
  event: E,
  options: OptionsFactory<OnJobOptions, I>,
): OnJobDecorator<OnJobPayload<E, unknown, 'cluster'>>;
export function OnJob<E extends OnJobQueueEvent, T, R, const I extends OptionsDependencies = []>(
  event: E,
  queue: QueueContract<T, R> | string,
  options: OptionsFactory<Omit<OnJobOptions, 'queue'>, I>,
): OnJobDecorator<OnJobPayload<E, unknown, 'cluster'>>;
export function OnJob(event: string, first: object | string = {}, second: object = {}): OnJobDecorator<never> {
  const metadata: ListenerMetadata =
    typeof first === 'string' || isContract(first)
      ? { event, queue: first, options: second }
      : { event, queue: undefined, options: first };
  return (target, key, descriptor) => {
    const method = decoratedMethod(target, key, descriptor);
    const others = (Reflect.getOwnMetadata(KEY, method) as ListenerMetadata[] | undefined) ?? [];
    // Decorators apply from below: the first one that is written comes first.
    Reflect.defineMetadata(KEY, [metadata, ...others], method);
  };
}

/** What `@OnJob` says of a method, as often as it does. */
export function listenerMetadata(method: object): readonly ListenerMetadata[] {
  return (Reflect.getMetadata(KEY, method) as ListenerMetadata[] | undefined) ?? [];
}
