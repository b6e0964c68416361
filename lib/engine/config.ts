import { z } from 'zod';
import { InvalidOptionsError } from '../kernel/errors/index.js';
import { DEFAULT_HISTORY_LIMITS, type HistoryLimits } from '../kernel/ports/backend.js';
import type { IBrokerEngine } from '../kernel/ports/broker.js';
import type { ILockAdapter } from '../kernel/ports/lock.js';
import type { Logger } from '../kernel/ports/logger.js';
import type { IStorageEngine } from '../kernel/ports/storage.js';
import type { OqronInstrumentation } from '../kernel/runtime/instrumentation.js';
import type { Duration } from '../kernel/job/duration.js';
import { DEFAULT_LIMITS, type Limits } from '../kernel/job/limits.js';
import { duration, integer, parseOptions, strict } from '../kernel/validation.js';
import type { JobOptions } from '../modules/queue/index.js';
import { defaultJobOptionsSchema, type DefaultJobSettings } from '../modules/queue/options.schema.js';
import { consoleLogger, guardedLogger, silentLogger, type LogThreshold } from './console-logger.js';
import type { LivenessOptions, LivenessSettings } from './liveness.js';
import { postgresSchema } from './postgres-options.js';
import { selectModules, type ModuleEntry, type ModuleName, type SelectedModule } from './modules.js';

/** Where jobs live. This release has `default` (memory), `redis` and `db` (PostgreSQL). @publicApi */
export type StoreMode = 'default' | 'redis' | 'db' | 'hybrid-db' | 'custom';

/**
 * The configuration of an engine: the same object for `OqronKit.init({ config })`, `new OqronEngine(config)` and
 * `OqronModule.forRoot(config)`.
 * @publicApi
 */
export interface OqronConfig {
  /** Part of every key: projects on one server never see each other. @default 'oqronkit' */
  project?: string;
  /** Part of every key. @default 'development' */
  environment?: string;
  /** Who declares a definition. No effect before schedules land. @default the package's name */
  app?: string;
  /** @default 'default' */
  mode?: StoreMode;
  /**
   * For the modes `redis` and `hybrid-db`: a url (`redis://` or `rediss://`); options of ioredis, with a `url` among them
   * if you like; or an ioredis client or Cluster, of which duplicates are used. Yours stays open.
   */
  redis?: string | object;
  /**
   * For the modes `db` and `hybrid-db`: a url (`postgresql://`), options, or a `pg.Pool`. A pool serves `ctx.tx` and stays
   * open; all else uses connections of our own, made from its options.
   */
  postgres?: string | object;
  /** For the mode `custom`. */
  adapters?: { storage: IStorageEngine; broker: IBrokerEngine; lock: ILockAdapter; close?(): Promise<void> };
  /** What this process takes part in. @default all */
  modules?: readonly ModuleEntry[];
  /**
   * The folder whose files `OqronKit.init` imports before it starts, relative to the working directory; `false` = none.
   * Elsewhere it has no effect. @default the first of dist/triggers, dist/jobs, src/triggers, triggers, src/jobs, jobs
   */
  triggers?: string | false;
  /** Sizes above which a payload or result is refused. */
  limits?: {
    /** One payload, encoded, in bytes: 1 KiB to 16 MiB. @default 262_144 (256 KiB) */
    payloadBytes?: number;
    /** One result, encoded, in bytes: 1 KiB to 16 MiB. @default 65_536 (64 KiB) */
    resultBytes?: number;
  };
  scheduler?: {
    clustering?: { totalShards?: number; ownedShards?: readonly number[]; region?: string };
    timezone?: string;
  };
  /** For every job; everything else comes before it. */
  defaultJobOptions?: Omit<JobOptions, 'jobId'>;
  /** On every job. */
  tags?: readonly string[];
  shutdown?: {
    /** False: signals are not handled. @default true */
    enabled?: boolean;
    /** How long running jobs may take to end. @default 30_000 ms */
    timeout?: Duration;
    /** Only `OqronKit.init` listens to them. @default ['SIGINT', 'SIGTERM'] */
    signals?: readonly NodeJS.Signals[];
  };
  /** For a process without HTTP: a file that is touched, or a port that answers, while it lives. @default none */
  liveness?: LivenessOptions;
  /** `false` = silent; `{ level }` for the built-in one; or your own. @default level 'info' */
  logger?: false | { level: LogThreshold } | Logger;
  /** What watches jobs on their way (traces, metrics); the first one stands outside. See {@link OqronInstrumentation}. */
  instrumentation?: OqronInstrumentation | readonly OqronInstrumentation[];
  /**
   * Keep where code runs, for `OqronContext` and for correlation ids that jobs inherit.
   * @default from the first use of those, or of an instrumentation that wraps handlers
   */
  asyncContext?: boolean;
  observability?: {
    /** @default 200 */
    maxJobLogs?: number;
    /** @default 50 */
    maxTimelineEntries?: number;
    /** `job:success` and `job:fail` say how much memory the process used around the attempt. @default false */
    trackMemory?: boolean;
  };
}

/** The configuration with every default filled in. */
export interface ResolvedConfig {
  readonly project: string;
  readonly environment: string;
  readonly mode: StoreMode;
  readonly redis: string | object | undefined;
  readonly postgres: string | object | undefined;
  readonly modules: ReadonlyMap<ModuleName, SelectedModule>;
  readonly defaultJobOptions: DefaultJobSettings;
  readonly tags: readonly string[];
  readonly shutdown: {
    readonly enabled: boolean;
    readonly timeoutMs: number;
    readonly signals: readonly NodeJS.Signals[];
  };
  readonly liveness: LivenessSettings | undefined;
  readonly logger: Logger;
  readonly history: HistoryLimits;
  readonly trackMemory: boolean;
  readonly limits: Limits;
  readonly instrumentation: readonly OqronInstrumentation[];
  /** `undefined` = from the first use on. */
  readonly asyncContext: boolean | undefined;
  /** `undefined` = the first usual folder that exists. */
  readonly triggers: string | false | undefined;
}

export const MODES = ['default', 'redis', 'db', 'hybrid-db', 'custom'] as const;

const HOW_TO_CONNECT = {
  redis: "a url such as 'redis://localhost:6379', options, or a client",
  postgres: "{ connectionString: 'postgresql://...' }, a url or a pg.Pool",
  adapters: '{ storage, broker, lock }',
};

function isRedis(value: unknown): boolean {
  return typeof value === 'string' ? /^rediss?:\/\/./.test(value) : typeof value === 'object' && value !== null;
}

const NO_FOLDER = 'expected the path of a folder, or false';

/** A limit in bytes. Larger items would not pass through a store in one piece. */
const size = integer(1_024, 16 * 1024 * 1024);

const label = z.string().min(1).max(128);

const ownLogger = z.custom<Logger>(
  (value) =>
    typeof value === 'object' &&
    value !== null &&
    ['debug', 'info', 'warn', 'error'].every((level) => typeof Reflect.get(value, level) === 'function'),
);

const instrument = z.custom<OqronInstrumentation>(
  (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
  'expected an instrumentation, or a list of them',
);

const schema = strict({
  project: label.default('oqronkit'),
  environment: label.default('development'),
  app: label.optional(),
  mode: z
    .enum(MODES, { error: ({ input }) => `expected one of ${MODES.join(', ')}, got ${JSON.stringify(input)}` })
    .default('default'),
  // The message does not show the value: it may hold a password.
  redis: z.custom<string | object>(isRedis, `expected ${HOW_TO_CONNECT.redis}`).optional(),
  postgres: postgresSchema.optional(),
  adapters: z.custom<object>((value) => typeof value === 'object' && value !== null).optional(),
  modules: z.array(z.unknown()).optional(),
  scheduler: strict({
    clustering: strict({
      totalShards: integer(1, 4_096).optional(),
      ownedShards: z.array(integer(0, 4_095)).optional(),
      region: label.optional(),
    }).optional(),
    timezone: label.optional(),
  }).optional(),
  triggers: z.union([z.literal(false), z.string().min(1, NO_FOLDER)], NO_FOLDER).optional(),
  limits: strict({
    payloadBytes: size.default(DEFAULT_LIMITS.payloadBytes),
    resultBytes: size.default(DEFAULT_LIMITS.resultBytes),
  }).prefault({}),
  defaultJobOptions: defaultJobOptionsSchema.default({}),
  tags: z.array(label).max(16).default([]),
  shutdown: strict({
    enabled: z.boolean().default(true),
    timeout: duration.default(30_000),
    signals: z.array(z.string().startsWith('SIG')).default(['SIGINT', 'SIGTERM']),
  }).prefault({}),
  liveness: strict({
    file: z.string().min(1, 'expected the path of a file').optional(),
    port: integer(0, 65_535).optional(),
    host: label.default('127.0.0.1'),
    interval: duration.refine((ms) => ms >= 100, 'expected 100 ms or more').default(5_000),
  })
    .refine(({ file, port }) => file !== undefined || port !== undefined, 'expected a file, a port or both')
    .optional(),
  logger: z
    .union([z.literal(false), strict({ level: z.enum(['debug', 'info', 'warn', 'error']) }), ownLogger])
    .default({ level: 'info' }),
  instrumentation: z
    .union(
      [z.array(instrument), instrument.transform((one) => [one])],
      'expected an instrumentation, or a list of them',
    )
    .default([]),
  asyncContext: z.boolean().optional(),
  observability: strict({
    maxJobLogs: integer(0, 100_000).default(DEFAULT_HISTORY_LIMITS.maxJobLogs),
    maxTimelineEntries: integer(0, 100_000).default(DEFAULT_HISTORY_LIMITS.maxTimelineEntries),
    trackMemory: z.boolean().default(false),
  }).prefault({}),
});

const CONNECTIONS: Readonly<Record<StoreMode, readonly ('redis' | 'postgres' | 'adapters')[]>> = {
  default: [],
  redis: ['redis'],
  db: ['postgres'],
  'hybrid-db': ['postgres', 'redis'],
  custom: ['adapters'],
};

/**
 * Checks a configuration and fills in the defaults.
 *
 * @throws InvalidOptionsError with all problems at once
 * @throws ModuleNotAvailableError for a module that has not landed
 */
export function resolveConfig(config: OqronConfig): ResolvedConfig {
  const problems: string[] = [];
  const modules = attempt(problems, () => selectModules(Array.isArray(config?.modules) ? config.modules : undefined));
  const parsed = attempt(problems, () => parseOptions('', schema, config));
  if (parsed) problems.push(...connectionProblems(parsed.mode, parsed));
  if (!parsed || !modules || problems.length > 0) throw new InvalidOptionsError('OqronKit config', problems);
  const { logger } = parsed;
  const { trackMemory, ...history } = parsed.observability;
  return {
    project: parsed.project,
    environment: parsed.environment,
    mode: parsed.mode,
    redis: parsed.redis,
    postgres: parsed.postgres,
    modules,
    defaultJobOptions: parsed.defaultJobOptions,
    tags: parsed.tags,
    shutdown: {
      enabled: parsed.shutdown.enabled,
      timeoutMs: parsed.shutdown.timeout,
      signals: parsed.shutdown.signals as NodeJS.Signals[],
    },
    liveness: parsed.liveness,
    logger: logger === false ? silentLogger : 'info' in logger ? guardedLogger(logger) : consoleLogger(logger.level),
    history,
    trackMemory,
    limits: parsed.limits,
    instrumentation: parsed.instrumentation,
    asyncContext: parsed.asyncContext,
    triggers: parsed.triggers,
  };
}

/** What a mode needs and was not given, one sentence each. */
export function connectionProblems(
  mode: StoreMode,
  given: { readonly [K in keyof typeof HOW_TO_CONNECT]?: unknown },
): string[] {
  return CONNECTIONS[mode].flatMap((key) =>
    given[key] === undefined ? [`mode "${mode}" needs ${key}: ${HOW_TO_CONNECT[key]}`] : [],
  );
}

/** Runs a check; its problems join the others, so that one error names them all. */
function attempt<T>(problems: string[], check: () => T): T | undefined {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof InvalidOptionsError)) throw error;
    problems.push(...error.problems);
    return undefined;
  }
}

/**
 * Answers its argument, typed: for a configuration file of its own.
 *
 * @example
 * export default defineConfig({ project: 'shop', environment: 'production' });
 * @publicApi
 */
export function defineConfig(config: OqronConfig): OqronConfig {
  return config;
}
