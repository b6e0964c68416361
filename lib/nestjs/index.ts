export { OqronModule } from './oqron.module.js';
export { OqronRunner } from './oqron.runner.js';
export {
  OQRON_MODULE_OPTIONS,
  type EnhancerOptions,
  type OqronModuleExtras,
  type OqronModuleOptions,
  type OqronOptionsFactory,
} from './oqron.module-definition.js';
export {
  getQueueToken,
  OQRON_BACKEND,
  OQRON_CLOCK,
  OQRON_OPTION_OVERRIDES,
  OQRON_RANDOM,
  type QueueTarget,
} from './oqron.tokens.js';
export { Queue, type QueueDecoratorOptions } from './decorators/queue.decorator.js';
export { Handler } from './decorators/handler.decorator.js';
export {
  OnJob,
  type EngineNameOf,
  type OnJobDecorator,
  type OnJobEvent,
  type OnJobOptions,
  type OnJobPayload,
  type OnJobQueueEvent,
  type OnJobScope,
} from './decorators/on-job.decorator.js';
export type {
  InjectedValue,
  OptionsDependencies,
  OptionsFactory,
  OptionsOrFactory,
} from './decorators/options-factory.js';
export { Worker, type WorkerDecorator, type WorkerDecoratorOptions } from './decorators/worker.decorator.js';
export { InjectOqron, InjectQueue, type InjectQueueDecorator, type QueueOf } from './decorators/inject.decorator.js';
export type { HandlerDecorator, HandlerMethod } from './decorators/handler-method.js';
export { Payload } from './decorators/payload.decorator.js';
export { Ctx } from './decorators/ctx.decorator.js';
export { JOB_REF } from './invocation/job-ref.js';
export { isOqronContext, OqronExecutionContext, type OqronContextType } from './invocation/oqron-execution-context.js';
export { Instrumentation } from './instrumentation/instrumentation.decorator.js';
export {
  correlationMiddleware,
  OqronCorrelationMiddleware,
  type CorrelationHandler,
  type CorrelationOptions,
} from './correlation/correlation.middleware.js';
