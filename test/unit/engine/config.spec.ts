import { describe, expect, it, jest } from '@jest/globals';
import {
  cronModule,
  defineConfig,
  InvalidOptionsError,
  ModuleNotAvailableError,
  OqronEngine,
  queueModule,
  rateLimitModule,
  scheduleModule,
  webhookModule,
  workerModule,
  type ModuleEntry,
  type OqronConfig,
} from 'oqronkit';
import { resolveConfig } from '../../../lib/engine/config.js';
import { RecordingLogger } from '../../support/recording-logger.js';
import { thrownBy } from '../../support/until.js';

/** The problems of a configuration, which may break its type. */
function problemsOf(config: unknown): readonly string[] {
  const error = thrownBy<InvalidOptionsError>(() => resolveConfig(config as OqronConfig));
  expect(error).toBeInstanceOf(InvalidOptionsError);
  return error.problems;
}

const REDIS = "redis: a url such as 'redis://localhost:6379', options, or a client";
const POSTGRES = "postgres: { connectionString: 'postgresql://...' }, a url or a pg.Pool";

describe('the configuration', () => {
  it('has the documented defaults', () => {
    const { logger, ...rest } = resolveConfig({});
    expect(rest).toEqual({
      project: 'oqronkit',
      environment: 'development',
      mode: 'default',
      modules: new Map([
        ['queue', {}],
        ['worker', {}],
      ]),
      defaultJobOptions: {},
      tags: [],
      shutdown: { enabled: true, timeoutMs: 30_000, signals: ['SIGINT', 'SIGTERM'] },
      instrumentation: [],
      history: { maxJobLogs: 200, maxTimelineEntries: 50 },
      trackMemory: false,
      limits: { payloadBytes: 262_144, resultBytes: 65_536 },
      triggers: undefined,
    });
    expect(typeof logger.info).toBe('function');
  });

  it('takes what it is given, durations as text too', () => {
    const resolved = resolveConfig({
      project: 'shop: eu',
      environment: 'production',
      app: 'api',
      defaultJobOptions: { attempts: 5, timeout: '5m', removeOnComplete: { age: 60 } },
      tags: ['eu'],
      shutdown: { enabled: false, timeout: '2m', signals: ['SIGHUP'] },
      observability: { maxJobLogs: 5, maxTimelineEntries: 6, trackMemory: true },
      limits: { payloadBytes: 1_048_576 },
      triggers: 'dist/work',
      scheduler: { timezone: 'Europe/Berlin', clustering: { totalShards: 4, ownedShards: [0, 1], region: 'eu' } },
    });
    expect(resolved).toMatchObject({
      project: 'shop: eu',
      environment: 'production',
      defaultJobOptions: { attempts: 5, timeout: 300_000, removeOnComplete: { age: 60 } },
      tags: ['eu'],
      shutdown: { enabled: false, timeoutMs: 120_000, signals: ['SIGHUP'] },
      history: { maxJobLogs: 5, maxTimelineEntries: 6 },
      trackMemory: true,
      limits: { payloadBytes: 1_048_576, resultBytes: 65_536 },
      triggers: 'dist/work',
    });
    expect(resolveConfig({ triggers: false }).triggers).toBe(false);
  });

  it.each<[object, string]>([
    [{ limits: { payloadByte: 1_024 } }, 'limits: unknown option "payloadByte", did you mean "payloadBytes"?'],
    [{ limits: { payloadBytes: 1_023 } }, 'limits.payloadBytes: expected a whole number from 1024 to 16777216'],
    [{ limits: { resultBytes: 16_777_217 } }, 'limits.resultBytes: expected a whole number from 1024 to 16777216'],
    [{ triggers: true }, 'triggers: expected the path of a folder, or false'],
    [{ triggers: '' }, 'triggers: expected the path of a folder, or false'],
  ])('refuses %j', (config, problem) => {
    expect(problemsOf(config)).toEqual([problem]);
  });

  it('reports all problems at once, wherever they are', () => {
    const problems = problemsOf({
      projekt: 'shop',
      environment: '',
      mode: 'mongo',
      tags: ['ok', 5],
      shutdown: { timout: 5, signals: ['int'] },
      observability: { maxJobLogs: -1 },
      defaultJobOptions: { attempts: -1, delay: 'soon' },
      modules: ['queeu', queueModule({ concurrency: 0 }), workerModule({ heartbeatMs: 'x' as '1s' })],
    });
    const text = problems.join('\n');
    for (const part of [
      'unknown option "projekt", did you mean "project"?',
      'environment: ',
      'mode: ',
      'tags.1: ',
      'shutdown: unknown option "timout", did you mean "timeout"?',
      'shutdown.signals.0: ',
      'observability.maxJobLogs: ',
      'defaultJobOptions.attempts: ',
      'defaultJobOptions.delay: ',
      'unknown module "queeu"; known: queue, worker',
      'concurrency: expected a whole number',
      'heartbeatMs: expected ms',
    ]) {
      expect(text).toContain(part);
    }
  });

  it('names the place of a problem in a module', () => {
    expect(problemsOf({ modules: ['worker', queueModule({ concurency: 1 } as object)] })).toEqual([
      'modules.1 (queue): unknown option "concurency", did you mean "concurrency"?',
    ]);
    expect(problemsOf({ modules: [{ module: 'queue', concurrency: 0 }] })).toEqual([
      'modules.0 (queue): concurrency: expected a whole number from 1 to 100000',
    ]);
  });

  it.each<[object, string]>([
    [{ enviroment: 'x' }, 'unknown option "enviroment", did you mean "environment"?'],
    [{ postgress: {} }, 'unknown option "postgress", did you mean "postgres"?'],
    [{ Mode: 'redis' }, 'unknown option "Mode", did you mean "mode"?'],
    [{ defaultJobOptions: { attemps: 1 } }, 'defaultJobOptions: unknown option "attemps", did you mean "attempts"?'],
  ])('names the nearest known key for %j', (config, problem) => {
    expect(problemsOf(config)).toEqual([problem]);
  });

  it('lists the known keys when none is near', () => {
    expect(problemsOf({ zzzzzzzz: 1 })[0]).toMatch(/^unknown option "zzzzzzzz"; known: project, environment, /);
  });

  it('does not offer a job id for all jobs', () => {
    const [problem] = problemsOf({ defaultJobOptions: { jobId: 'x' } });
    expect(problem).toMatch(/unknown option "jobId"/);
    expect(problem).not.toMatch(/did you mean "jobId"/);
  });

  it.each<[unknown]>([[null], ['redis'], [5], [[]]])('refuses %j as a configuration', (config) => {
    expect(problemsOf(config).length).toBeGreaterThan(0);
  });

  it.each<[OqronConfig, string[]]>([
    [{ mode: 'redis' }, [`mode "redis" needs ${REDIS}`]],
    [{ mode: 'db' }, [`mode "db" needs ${POSTGRES}`]],
    [{ mode: 'hybrid-db' }, [`mode "hybrid-db" needs ${POSTGRES}`, `mode "hybrid-db" needs ${REDIS}`]],
    [{ mode: 'hybrid-db', redis: 'redis://x' }, [`mode "hybrid-db" needs ${POSTGRES}`]],
    [{ mode: 'custom' }, ['mode "custom" needs adapters: { storage, broker, lock }']],
  ])('asks for the connection that %j needs', (config, problems) => {
    expect(problemsOf(config)).toEqual(problems);
  });

  it.each(['localhost:6379', 'http://:hush@localhost', 'redis://', '', 5, null])('refuses %j as a Redis', (redis) => {
    const problems = problemsOf({ mode: 'redis', redis });
    expect(problems).toContain(`redis: expected ${REDIS.replace('redis: ', '')}`);
    expect(problems.join()).not.toContain('hush');
  });

  it.each<[unknown, string]>([
    ['localhost:5432', 'postgres: expected a url such as postgresql://'],
    ['mysql://:hush@localhost', 'postgres: expected a url such as postgresql://'],
    [5, 'postgres: expected { connectionString:'],
    [{ connectionString: 'hush' }, 'postgres.connectionString: expected a url such as postgresql://'],
    [{ schma: 'x' }, 'postgres: unknown option "schma", did you mean "schema"?'],
    [{ schema: 'a"b' }, 'postgres.schema: expected letters, digits and "_"'],
    [{ tablePrefix: 'x'.repeat(31) }, 'postgres.tablePrefix: expected at most 30 characters'],
    [{ poolSize: 0 }, 'postgres.poolSize: expected a whole number from 1 to 1000'],
    [{ migrate: 'no' }, 'postgres.migrate: expected true or false'],
    [{ password: { hush: 1 } }, 'postgres.password: expected a text or a function'],
  ])('refuses %j as a PostgreSQL', (postgres, problem) => {
    const problems = problemsOf({ mode: 'db', postgres });
    expect(problems).toContainEqual(expect.stringContaining(problem));
    expect(problems.join()).not.toContain('hush');
  });

  it.each<[OqronConfig]>([
    [{ mode: 'hybrid-db', redis: 'redis://localhost', postgres: { connectionString: 'postgres://localhost' } }],
  ])('says that the store of %j has not landed', (config) => {
    const error = thrownBy(() => new OqronEngine(config));
    expect(error).toBeInstanceOf(ModuleNotAvailableError);
    expect(error.message).toMatch(/the mode "hybrid-db" is not available in this release/);
  });

  it('defineConfig answers what it was given', () => {
    const config = { project: 'shop' };
    expect(defineConfig(config)).toBe(config);
  });
});

describe('the selection of modules', () => {
  const selected = (modules: readonly ModuleEntry[]) => [...resolveConfig({ modules }).modules];

  it.each<[string, ModuleEntry]>([
    ['bare', queueModule],
    ['called', queueModule()],
    ['by name', 'queue'],
    ['as an object', { module: 'queue' }],
  ])('takes a module %s', (_title, entry) => {
    expect(selected([entry])).toEqual([['queue', {}]]);
  });

  it('takes options with a called module, as an object or as a call', () => {
    expect(selected([queueModule({ consume: false }), { module: 'worker', concurrency: 3, timeout: '1m' }])).toEqual([
      ['queue', { consume: false }],
      ['worker', { concurrency: 3, timeout: 60_000 }],
    ]);
  });

  it('selects nothing when the list is empty', () => {
    expect(selected([])).toEqual([]);
  });

  it('refuses a module that is selected twice', () => {
    expect(problemsOf({ modules: [queueModule, 'queue'] })).toEqual(['modules.1: "queue" is selected twice']);
  });

  it.each<[unknown]>([['cache'], [{ module: 'cache' }], [5], [null], [{}], [() => 1], [Symbol('queue')]])(
    'refuses %p and names the known modules',
    (entry) => {
      expect(problemsOf({ modules: [entry] })[0]).toMatch(/^modules\.0: unknown module .*; known: queue, worker$/);
    },
  );

  it.each([
    ['cron', cronModule],
    ['schedule', scheduleModule],
    ['webhook', webhookModule],
    ['rateLimit', rateLimitModule],
  ])('says that the module "%s" has not landed, called, bare or by name', (name, factory) => {
    const notLanded = /is not available in this release of oqronkit/;
    expect(() => factory()).toThrow(notLanded);
    expect(thrownBy(() => resolveConfig({ modules: [factory] }))).toBeInstanceOf(ModuleNotAvailableError);
    expect(() => resolveConfig({ modules: [name as 'queue'] })).toThrow(notLanded);
  });
});

describe('the logger option', () => {
  it('false is silent', () => {
    const { logger } = resolveConfig({ logger: false });
    expect([logger.debug('x'), logger.info('x'), logger.warn('x'), logger.error('x')]).toEqual(
      Array(4).fill(undefined),
    );
  });

  it.each([{ level: 'loud' }, { level: 'info', colour: true }, { info: () => 1 }, 'info', true, null])(
    'refuses %j',
    (logger) => {
      expect(problemsOf({ logger })[0]).toMatch(/^logger: /);
    },
  );

  it('{ level } writes one line each, from that level on, warnings and errors to stderr', () => {
    const lines: [string, unknown][] = [];
    const stdout = jest.spyOn(process.stdout, 'write').mockImplementation((line) => lines.push(['out', line]) > 0);
    const stderr = jest.spyOn(process.stderr, 'write').mockImplementation((line) => lines.push(['err', line]) > 0);
    try {
      const { logger } = resolveConfig({ logger: { level: 'info' } });
      logger.debug('not written');
      logger.info('ready', { owner: 'me' });
      logger.warn('careful', {});
      logger.error('broken', { stack: 'x\ny' });
    } finally {
      stdout.mockRestore();
      stderr.mockRestore();
    }
    expect(lines).toEqual([
      ['out', 'oqronkit INFO ready {"owner":"me"}\n'],
      ['err', 'oqronkit WARN careful\n'],
      ['err', 'oqronkit ERROR broken {"stack":"x\\ny"}\n'],
    ]);
  });

  it('writes through an own logger', () => {
    const log = new RecordingLogger();
    resolveConfig({ logger: log }).logger.warn('hello', { queue: 'mail' });
    expect(log.lines).toEqual([{ level: 'warn', message: 'hello', context: { queue: 'mail' } }]);
  });

  it('takes a logger that has a level and other methods of its own, and calls it as its method', () => {
    class PinoLike {
      level = 'info';
      readonly lines: string[] = [];
      trace(): void {}
      debug(): void {}
      info(message: string): void {
        this.lines.push(`${this.level}: ${message}`);
      }
      warn(): void {}
      error(): void {}
      fatal(): void {}
      child(): this {
        return this;
      }
    }
    const pino = new PinoLike();
    resolveConfig({ logger: pino }).logger.info('hello');
    expect(pino.lines).toEqual(['info: hello']);
  });

  it('is not hurt by a logger that throws, whose warnings go to stderr', () => {
    const broken = (): never => {
      throw new Error('the log worker has exited');
    };
    const { logger } = resolveConfig({ logger: { debug: broken, info: broken, warn: broken, error: broken } });
    const stderr = jest.spyOn(process.stderr, 'write').mockReturnValue(true);
    try {
      logger.debug('a');
      logger.info('b');
      logger.error('c', { queue: 'mail' });
      expect(stderr.mock.calls).toEqual([
        ['oqronkit ERROR c {"queue":"mail","loggerThrew":"the log worker has exited"}\n'],
      ]);
    } finally {
      stderr.mockRestore();
    }
  });
});
