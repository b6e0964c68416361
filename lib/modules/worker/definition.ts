import { parseOptions } from '../../kernel/validation.js';
import type { Handler } from '../../kernel/runtime/consumer.js';
import {
  isContract,
  overContract,
  type ExecutionOptions,
  type NamedHandlers,
  type QueueContract,
} from '../queue/index.js';
import { workerSchema, type WorkerSettings } from '../queue/options.schema.js';

/**
 * Options of `worker()`: it consumes a topic (the queue's name) and never adds.
 * @publicApi
 */
export interface WorkerOptions<T = unknown, R = unknown> extends ExecutionOptions<T, R> {
  topic: string;
  handler?: Handler<T, R>;
  /** Handlers by job name; `handler` takes the names that are not here. */
  handlers?: NamedHandlers<T, R>;
}

/** A consumer as it was defined: checked, durations in ms. */
export interface WorkerDefinition {
  readonly kind: 'worker';
  /** The topic. */
  readonly name: string;
  readonly settings: Omit<WorkerSettings, 'topic'>;
  readonly consumes: true;
}

/** The consumer's side of a queue. It has no `add`. @publicApi */
export interface Worker {
  readonly topic: string;
}

/**
 * Checks what was given to `worker()`.
 *
 * @throws InvalidOptionsError naming every bad option
 */
export function workerDefinition<T, R>(
  target: QueueContract<T, R> | WorkerOptions<T, R>,
  own: Omit<WorkerOptions<T, R>, 'topic'> = {},
): WorkerDefinition {
  const contract = isContract(target) ? target : undefined;
  const options: unknown = contract ? { ...own, topic: contract.name } : target;
  const given = typeof options === 'object' && options !== null && 'topic' in options ? String(options.topic) : '';
  const { topic, ...settings } = parseOptions(`worker(${JSON.stringify(given)})`, workerSchema, options);
  return { kind: 'worker', name: topic, settings: overContract(contract, settings), consumes: true };
}
