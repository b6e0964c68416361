export { OqronModule } from './oqron.module.js';
export { OqronRunner } from './oqron.runner.js';
export type { OqronModuleOptions, OqronOptionsFactory } from './oqron.module-definition.js';
export { getQueueToken, OQRON_ENGINE_PARTS } from './oqron.tokens.js';
export { Queue, type QueueDecoratorOptions } from './decorators/queue.decorator.js';
export { Handler } from './decorators/handler.decorator.js';
export { Worker, type WorkerDecorator, type WorkerDecoratorOptions } from './decorators/worker.decorator.js';
export { InjectOqron, InjectQueue, type InjectQueueDecorator, type QueueOf } from './decorators/inject.decorator.js';
export type { HandlerDecorator, HandlerMethod } from './decorators/handler.metadata.js';
