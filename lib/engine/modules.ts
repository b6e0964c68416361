import { z } from 'zod';
import { InvalidOptionsError, ModuleNotAvailableError } from '../kernel/errors/index.js';
import { checkOptions, strict } from '../kernel/validation.js';
import type { DeadLetterOptions, ExecutionOptions } from '../modules/queue/index.js';
import { moduleShape } from '../modules/queue/options.schema.js';

/** Modules that this release has. @publicApi */
export type ModuleName = 'queue' | 'worker';

/** What a module sets for all its definitions; they come before it, `defaultJobOptions` after. @publicApi */
export interface ModuleOptions extends Pick<
  ExecutionOptions,
  | 'concurrency'
  | 'guaranteedWorker'
  | 'heartbeatMs'
  | 'lockTtlMs'
  | 'pollIntervalMs'
  | 'prefetch'
  | 'maxStalledCount'
  | 'abortGraceMs'
  | 'retries'
  | 'timeout'
  | 'removeOnComplete'
  | 'removeOnFail'
> {
  /** What becomes of jobs that failed for good; a definition's own says more. */
  deadLetter?: Pick<DeadLetterOptions, 'enabled' | 'queue'>;
  /** False: definitions of this module publish only; nothing is polled. @default true */
  consume?: boolean;
}

/** A selected module with its options. @publicApi */
export interface ModuleSelection extends ModuleOptions {
  readonly module: string;
}

/** `queueModule`, called or bare. @publicApi */
export interface ModuleFactory {
  (options?: ModuleOptions): ModuleSelection;
  readonly moduleName: string;
}

/** What may stand in `modules`. @publicApi */
export type ModuleEntry = ModuleFactory | ModuleSelection | ModuleName;

const optionsSchema = strict({ ...moduleShape, consume: z.boolean().optional() });

/** A selected module as the engine uses it. */
export type SelectedModule = z.output<typeof optionsSchema>;

/** In the order in which they are listed. */
export const AVAILABLE: readonly ModuleName[] = ['queue', 'worker'];
const PLANNED = ['cron', 'schedule', 'webhook', 'rateLimit'];

function factory(name: ModuleName): ModuleFactory {
  return Object.assign((options: ModuleOptions = {}): ModuleSelection => ({ module: name, ...options }), {
    moduleName: name,
  });
}

function planned(name: string): ModuleFactory {
  return Object.assign(
    (): never => {
      throw new ModuleNotAvailableError(`${name}Module()`);
    },
    { moduleName: name },
  );
}

/** Queues that this process defines; with `{ consume: false }` it only publishes. @publicApi */
export const queueModule = factory('queue');
/** Workers that this process defines. @publicApi */
export const workerModule = factory('worker');
/** Not available yet: throws `ModuleNotAvailableError`. @publicApi */
export const cronModule = planned('cron');
/** Not available yet: throws `ModuleNotAvailableError`. @publicApi */
export const scheduleModule = planned('schedule');
/** Not available yet: throws `ModuleNotAvailableError`. @publicApi */
export const webhookModule = planned('webhook');
/** Not available yet: throws `ModuleNotAvailableError`. @publicApi */
export const rateLimitModule = planned('rateLimit');

/**
 * The selected modules by name; all of them when nothing is said.
 *
 * @throws ModuleNotAvailableError for a module that has not landed
 * @throws InvalidOptionsError
 */
export function selectModules(entries: readonly unknown[] | undefined): ReadonlyMap<ModuleName, SelectedModule> {
  if (!entries) return new Map(AVAILABLE.map((name) => [name, {}]));
  const selected = new Map<ModuleName, SelectedModule>();
  const problems: string[] = [];
  entries.forEach((entry, i) => {
    const { name, options } = read(entry);
    if (PLANNED.includes(name)) throw new ModuleNotAvailableError(`the module "${name}"`);
    if (!isAvailable(name)) {
      problems.push(`modules.${i}: unknown module "${name}"; known: ${AVAILABLE.join(', ')}`);
    } else if (selected.has(name)) {
      problems.push(`modules.${i}: "${name}" is selected twice`);
    } else {
      const checked = checkOptions(optionsSchema, options);
      if (checked.problems) problems.push(...checked.problems.map((problem) => `modules.${i} (${name}): ${problem}`));
      else selected.set(name, checked.value);
    }
  });
  if (problems.length > 0) throw new InvalidOptionsError('OqronKit config', problems);
  return selected;
}

function read(entry: unknown): { name: string; options: unknown } {
  if (typeof entry === 'string') return { name: entry, options: {} };
  if (typeof entry === 'function' && 'moduleName' in entry) return { name: String(entry.moduleName), options: {} };
  if (typeof entry === 'object' && entry !== null && 'module' in entry) {
    const { module, ...options } = entry;
    return { name: String(module), options };
  }
  return { name: String(entry), options: {} };
}

export function isAvailable(name: string): name is ModuleName {
  return (AVAILABLE as readonly string[]).includes(name);
}
