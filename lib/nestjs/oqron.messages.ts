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
  withSolutions(`${place} carries more than one @Queue or @Worker.`, ['Give each queue a method of its own.']);
