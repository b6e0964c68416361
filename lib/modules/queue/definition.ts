import { parseOptions } from '../../kernel/validation.js';
import { isContract, overContract, type QueueContract } from './define-queue.js';
import { queueSchema, type QueueSettings } from './options.schema.js';
import type { QueueOptions } from './queue.types.js';

/** A queue as one side defines it: checked, durations in ms. */
export interface QueueDefinition {
  readonly kind: 'queue';
  readonly name: string;
  readonly settings: Omit<QueueSettings, 'name'>;
  readonly consumes: boolean;
}

/**
 * Checks what was given to `queue()`.
 *
 * @throws InvalidOptionsError naming every bad option
 */
export function queueDefinition<T, R>(
  target: QueueContract<T, R> | QueueOptions<T, R>,
  own: Omit<QueueOptions<T, R>, 'name'> = {},
): QueueDefinition {
  const contract = isContract(target) ? target : undefined;
  const options: unknown = contract ? { ...own, name: contract.name } : target;
  const given = typeof options === 'object' && options !== null && 'name' in options ? String(options.name) : '';
  const { name, ...settings } = parseOptions(`queue(${JSON.stringify(given)})`, queueSchema, options);
  return {
    kind: 'queue',
    name,
    settings: overContract(contract, settings),
    consumes: (settings.handler ?? settings.handlers ?? settings.processBatch) !== undefined,
  };
}
