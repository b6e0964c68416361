import { nameProblem } from '../kernel/job/ids.js';
import type { Handler } from '../kernel/runtime/consumer.js';
import type { NamedMetadata } from './decorators/handler.metadata.js';
import { duplicateName, handlerOfAnother, workerWithoutHandlers } from './oqron.messages.js';

/** A method with `@Handler`. */
export interface NamedMethod {
  /** `Class.method`. */
  readonly place: string;
  readonly metadata: NamedMetadata;
  readonly run: Handler;
}

/** The methods of a class with `@Worker` by job name, and what is wrong with them. */
export function handlersByName(
  place: string,
  topic: string,
  methods: readonly NamedMethod[],
): { handlers: Record<string, Handler>; problems: string[] } {
  const problems = methods.length === 0 ? [workerWithoutHandlers(place, topic)] : [];
  const byName = new Map<string, NamedMethod>();
  for (const method of methods) {
    const { name, contract } = method.metadata;
    const unfit = nameProblem(name);
    const first = byName.get(name);
    if (unfit !== undefined) problems.push(`${method.place}: ${unfit}`);
    else if (contract && contract.name !== topic) {
      problems.push(handlerOfAnother(method.place, contract.name, place, topic));
    } else if (first) problems.push(duplicateName(topic, name, first.place, method.place));
    else byName.set(name, method);
  }
  return { handlers: Object.fromEntries([...byName].map(([name, { run }]) => [name, run])), problems };
}
