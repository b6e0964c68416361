import type { Definition } from '../../engine/definition.js';
import type { OqronEngine } from '../../engine/oqron-engine.js';
import { InvalidOptionsError, OqronError } from '../../kernel/errors/index.js';
import { duplicateHandler, duplicateListener } from '../oqron.messages.js';
import type { ConsumerPlan } from './consumers.js';
import type { Place } from './hosts.js';
import type { Listener, ListenerPlan } from './listeners.js';

type Serves = NonNullable<ConsumerPlan['serves']>;

/** What the walk found, and everything that is wrong with it. */
export class Findings {
  readonly problems: string[];
  readonly listeners: Listener[] = [];
  /** `Class.method` of definitions, by kind and name. */
  readonly places = new Map<string, string>();
  readonly #first = new Map<string, Place>();
  readonly #definitions: { readonly definition: Definition; readonly place: Place }[] = [];

  constructor(problems: readonly string[]) {
    this.problems = [...problems];
  }

  add(plan: ConsumerPlan | ListenerPlan): void {
    this.problems.push(...plan.problems);
    if ('listener' in plan && plan.listener) this.#listener(plan.listener);
    else if ('serves' in plan && plan.serves) this.#consumer(plan.place, plan.serves, plan.make);
  }

  /** Some rules need the whole configuration: only the engine knows whether they are kept. */
  defineOn(engine: OqronEngine): void {
    for (const { definition, place } of this.#definitions) this.#try(place, () => engine.define(definition));
  }

  /** Two of one queue are told of also when there is more that is wrong with them. */
  #consumer(place: Place, { kind, name }: Serves, make: ConsumerPlan['make']): void {
    const key = `${kind} ${name}`;
    const first = this.#first.get(key);
    if (first) {
      const [one, other] = apart(first, place);
      this.problems.push(duplicateHandler(kind, name, one, other, relationOf(first, place)));
    } else {
      this.#first.set(key, place);
      this.places.set(key, place.name);
    }
    if (make) {
      this.#try(place, () => {
        const definition = make();
        if (!first) this.#definitions.push({ definition, place });
      });
    }
  }

  /** One class twice tells everybody twice. Instances that factories made may well differ. */
  #listener(listener: Listener): void {
    const { place, event, queue } = listener;
    const twin = this.listeners.find(
      (other) =>
        other.event === event &&
        other.queue === queue &&
        other.place.name === place.name &&
        isSameProvider(other.place, place),
    );
    if (twin) this.problems.push(duplicateListener(place.name, [twin.place.host.module, place.host.module]));
    else this.listeners.push(listener);
  }

  #try(place: Place, code: () => void): void {
    try {
      code();
    } catch (error) {
      if (error instanceof InvalidOptionsError) {
        this.problems.push(...error.problems.map((problem) => `${place.name}: ${problem}`));
      } else if (error instanceof OqronError) this.problems.push(`${place.name}: ${error.message}`);
      else throw error;
    }
  }
}

/** Their names, and their modules where the names alone do not tell them apart. */
function apart(first: Place, second: Place): [string, string] {
  if (first.name !== second.name) return [first.name, second.name];
  return [`${first.name} (${first.host.module})`, `${second.name} (${second.host.module})`];
}

function isSameProvider({ host: one }: Place, { host: other }: Place): boolean {
  return one !== other && !one.wrapper.isNotMetatype && one.wrapper.metatype === other.wrapper.metatype;
}

function relationOf(first: Place, second: Place): 'same' | 'extends' | 'classes' | undefined {
  const { host: one } = first;
  const { host: other } = second;
  if (one.prototype === other.prototype) return one === other ? undefined : 'same';
  const related = isPrototypeOf(one.prototype, other.prototype) || isPrototypeOf(other.prototype, one.prototype);
  if (related) return 'extends';
  return first.name === one.name && second.name === other.name ? 'classes' : undefined;
}

function isPrototypeOf(prototype: object, object: object): boolean {
  return Object.prototype.isPrototypeOf.call(prototype, object);
}
