import { closest } from 'fastest-levenshtein';
import { z } from 'zod';
import type { OqronEngine } from '../../engine/oqron-engine.js';
import type { ClusterEventName, EngineEventName } from '../../kernel/events.js';
import { nameProblem } from '../../kernel/job/ids.js';
import { textOf } from '../../kernel/job/stored-error.js';
import type { Logger } from '../../kernel/ports/logger.js';
import { checkOptions, strict } from '../../kernel/validation.js';
import { isContract } from '../../modules/queue/index.js';
import type { ListenerMetadata, OnJobScope } from '../decorators/on-job.decorator.js';
import { eventOfProcess, eventWithoutQueue, unknownEvent } from '../oqron.messages.js';
import type { Place } from './hosts.js';
import { resolveOptions } from './resolve-options.js';

/** A method with `@OnJob`. */
export interface Listener {
  readonly place: Place;
  /** As the engine names it. */
  readonly event: EngineEventName;
  readonly scope: OnJobScope;
  /** Only events of this queue, if it has one. */
  readonly queue: string | undefined;
  readonly call: (event: unknown) => Promise<void>;
}

export interface ListenerPlan {
  readonly place: Place;
  readonly problems: readonly string[];
  /** Missing when something is wrong with it. */
  readonly listener?: Listener;
}

/** Every event, and whether it says of which queue it is. */
const EVENTS: Readonly<Record<EngineEventName, boolean>> = {
  'job:added': true,
  'job:start': true,
  'job:progress': true,
  'job:success': true,
  'job:fail': true,
  'job:retry': true,
  'job:released': true,
  'job:stalled': true,
  'job:cancelled': true,
  'worker:lost-lease': true,
  'queue:paused': true,
  'queue:resumed': true,
  'queue:drained': true,
  'queue:upgraded': true,
  'queue:disabled': true,
  'queue:enabled': true,
  'leader:elected': false,
  'leader:lost': false,
  'system:ready': false,
  'system:stop': false,
  error: false,
};

const JOB = 'job:';
/** As `@OnJob` names them. */
const NAMES = Object.keys(EVENTS).map((event) => (event.startsWith(JOB) ? event.slice(JOB.length) : event));

const optionsSchema = strict({
  scope: z.enum(['process', 'cluster'], "expected 'process' or 'cluster'").default('process'),
  queue: z
    .unknown()
    .optional()
    .transform((value, ctx) => {
      if (value === undefined) return undefined;
      const name = isContract(value) ? value.name : value;
      const problem = nameProblem(name);
      if (problem !== undefined) ctx.addIssue(problem);
      return name as string;
    }),
});

/** A method with `@OnJob`: its options, and what it listens to. */
export async function planListener(
  place: Place,
  metadata: ListenerMetadata,
  call: Listener['call'],
): Promise<ListenerPlan> {
  const written = metadata.event;
  if (!NAMES.includes(written)) {
    return { place, problems: [unknownEvent(place.name, String(written), closest(String(written), NAMES))] };
  }
  const { options, problems } = await resolveOptions(place, '@OnJob', metadata.options);
  if (problems) return { place, problems };
  const checked = checkOptions(
    optionsSchema,
    metadata.queue === undefined ? options : { ...options, queue: metadata.queue },
  );
  if (checked.problems) return { place, problems: checked.problems.map((problem) => `${place.name}: ${problem}`) };
  const { scope, queue } = checked.value;
  const event = (JOB + written in EVENTS ? JOB + written : written) as EngineEventName;
  if (queue !== undefined && !EVENTS[event]) return { place, problems: [eventWithoutQueue(place.name, written)] };
  if (scope === 'cluster' && event === 'error') return { place, problems: [eventOfProcess(place.name, written)] };
  return { place, problems: [], listener: { place, event, scope, queue, call } };
}

/** From now on the listeners are called. Answers a function that ends it. */
export function listen(engine: OqronEngine, listeners: readonly Listener[], logger: Logger): () => void {
  const ends = listeners.map((listener) => {
    const { event, scope } = listener;
    const tell = teller(listener, logger);
    return scope === 'cluster'
      ? engine.on(event as ClusterEventName, tell, { scope: 'cluster' })
      : engine.on(event, tell);
  });
  return () => {
    for (const end of ends) end();
  };
}

/** Calls the method for the events that it wants; what it throws is one line in the log that names it. */
function teller(
  { place, event, queue, call }: Listener,
  logger: Logger,
): (payload: object) => Promise<void> | undefined {
  const failed = (payload: { queue?: string; id?: string }, error: unknown): void => {
    const { queue: of, id } = payload;
    const stack = error instanceof Error ? error.stack : undefined;
    logger.error(`${place.name}, a listener of "${event}", threw: ${textOf(error)}`, {
      ...(of === undefined ? {} : { queue: of }),
      ...(id === undefined ? {} : { id }),
      ...(stack === undefined ? {} : { stack }),
    });
  };
  return (payload: { queue?: string; id?: string }) => {
    if (queue !== undefined && payload.queue !== queue) return undefined;
    // The engine waits for the promise when it stops: the last events are heard to their end.
    return call(payload).catch((error: unknown) => failed(payload, error));
  };
}
