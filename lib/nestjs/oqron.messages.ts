/** Texts in Nest's own style: a statement, then potential solutions. */
function withSolutions(statement: string, solutions: readonly string[]): string {
  return `${statement}\n\nPotential solutions:\n${solutions.map((solution) => `- ${solution}`).join('\n')}\n`;
}

export const duplicateHandler = (kind: string, name: string, first: string, second: string): string =>
  withSolutions(`Two handlers are registered for ${kind} "${name}": ${first} and ${second}.`, [
    'Keep one of them, or give each a queue of its own.',
    'If one class is provided by two modules, provide it once and export it.',
  ]);

export const scopedHandler = (place: string): string =>
  withSolutions(`${place} cannot run jobs: its class, or something it injects, is request-scoped or transient.`, [
    'Make the provider a singleton (the default scope).',
    'Resolve scoped dependencies inside the handler with ModuleRef.resolve().',
  ]);

export const forRootTwice = (): string =>
  withSolutions('OqronModule.forRoot() is imported more than once: each import would start an engine of its own.', [
    'Import it once, last in your root module.',
  ]);

export const decoratedTwice = (place: string): string =>
  withSolutions(`${place} carries more than one of @Queue, @Worker and @Handler.`, [
    'Give each queue, or each job name, a method of its own.',
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
