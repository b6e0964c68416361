export { workerDefinition, type Worker, type WorkerDefinition, type WorkerOptions } from './definition.js';
