import { describe, expect, it } from '@jest/globals';
import { defineQueue, InvalidOptionsError, jsonCodec } from 'oqronkit';
import { parseOptions } from '../../lib/kernel/validation.js';
import { queueDefinition, type QueueOptions, type SharedQueueOptions } from '../../lib/modules/queue/index.js';
import { defaultJobOptionsSchema, jobOptionsSchema } from '../../lib/modules/queue/options.schema.js';
import { workerDefinition, type WorkerOptions } from '../../lib/modules/worker/index.js';
import { thrownBy } from '../support/until.js';

const handler = (): number => 1;

function problems(run: () => unknown): readonly string[] {
  const error = thrownBy<InvalidOptionsError>(run);
  expect(error).toBeInstanceOf(InvalidOptionsError);
  expect(error.code).toBe('INVALID_OPTIONS');
  return error.problems;
}

const queueProblems = (options: object) =>
  problems(() => queueDefinition({ name: 'mail', ...options } as QueueOptions<unknown>));
const workerProblems = (options: object) =>
  problems(() => workerDefinition({ topic: 'mail', handler, ...options } as WorkerOptions<unknown>));
const contractProblems = (options: object) => problems(() => defineQueue('mail', options as SharedQueueOptions));
const jobProblems = (options: unknown) => problems(() => parseOptions('add', jobOptionsSchema, options));

/** What a contract, a queue and a worker refuse alike: the option, and how the problem begins. */
const SHARED: [object, string][] = [
  [{ strategy: 'random' }, 'strategy'],
  [{ strategy: 5 }, 'strategy'],
  [{ retries: 3 }, 'retries'],
  [{ retries: { max: -1 } }, 'retries.max'],
  [{ retries: { max: 1.5 } }, 'retries.max'],
  [{ retries: { max: '3' } }, 'retries.max'],
  [{ retries: { max: 1_000_001 } }, 'retries.max'],
  [{ retries: { strategy: 'linear' } }, 'retries.strategy'],
  [{ retries: { strategy: 'custom' } }, 'retries.backoffFn'],
  [{ retries: { backoffFn: 5 } }, 'retries.backoffFn'],
  [{ retries: { baseDelay: -1 } }, 'retries.baseDelay'],
  [{ retries: { baseDelay: 'soon' } }, 'retries.baseDelay'],
  [{ retries: { maxDelay: Number.NaN } }, 'retries.maxDelay'],
  [{ retries: { maximum: 3 } }, 'retries: unknown option "maximum"'],
  [{ timeout: 0 }, 'timeout'],
  [{ timeout: -5 }, 'timeout'],
  [{ timeout: 'never' }, 'timeout'],
  [{ timeout: Infinity }, 'timeout'],
  [{ removeOnComplete: -1 }, 'removeOnComplete'],
  [{ removeOnComplete: 'yes' }, 'removeOnComplete'],
  [{ removeOnComplete: { age: -1 } }, 'removeOnComplete'],
  [{ removeOnComplete: { days: 3 } }, 'removeOnComplete'],
  [{ removeOnFail: 1.5 }, 'removeOnFail'],
  [{ keepHistory: -1 }, 'keepHistory'],
  [{ keepHistory: 'all' }, 'keepHistory'],
  [{ keepFailedHistory: { count: 5 } }, 'keepFailedHistory'],
  [{ priority: -1 }, 'priority'],
  [{ priority: 2_097_153 }, 'priority'],
  [{ priority: 'high' }, 'priority'],
  [{ tags: 'eu' }, 'tags'],
  [{ tags: [''] }, 'tags.0'],
  [{ tags: ['x'.repeat(129)] }, 'tags.0'],
  [{ tags: Array(17).fill('t') }, 'tags'],
  [{ codec: {} }, 'codec'],
  [{ codec: { encode: () => '' } }, 'codec'],
  [{ codec: jsonCodec.encode }, 'codec'],
  [{ schema: {} }, 'schema: expected a schema that follows Standard Schema v1'],
  [{ schema: { '~standard': { version: 1 } } }, 'schema'],
  [{ disabledBehavior: 'drop' }, 'disabledBehavior'],
  [{ maxHeldJobs: -1 }, 'maxHeldJobs'],
  [{ retrys: {} }, 'unknown option "retrys", did you mean "retries"?'],
  [{ timeOut: 5 }, 'unknown option "timeOut", did you mean "timeout"?'],
];

/** What a queue and a worker refuse. */
const EXECUTION: [object, string][] = [
  [{ concurrency: 0 }, 'concurrency'],
  [{ concurrency: -1 }, 'concurrency'],
  [{ concurrency: 1.5 }, 'concurrency'],
  [{ concurrency: Infinity }, 'concurrency'],
  [{ concurrency: '5' }, 'concurrency'],
  [{ guaranteedWorker: 'yes' }, 'guaranteedWorker'],
  [{ heartbeatMs: 0 }, 'heartbeatMs'],
  [{ heartbeatMs: 'x' }, 'heartbeatMs'],
  [{ lockTtlMs: -1 }, 'lockTtlMs'],
  [{ lockTtlMs: 0 }, 'lockTtlMs'],
  [{ pollIntervalMs: 0 }, 'pollIntervalMs'],
  [{ maxStalledCount: -1 }, 'maxStalledCount'],
  [{ maxStalledCount: 1_001 }, 'maxStalledCount'],
  [{ abortGraceMs: -1 }, 'abortGraceMs'],
  [{ hooks: { onSuccess: 'log' } }, 'hooks.onSuccess'],
  [{ hooks: { onFinish: handler } }, 'hooks: unknown option "onFinish"'],
  [{ hooks: handler }, 'hooks'],
  [{ handler: 'run' }, 'handler'],
  [{ handler: {} }, 'handler'],
  [{ handlers: { welcome: 'run' } }, 'handlers.welcome'],
  [{ handlers: { 'two words': handler } }, 'handlers'],
  [{ handlers: handler }, 'handlers'],
  [{ maxActive: 0 }, 'maxActive'],
  [{ rate: 10 }, 'rate'],
  [{ rate: { max: 10 } }, 'rate.duration'],
  [{ rate: { max: 0, duration: '1s' } }, 'rate.max'],
  [{ rate: { max: 10, duration: 0 } }, 'rate.duration'],
  [{ rate: { max: 10, duration: '1s', per: 'queue' } }, 'rate: unknown option "per"'],
  [{ throttle: { max: 1.5, duration: '1s' } }, 'throttle.max'],
  [{ throttle: { duration: '1s' } }, 'throttle.max'],
  [{ rateLimiter: () => true }, 'rateLimiter: expected an object with check'],
  [{ rateLimiter: { check: true } }, 'rateLimiter'],
  [{ condition: true }, 'condition'],
  [{ hooks: { beforeRun: 5 } }, 'hooks.beforeRun'],
  [{ hooks: { afterRun: {} } }, 'hooks.afterRun'],
  [{ hooks: { onError: 'log' } }, 'hooks.onError'],
  [{ deadLetter: true }, 'deadLetter'],
  [{ deadLetter: { enabled: 1 } }, 'deadLetter.enabled'],
  [{ deadLetter: { queue: 'two words' } }, 'deadLetter.queue'],
  [{ deadLetter: { queue: 'mail' } }, 'deadLetter.queue: a queue cannot be its own dead letter queue'],
  [{ deadLetter: { onDead: 'log' } }, 'deadLetter.onDead'],
  [{ batchSize: 0 }, 'batchSize'],
  [{ batchSize: 1_001 }, 'batchSize'],
  [{ handler, processBatch: handler }, 'processBatch: it takes every job'],
  [{ handler: undefined, handlers: { a: handler }, processBatch: handler }, 'processBatch: it takes every job'],
  [{ version: 0 }, 'version'],
  [{ version: '2' }, 'version'],
  [{ concurency: 5 }, 'unknown option "concurency", did you mean "concurrency"?'],
];

describe('the options of a contract', () => {
  it.each(SHARED)('refuse %j', (options, problem) => {
    expect(contractProblems(options)).toEqual([expect.stringMatching(beginning(problem))]);
  });

  it.each([[{ concurrency: 5 }], [{ handler }], [{ name: 'x' }]])(
    'refuse %j, which is for one side only',
    (options) => {
      expect(contractProblems(options)[0]).toMatch(/^unknown option/);
    },
  );

  it.each<[unknown]>([[''], ['two words'], [5], [undefined], ['x'.repeat(129)]])('refuse the name %p', (name) => {
    expect(problems(() => defineQueue(name as string))[0]).toMatch(/is not a name/);
  });

  it('turn durations into ms and freeze the contract', () => {
    const contract = defineQueue('mail', { timeout: '5m', retries: { baseDelay: '2s' } });
    expect(contract).toEqual({
      kind: 'queue-contract',
      name: 'mail',
      settings: { timeout: 300_000, retries: { baseDelay: 2_000 } },
    });
    expect(Object.isFrozen(contract)).toBe(true);
  });
});

describe('the options of queue()', () => {
  it.each([...SHARED, ...EXECUTION, [{ status: 'stopped' }, 'status'] as [object, string]])(
    'refuse %j',
    (options, problem) => {
      expect(queueProblems(options)).toEqual([expect.stringMatching(beginning(problem))]);
    },
  );

  it.each<[unknown]>([[undefined], [null], ['mail'], [5], [[]], [{}], [{ name: '' }], [{ name: 'a b' }]])(
    'refuse %j as a whole',
    (options) => {
      expect(problems(() => queueDefinition(options as QueueOptions)).length).toBeGreaterThan(0);
    },
  );

  it('report every problem in one error that names the queue', () => {
    const error = thrownBy<InvalidOptionsError>(() =>
      queueDefinition({ name: 'mail', concurrency: 0, timeout: -1, handlr: handler } as QueueOptions),
    );
    expect(error.message).toMatch(/^queue\("mail"\): 3 problems/);
    expect(error.problems).toHaveLength(3);
  });

  it('consume with a handler or handlers, and only publish without', () => {
    const consumes = (options: object) => queueDefinition({ name: 'mail', ...options }).consumes;
    expect([consumes({}), consumes({ handler }), consumes({ handlers: { a: handler } })]).toEqual([false, true, true]);
    expect(consumes({ processBatch: () => undefined })).toBe(true);
  });

  it('add to those of a contract and win over them; an option left undefined takes nothing away', () => {
    const contract = defineQueue('mail', { timeout: '5m', priority: 7, tags: ['a'], retries: { max: 1 } });
    const { name, settings } = queueDefinition(contract, { timeout: '1m', priority: undefined, concurrency: 2 });
    expect(name).toBe('mail');
    expect(settings).toMatchObject({ timeout: 60_000, priority: 7, tags: ['a'], retries: { max: 1 }, concurrency: 2 });
  });

  it('name the contract when something is wrong beside it', () => {
    const contract = defineQueue('mail');
    expect(() => queueDefinition(contract, { concurrency: 0 })).toThrow(/^queue\("mail"\): concurrency/);
  });
});

describe('the options of worker()', () => {
  it.each([...SHARED, ...EXECUTION])('refuse %j', (options, problem) => {
    expect(workerProblems(options)).toEqual([expect.stringMatching(beginning(problem))]);
  });

  it('ask for a handler', () => {
    expect(problems(() => workerDefinition({ topic: 'mail' }))).toEqual([
      'a worker needs a handler, handlers by job name, or processBatch',
    ]);
  });

  it.each<[unknown]>([[undefined], [{ handler }], [{ topic: 'a b', handler }], [{ name: 'mail', handler }]])(
    'refuse %j as a whole',
    (options) => {
      expect(problems(() => workerDefinition(options as WorkerOptions)).length).toBeGreaterThan(0);
    },
  );

  it('know no initial status', () => {
    expect(workerProblems({ status: 'paused' })[0]).toMatch(/^unknown option "status"/);
  });

  it('take what a contract says, and nothing away where left undefined', () => {
    const contract = defineQueue('mail', { timeout: '5m', retries: { max: 1 } });
    const { name, settings } = workerDefinition(contract, { handler, timeout: undefined, concurrency: 3 });
    expect(name).toBe('mail');
    expect(settings).toMatchObject({ timeout: 300_000, retries: { max: 1 }, concurrency: 3 });
  });
});

describe('the options of a job', () => {
  it.each<[object, string]>([
    [{ jobId: '' }, 'jobId'],
    [{ jobId: 5 }, 'jobId'],
    [{ jobId: 'a\u0000' }, 'jobId'],
    [{ jobId: 'x'.repeat(257) }, 'jobId'],
    [{ jobId: null }, 'jobId'],
    [{ priority: -1 }, 'priority'],
    [{ priority: 1.5 }, 'priority'],
    [{ priority: 2_097_153 }, 'priority'],
    [{ priority: Number.NaN }, 'priority'],
    [{ delay: -1 }, 'delay'],
    [{ delay: Number.NaN }, 'delay'],
    [{ delay: Infinity }, 'delay'],
    [{ delay: 'tomorrow' }, 'delay'],
    [{ delay: new Date() }, 'delay'],
    [{ delay: null }, 'delay'],
    [{ attempts: -1 }, 'attempts'],
    [{ attempts: 1.5 }, 'attempts'],
    [{ attempts: '3' }, 'attempts'],
    [{ backoff: 1_000 }, 'backoff'],
    [{ backoff: { type: 'fixed' } }, 'backoff.delay'],
    [{ backoff: { delay: 5 } }, 'backoff.type'],
    [{ backoff: { type: 'linear', delay: 5 } }, 'backoff.type'],
    [{ backoff: { type: 'fixed', delay: -5 } }, 'backoff.delay'],
    [{ backoff: { type: 'fixed', delay: 5, max: 5 } }, 'backoff: unknown option "max"'],
    [{ removeOnComplete: -5 }, 'removeOnComplete'],
    [{ removeOnFail: { count: -5 } }, 'removeOnFail'],
    [{ correlationId: '' }, 'correlationId'],
    [{ correlationId: 'x'.repeat(257) }, 'correlationId'],
    [{ timeout: 0 }, 'timeout'],
    [{ tags: [5] }, 'tags.0'],
    [{ name: 'two words' }, 'name'],
    [{ dependsOn: 'a' }, 'dependsOn'],
    [{ dependsOn: [''] }, 'dependsOn.0'],
    [{ dependsOn: ['ok', { id: 'a' }] }, 'dependsOn.1'],
    [{ dependsOn: [{ id: '', queueName: 'q' }] }, 'dependsOn.0'],
    [{ dependsOn: [{ id: 'a', queueName: 'two words' }] }, 'dependsOn.0'],
    [{ dependsOn: Array(1_001).fill('a') }, 'dependsOn'],
    [{ parentFailurePolicy: 'fail' }, 'parentFailurePolicy'],
    [{ deduplication: 'key' }, 'deduplication'],
    [{ deduplication: { key: 'a' } }, 'deduplication.mode'],
    [{ deduplication: { key: '', mode: 'replace' } }, 'deduplication.key'],
    [{ deduplication: { key: '漢'.repeat(86), mode: 'replace' } }, 'deduplication.key'],
    [{ deduplication: { key: 'a', mode: 'first' } }, 'deduplication.mode'],
    [{ deduplication: { key: 'a', mode: 'throttle' } }, "deduplication.ttl: mode 'throttle' needs a ttl"],
    [{ deduplication: { key: 'a', mode: 'debounce' } }, "deduplication: mode 'debounce' needs a ttl"],
    [{ deduplication: { key: 'a', mode: 'throttle', ttl: 0 } }, 'deduplication.ttl'],
    [{ dealy: 5 }, 'unknown option "dealy", did you mean "delay"?'],
    [{ jobid: 'x' }, 'unknown option "jobid", did you mean "jobId"?'],
    [{ repeat: { every: 5 } }, 'unknown option "repeat"'],
  ])('refuse %j', (options, problem) => {
    expect(jobProblems(options)).toEqual([expect.stringMatching(beginning(problem))]);
  });

  it.each<[unknown]>([[null], ['5m'], [5], [[]], [() => ({})]])('refuse %p as a whole', (options) => {
    expect(jobProblems(options).length).toBeGreaterThan(0);
  });

  it('report every problem at once', () => {
    expect(jobProblems({ priority: -1, delay: -1, attempts: -1, color: 'red' })).toHaveLength(4);
  });

  it('take what they name at its limits', () => {
    const options = {
      jobId: '🚀'.repeat(64),
      priority: 2_097_152,
      delay: '36500d',
      attempts: 0,
      backoff: { type: 'exponential', delay: 0, maxDelay: '1d' },
      removeOnComplete: { age: 0.5, count: 0 },
      removeOnFail: false,
      correlationId: 'c',
      timeout: 1,
      tags: [],
    };
    expect(parseOptions('add', jobOptionsSchema, options)).toMatchObject({ delay: 3_153_600_000_000, attempts: 0 });
  });

  it('take handles and ids as parents, and of a handle only what names its job', () => {
    const handle = { id: 'a', queueName: 'q', data: 5, cancel: () => undefined };
    expect(parseOptions('add', jobOptionsSchema, { dependsOn: ['b', handle] })).toEqual({
      dependsOn: ['b', { id: 'a', queueName: 'q' }],
    });
  });

  it('take a debounce with a delay instead of a ttl', () => {
    const options = { deduplication: { key: 'a', mode: 'debounce' }, delay: '5s' };
    expect(parseOptions('add', jobOptionsSchema, options)).toMatchObject({ delay: 5_000 });
  });

  it('hold for all jobs but those that are about one', () => {
    expect(parseOptions('config', defaultJobOptionsSchema, { attempts: 3, delay: '1s' })).toEqual({
      attempts: 3,
      delay: 1_000,
    });
    for (const key of ['jobId', 'name', 'dependsOn', 'parentFailurePolicy', 'deduplication', 'tx']) {
      const [problem] = problems(() => parseOptions('config', defaultJobOptionsSchema, { [key]: 'x' }));
      expect(problem).toMatch(new RegExp(`^unknown option "${key}"`));
    }
  });
});

function beginning(text: string): RegExp {
  return new RegExp(`^${text.replaceAll(/[.?]/g, String.raw`\$&`)}`);
}
