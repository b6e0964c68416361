// Each switch takes one feature of the Nest face out of what a test loads: `find`, which `file` has exactly once, becomes
// `replace`. The tests in `red` must fail then, and those in `green`, of the same spec, must not: the application itself
// still runs. Where `more` is set the switch is tried only with OQRON_TEETH=all.

const NEST = 'lib/nestjs';
const SPECS = 'test/nest';

/** @type {readonly import('./switches.mjs').Switch[]} */
export const switches = [
  {
    feature: 'a guard may refuse a job',
    file: `${NEST}/invocation/handler-contexts.ts`,
    find: "if (kind !== 'pipes' && !this.enhancers[kind]) return false;",
    replace: "if (kind === 'guards') return false;",
    spec: `${SPECS}/enhancers.spec.ts`,
    red: ['enhancers on a handler a guard that refuses fails the job at once, with its own name in the error'],
    green: ['a filter on a handler may throw another error, and catches only its types'],
  },
  {
    feature: 'enhancers on a class',
    file: `${NEST}/invocation/handler-contexts.ts`,
    find: 'getGlobalMetadata: () => (global ?',
    replace: 'reflectClassMetadata: () => [], getGlobalMetadata: () => (global ?',
    spec: `${SPECS}/enhancers.spec.ts`,
    red: [
      'enhancers on a handler run as in HTTP: guards of class and method, interceptors, pipes, method, and back; with what they inject',
    ],
    green: ['an HttpException with status 503 is retried as usual'],
  },
  {
    feature: 'what a filter answers is the result',
    file: `${NEST}/invocation/job-filters.ts`,
    find: 'if (value === undefined) throw thrown;',
    replace: 'throw thrown;',
    spec: `${SPECS}/enhancers.spec.ts`,
    red: ['a filter on a handler makes what it answers the result of the job'],
    green: ['a filter on a handler may throw another error, and catches only its types'],
  },
  {
    feature: 'a 4xx is not tried again',
    file: `${NEST}/invocation/http-errors.ts`,
    find: 'retryable: !(status >= 400 && status < 500) || PASSING.has(status),',
    replace: 'retryable: true,',
    spec: `${SPECS}/enhancers.spec.ts`,
    red: ['an HttpException with status 400 fails the job at once'],
    green: ['an HttpException with status 503 is retried as usual'],
  },
  {
    feature: 'global enhancers leave jobs alone',
    file: `${NEST}/invocation/handler-contexts.ts`,
    find: '(global ? creator[source].getGlobalMetadata() : [])',
    replace: 'creator[source].getGlobalMetadata()',
    spec: `${SPECS}/enhancers-global.spec.ts`,
    red: ['global enhancers do not touch jobs whose handlers have enhancers of their own either'],
    green: ['global enhancers run with `enhancers: { global: true }`, for listeners too'],
  },
  {
    feature: '@Payload(field)',
    file: `${NEST}/invocation/parameters.ts`,
    find: "return typeof field === 'string' ? (payload as Record<string, unknown> | null | undefined)?.[field] : payload;",
    replace: 'return payload;',
    spec: `${SPECS}/params.spec.ts`,
    red: ['@Payload and @Ctx give the payload, a field of it, the context and a property of it, in any order'],
    green: ['@Payload and @Ctx without any of them a method gets the payload and the context'],
  },
  {
    feature: 'request scope for each job',
    file: `${NEST}/invocation/oqron.invoker.ts`,
    find: 'return !wrapper.isDependencyTreeStatic() || wrapper.isTransient;',
    replace: 'return false;',
    spec: `${SPECS}/scopes.spec.ts`,
    red: [
      'a handler that needs something request-scoped is made for each job, with the job as JOB_REF',
      'a listener that needs something request-scoped is made for each event, with the event as JOB_REF',
    ],
  },
  {
    feature: 'options of decorators from dependency injection',
    file: `${NEST}/discovery/resolve-options.ts`,
    find: '(useFactory as Factory)(...injected.map(({ value }) => value))',
    replace: '(useFactory as Factory)(...injected.map(() => undefined))',
    spec: `${SPECS}/di-options.spec.ts`,
    red: [
      'options of a decorator come from dependency injection, at once or later, for @Worker and @Queue on methods and @Worker on classes',
    ],
    green: ['a mistake in them is found in rules that only the whole configuration knows, with its place'],
  },
  {
    feature: '@OnJob hears of its contract only',
    file: `${NEST}/discovery/listeners.ts`,
    find: 'if (queue !== undefined && payload.queue !== queue) return undefined;',
    replace: '',
    spec: `${SPECS}/on-job.spec.ts`,
    red: ['@OnJob hears only of the queue that its contract, name or option says'],
    green: ['@OnJob may stand on a method several times, be inherited, and be on controllers'],
  },
  {
    feature: 'two handlers of one queue are an error',
    file: `${NEST}/discovery/findings.ts`,
    find: 'this.problems.push(duplicateHandler(kind, name, one, other, relationOf(first, place)));',
    replace: 'void [kind, name, one, other, duplicateHandler, relationOf];',
    spec: `${SPECS}/discovery.spec.ts`,
    red: ['a mistake in the decorators names both classes when two handle the same queue, and starts nothing'],
    green: ['a decorated method runs the jobs of a contract with payload and context, as a method of its provider'],
  },
  {
    feature: 'all mistakes at once',
    file: `${NEST}/oqron.explorer.ts`,
    find: "throw new InvalidOptionsError('OqronModule', findings.problems);",
    replace: "throw new InvalidOptionsError('OqronModule', findings.problems.slice(0, 1));",
    spec: `${SPECS}/discovery.spec.ts`,
    red: ['a mistake in the decorators is reported with all the others, each with its place'],
    green: ['a mistake in the decorators names both classes when two handle the same queue, and starts nothing'],
    more: true,
  },
  {
    feature: 'controllers as hosts',
    file: `${NEST}/oqron.explorer.ts`,
    find: ', ...this.discovery.getControllers()]',
    replace: ']',
    spec: `${SPECS}/discovery.spec.ts`,
    red: ['a decorated method is found on controllers too'],
    green: ['a decorated method runs the jobs of a contract with payload and context, as a method of its provider'],
    more: true,
  },
  {
    feature: 'handlers are drained before onModuleDestroy of others',
    file: `${NEST}/oqron.runner.ts`,
    find: 'async onModuleDestroy(): Promise<void> {',
    replace: 'async onModuleDestroy(): Promise<void> { return;',
    spec: `${SPECS}/shutdown-order.spec.ts`,
    red: [
      'a module that disconnects in onModuleDestroy imported by the module of the worker is destroyed after the last job, which could still add others',
    ],
    green: ['the warning of the order names a provider of the root module'],
  },
  {
    feature: 'a warning of the order of modules',
    file: `${NEST}/oqron.runner.ts`,
    find: 'if (places.length > 0) this.logger.warn(destroyedBeforeDrain(places));',
    replace: 'void [places, destroyedBeforeDrain];',
    spec: `${SPECS}/shutdown-order.spec.ts`,
    red: ['the warning of the order names a provider of the root module'],
    green: [
      'a module that disconnects in onModuleDestroy imported by the module of the worker is destroyed after the last job, which could still add others',
    ],
  },
  {
    feature: 'autoStart: false',
    file: `${NEST}/oqron.runner.ts`,
    find: 'if (this.options.autoStart ?? true) await this.start();',
    replace: 'await this.start();',
    spec: `${SPECS}/lifecycle-runner.spec.ts`,
    red: ['autoStart: false runs nothing until start() is called, and then what was added meanwhile'],
    green: ['OqronRunner.stop lets running jobs end, claims no more, keeps producers open; start() goes on'],
  },
  {
    feature: 'the bootstrap table',
    file: `${NEST}/oqron.runner.ts`,
    find: 'for (const line of found.table()) this.table.log(line);',
    replace: '',
    spec: `${SPECS}/lifecycle-runner.spec.ts`,
    red: ['autoStart: false runs nothing until start() is called, and then what was added meanwhile'],
    green: ['OqronRunner.stop lets running jobs end, claims no more, keeps producers open; start() goes on'],
  },
  {
    feature: 'the correlation id of a request',
    file: `${NEST}/correlation/correlation.middleware.ts`,
    find: 'runWithCorrelation(id, next);',
    replace: 'next();',
    spec: `${SPECS}/context.spec.ts`,
    red: [
      'OqronCorrelationMiddleware on Express carries the id of the request through add to the handler, and to the jobs which that adds',
      'OqronCorrelationMiddleware on Fastify carries the id of the request through add to the handler, and to the jobs which that adds',
    ],
    green: ['@Instrumentation can be overridden like any provider'],
  },
  {
    feature: 'each of two applications has its own contracts',
    file: `${NEST}/oqron-queue.registry.ts`,
    find: 'this.engine.producer(this.#contracts.get(name)?.contract ?? name)',
    replace: 'this.engine.producer(injectedContract(name) ?? name)',
    spec: `${SPECS}/two-apps.spec.ts`,
    red: ['two applications in one process have each its own contract of one queue, whichever was written last'],
    green: ['two applications in one process are not hurt by what another one injects under a name that is none'],
  },

  {
    feature: 'forRoot twice is an error',
    file: `${NEST}/oqron.runner.ts`,
    find: '(cores.length > 1 ? [forRootTwice()] : [])',
    replace: '[]',
    spec: `${SPECS}/module.spec.ts`,
    red: ['forRoot imported twice is an error that says so, wherever the imports are'],
    green: ['forRoot takes the configuration of an engine'],
    more: true,
  },
  {
    feature: 'connections close with the application, last',
    file: `${NEST}/oqron-core.module.ts`,
    find: 'await this.engine.stop();',
    replace: '',
    spec: `${SPECS}/lifecycle.spec.ts`,
    red: ['the end keeps producers open while jobs drain, and in the hooks of every module; connections close last'],
    green: ['the end lets running jobs finish before what they use is destroyed, and takes no new ones'],
    more: true,
  },
  {
    feature: 'health is down when a loop turns no more',
    file: `${NEST}/terminus/oqron.health.ts`,
    find: "return stuck.length > 0 ? down(stuck.join('; '), data) : { status: 'up', data };",
    replace: "return { status: 'up', data };",
    spec: `${SPECS}/terminus.spec.ts`,
    red: ['loopsCheck is down when a consumer does not ask for jobs any more, and then so is pingCheck'],
    green: ['pingCheck is up on a live connection, and tells leader, store and round trip'],
    more: true,
  },
  {
    feature: 'withOqronTesting replaces clock and store',
    file: `${NEST}/testing/with-oqron-testing.ts`,
    find: 'builder.overrideProvider(token).useValue(value);',
    replace: 'void [token, value];',
    spec: `${SPECS}/testing.spec.ts`,
    red: ['withOqronTesting runs an application of the mode default in memory on a virtual clock'],
    green: [
      'OqronTestingModule takes the place of forRoot for a feature module, and gives the tester to whoever injects it',
    ],
    more: true,
  },
  {
    feature: 'durable providers',
    file: `${NEST}/invocation/oqron.invoker.ts`,
    find: 'ContextIdFactory.getByRequest(request as object)',
    replace: 'ContextIdFactory.create()',
    spec: `${SPECS}/scopes.spec.ts`,
    red: ['durable providers are made once for each tenant, and get what the strategy says of it'],
    green: ['a handler that needs something request-scoped is made for each job, with the job as JOB_REF'],
    more: true,
  },
  {
    feature: 'what was made for a job is let go',
    file: `${NEST}/invocation/oqron.invoker.ts`,
    find: 'const target = await resolve(hostRef, wrapper, contextId);',
    replace:
      'const target = await resolve(hostRef, wrapper, contextId); ((globalThis as { kept?: unknown[] }).kept ??= []).push(target);',
    spec: `${SPECS}/scopes-memory.spec.ts`,
    red: ['nothing of a job stays behind: 20000 jobs with scoped hosts, dependencies, guards and listeners'],
    more: true,
  },
  {
    feature: 'a method without enhancers is called as it is',
    file: `${NEST}/invocation/handler-contexts.ts`,
    find: 'if (used.size === 0 && !declared) return undefined;',
    replace: '',
    spec: `${SPECS}/enhancers.spec.ts`,
    red: ['enhancers on a handler cost nothing where there are none: the method is called as it is'],
    green: ['an HttpException with status 503 is retried as usual'],
    more: true,
  },
  {
    feature: 'pipes on methods and classes',
    file: `${NEST}/invocation/handler-contexts.ts`,
    find: "parameters ?? (used.has('pipes') ? defaults : undefined)",
    replace: 'parameters',
    spec: `${SPECS}/validation.spec.ts`,
    red: [
      'ValidationPipe with class-validator validates the payload of a plain handler, and gives it as an instance of its class',
    ],
    green: [
      'ValidationPipe with class-validator validates a decorated parameter, with a pipe of its own or of the class',
    ],
    more: true,
  },
  {
    feature: 'a schema at a parameter',
    file: `${NEST}/invocation/parameters.ts`,
    find: 'schema !== undefined && !isCustom(key) && !pipes.some(isSchemaPipe)',
    replace: 'false',
    spec: `${SPECS}/validation.spec.ts`,
    red: [
      'a Standard Schema at a parameter of zod is validated without any pipe, and the method gets what it made of the payload',
      'a Standard Schema at a parameter of valibot is validated without any pipe, and the method gets what it made of the payload',
    ],
    green: [
      'ValidationPipe with class-validator validates a decorated parameter, with a pipe of its own or of the class',
    ],
    more: true,
  },
  {
    feature: 'inherited handlers',
    file: `${NEST}/discovery/hosts.ts`,
    find: 'for (let at: object | null = prototype; at; at = Object.getPrototypeOf(at) as object | null) {',
    replace: 'for (let at: object | null = prototype; at; at = null) {',
    spec: `${SPECS}/discovery.spec.ts`,
    red: ['a decorated method is inherited, and not where a subclass overrides it without a decorator'],
    green: ['a decorated method runs the jobs of a contract with payload and context, as a method of its provider'],
    more: true,
  },
  {
    feature: 'providers with @Instrumentation',
    file: `${NEST}/instrumentation/instrument-registrar.ts`,
    find: 'this.engine.instrument(instance as OqronInstrumentation);',
    replace: '',
    spec: `${SPECS}/context.spec.ts`,
    red: ['@Instrumentation gives providers to the engine, with what they inject, before the first job is added'],
    green: ['@Instrumentation has to be a singleton'],
    more: true,
  },
  {
    feature: 'the hint that shutdown hooks are off',
    file: `${NEST}/shutdown-hint.ts`,
    find: "if (process.listenerCount('SIGTERM') === 0) warn();",
    replace: 'void warn;',
    spec: `${SPECS}/shutdown-order.spec.ts`,
    red: ['the hint that shutdown hooks are off comes once, some seconds after the start'],
    green: ['the warning of the order names a provider of the root module'],
    more: true,
  },
  {
    feature: 'isGlobal: false',
    file: `${NEST}/oqron.module-definition.ts`,
    find: 'isGlobal === false ? [] : [OqronQueuesModule]',
    replace: '[OqronQueuesModule]',
    spec: `${SPECS}/module-queues.spec.ts`,
    red: ['isGlobal: false leaves queues to those who import them, and says so'],
    green: ['isGlobal: false still has one engine, everywhere'],
    more: true,
  },
];

/** Those that are tried: all that OQRON_WITHOUT names, else the usual ones, with OQRON_TEETH=all every one. */
export function chosen({ OQRON_WITHOUT: names, OQRON_TEETH: teeth }) {
  if (!names) return switches.filter(({ more }) => !more || teeth === 'all');
  return names.split(/\s*;\s*/).map((name) => {
    const found = switches.find(({ feature }) => feature === name);
    if (!found)
      throw new Error(
        `OQRON_WITHOUT: there is no "${name}". Known: ${switches.map(({ feature }) => feature).join('; ')}.`,
      );
    return found;
  });
}

/** The title of the project of a switch, and of the one that runs the same spec with everything in place. */
export const without = ({ feature }) => `without ${feature}`;
export const whole = (spec) => `whole ${spec}`;
