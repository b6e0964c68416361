import type { JobTarget } from '../../kernel/job/job-target.js';
import { parseOptions, name as nameSchema } from '../../kernel/validation.js';
import { contractSchema, type SharedSettings } from './options.schema.js';
import type { SharedQueueOptions } from './queue.types.js';

/**
 * The one typed link between the side that adds jobs and the side that runs them.
 * @publicApi
 */
export interface QueueContract<T = unknown, R = unknown> extends JobTarget<T, R> {
  /** Checked and with durations in ms. */
  readonly settings: SharedSettings;
}

/** The payload type of a contract. @publicApi */
export type PayloadOf<C> = C extends QueueContract<infer T, infer _R> ? T : never;

/** The result type of a contract. @publicApi */
export type ResultOf<C> = C extends QueueContract<infer _T, infer R> ? R : never;

/**
 * Defines a queue without running anything: its name, its payload and result types, and what both sides share.
 *
 * @throws InvalidOptionsError naming every bad option
 * @example
 * export const VideoEncode = defineQueue<VideoMetadata, string>('video-encode', { timeout: '10m' });
 * @publicApi
 */
export function defineQueue<T = unknown, R = unknown>(
  name: string,
  options: SharedQueueOptions<T> = {},
): QueueContract<T, R> {
  const where = `defineQueue(${JSON.stringify(name)})`;
  return Object.freeze({
    kind: 'queue-contract',
    name: parseOptions(where, nameSchema, name),
    settings: parseOptions(where, contractSchema, options),
  });
}

/** One side's own settings over those of its contract. What it leaves undefined takes nothing away. */
export function overContract<S extends object>(contract: QueueContract | undefined, own: S): S {
  return contract ? { ...contract.settings, ...definedOf(own) } : own;
}

function definedOf<S extends object>(settings: S): S {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined)) as S;
}

/** True for what {@link defineQueue} returns. */
export function isContract(value: unknown): value is QueueContract {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'queue-contract';
}
