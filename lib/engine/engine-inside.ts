import type { EventBus } from '../kernel/events.js';
import type { Backend } from '../kernel/ports/backend.js';
import type { Clock } from '../kernel/ports/clock.js';

/** What an engine works with. */
export interface EngineInside {
  readonly events: EventBus;
  readonly clock: Clock;
  readonly backend: Backend;
}

const insides = new WeakMap<object, EngineInside>();

/** @internal Remembers what an engine works with, for the test kit, which has to see more than users do. */
export function keepInside(engine: object, inside: EngineInside): void {
  insides.set(engine, inside);
}

/** @internal What an engine works with. */
export function insideOf(engine: object): EngineInside | undefined {
  return insides.get(engine);
}
