/** Texts in Nest's own style: a statement, then potential solutions. */
export function withSolutions(statement: string, solutions: readonly string[]): string {
  return `${statement}\n\nPotential solutions:\n${solutions.map((solution) => `- ${solution}`).join('\n')}\n`;
}

export const duplicateHandler = (
  kind: string,
  name: string,
  first: string,
  second: string,
  relation?: 'same' | 'extends' | 'classes',
): string =>
  withSolutions(`Two handlers are registered for ${kind} "${name}": ${first} and ${second}.`, [
    ...(relation === 'same' ? ['If one class is provided by two modules, provide it once and export it.'] : []),
    ...(relation === 'extends'
      ? ['One class extends the other, and inherits its handlers: provide only one, or decorate what it overrides.']
      : []),
    ...(relation === 'classes' ? ['Put the methods with @Handler of one queue into one class.'] : []),
    'Keep one of them, or give each a queue of its own.',
  ]);

export const duplicateListener = (place: string, modules: readonly string[]): string =>
  withSolutions(`${place} would be called twice for each event: ${modules.join(' and ')} provide its class.`, [
    'Provide the class once, and export it from that module.',
  ]);

export const forRootTwice = (): string =>
  withSolutions('OqronModule.forRoot() is imported more than once: each import would start an engine of its own.', [
    'Import it once, last in your root module.',
  ]);

export const decoratedTwice = (place: string): string =>
  withSolutions(`${place} carries more than one of @Queue, @Worker and @Handler.`, [
    'Give each queue, or each job name, a method of its own.',
  ]);

export const notAMethod = (place: string): string =>
  withSolutions(`${place} is decorated as a handler or listener, and is not a method of instances with a name.`, [
    'Decorate a method that is not static, not a getter, and whose name is no symbol.',
  ]);

export const classDecoratedTwice = (place: string): string =>
  withSolutions(`${place} carries more than one @Worker.`, ['Give each queue a class, or a method, of its own.']);

export const workerWithoutHandlers = (place: string, topic: string): string =>
  withSolutions(`${place} carries @Worker for "${topic}", and none of its methods carries @Handler.`, [
    'Put @Handler(name) on the methods that run its jobs, one for each job name.',
    'If one method runs all of them, move @Worker there.',
  ]);

export const handlersWithoutWorker = (place: string, methods: readonly string[]): string =>
  withSolutions(`${place} has @Handler on ${methods.join(', ')}, and no @Worker that says of which queue.`, [
    `Put @Worker(contract) on the class ${place}.`,
    'If the method runs jobs of any name, put @Worker there in place of @Handler.',
  ]);

export const duplicateName = (topic: string, name: string, first: string, second: string): string =>
  withSolutions(`Two handlers are registered for "${name}" of worker "${topic}": ${first} and ${second}.`, [
    'Keep one of them, or give each a job name of its own.',
  ]);

export const handlerOfAnother = (place: string, own: string, type: string, topic: string): string =>
  withSolutions(`${place} carries @Handler for the queue "${own}", and ${type} is a worker of "${topic}".`, [
    'Give @Handler and @Worker the same contract.',
    'Move the method to a class that is a worker of its queue.',
  ]);

export const targetMissing = (place: string, decorator: string, key: string): string =>
  withSolutions(`${place}: the options of ${decorator} have no ${key}, so nobody knows which queue it is.`, [
    `Give ${decorator} a contract or a name before its options.`,
    `Put a text \`${key}\` into the options.`,
  ]);

export const badFactory = (place: string, decorator: string, others: readonly string[]): string =>
  withSolutions(
    others.length > 0
      ? `${place}: ${decorator} has \`useFactory\` or \`inject\`, and options beside them: ${others.join(', ')}.`
      : `${place}: ${decorator} needs a function \`useFactory\`, and a list \`inject\` if it has one.`,
    ['Let `useFactory` return all options of the decorator.', 'Without dependency injection, leave both out.'],
  );

export const unknownToken = (place: string, decorator: string, token: string, module: string): string =>
  withSolutions(`${place}: ${decorator} injects ${token} for its options, and no module provides it.`, [
    `Is ${token} a provider? Add it to ${module}, or import its module there.`,
    'If it may be missing, write { token, optional: true }.',
    ...(token === 'undefined' ? ['The token itself is undefined: two files may import each other.'] : []),
  ]);

export const scopedToken = (place: string, decorator: string, token: string): string =>
  withSolutions(
    `${place}: ${decorator} injects ${token} for its options, and that is request-scoped or transient. ` +
      'Options are made once, when the application starts.',
    ['Inject a singleton.'],
  );

export const factoryFailed = (place: string, decorator: string, error: unknown): string =>
  withSolutions(`${place}: useFactory of ${decorator} threw ${error instanceof Error ? String(error) : show(error)}`, [
    'Look at what it read: a setting that is missing, or one of another type.',
  ]);

export const noOptions = (place: string, decorator: string, value: unknown): string =>
  withSolutions(`${place}: useFactory of ${decorator} returned ${show(value)}.`, [
    'Return an object with the options of the decorator; {} stands for the defaults.',
  ]);

export const unknownEvent = (place: string, event: string, nearest: string): string =>
  withSolutions(`${place}: @OnJob does not know the event "${event}".`, [
    `Did you mean "${nearest}"?`,
    "Events of jobs have no prefix ('fail'), all others have one ('queue:paused').",
  ]);

export const eventWithoutQueue = (place: string, event: string): string =>
  withSolutions(`${place}: @OnJob('${event}') has a queue, and this event belongs to none.`, ['Leave the queue out.']);

export const eventOfProcess = (place: string, event: string): string =>
  withSolutions(`${place}: @OnJob('${event}') asks for the whole cluster, and this event stays in its process.`, [
    "Leave the option scope out, or set it to 'process'.",
  ]);

function show(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 80)) : String(value);
}
