import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { EngineEventName, EngineEvents, Job, OqronEngine } from 'oqronkit';
import { constantRandom } from '../support/seeded-random.js';
import { World } from '../support/world.js';
import { wrapBackend } from '../support/wrapped-backend.js';

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.end());

const NAMES: readonly EngineEventName[] = [
  'job:added',
  'job:start',
  'job:success',
  'job:fail',
  'job:retry',
  'job:released',
  'job:stalled',
  'job:cancelled',
  'worker:lost-lease',
  'queue:paused',
  'queue:resumed',
  'system:ready',
  'system:stop',
  'error',
];

function listen(engine: OqronEngine): [EngineEventName, EngineEvents[EngineEventName]][] {
  const told: [EngineEventName, EngineEvents[EngineEventName]][] = [];
  for (const name of NAMES) engine.on(name, (event: EngineEvents[EngineEventName]) => told.push([name, event]));
  return told;
}

describe('events', () => {
  it('tell the course of a job, each once and in order', async () => {
    const engine = world.engine({}, { random: constantRandom(0.5) });
    const told = listen(engine);
    const queue = engine.queue<number, string>({
      name: 'q',
      retries: { max: 1, baseDelay: '4s' },
      handler: async ({ attempt }) => {
        await world.clock.sleep('2s');
        if (attempt === 1) throw new Error('once');
        return 'done';
      },
    });
    await engine.start();
    const { id } = await queue.add(1);
    await world.clock.advance('1m');
    await engine.stop();
    const event = { queue: 'q', id, name: 'default' };
    expect(told).toEqual([
      ['system:ready', { owner: engine.owner }],
      ['job:added', { ...event, status: 'waiting' }],
      ['job:start', { ...event, attempt: 1 }],
      [
        'job:retry',
        { ...event, attempt: 1, delayMs: 4_000, error: expect.objectContaining({ message: 'once' }) as unknown },
      ],
      ['job:start', { ...event, attempt: 2 }],
      ['job:success', { ...event, attempt: 2, result: 'done', durationMs: 2_000 }],
      ['system:stop', { owner: engine.owner }],
    ]);
  });

  it('tell a failure once, with the error and how long the attempt took', async () => {
    const engine = world.engine();
    const told = listen(engine);
    const queue = engine.queue({
      name: 'q',
      retries: { max: 0 },
      handler: async () => {
        await world.clock.sleep('3s');
        throw new Error('broken');
      },
    });
    await engine.start();
    const { id } = await queue.add(1);
    await world.clock.advance('1m');
    expect(told.filter(([name]) => name === 'job:fail')).toEqual([
      [
        'job:fail',
        {
          queue: 'q',
          id,
          name: 'default',
          attempt: 1,
          durationMs: 3_000,
          error: expect.objectContaining({ message: 'broken' }) as unknown,
        },
      ],
    ]);
    expect(told.some(([name]) => name === 'job:retry' || name === 'job:success')).toBe(false);
  });

  it('come after the store has it: a listener reads the final record', async () => {
    const engine = world.engine();
    const read: (string | undefined)[] = [];
    const queue = engine.queue<boolean>({
      name: 'q',
      retries: { max: 0 },
      handler: ({ data }) => {
        if (!data) throw new Error('x');
      },
    });
    const look = async ({ id }: { id: string }): Promise<void> => {
      read.push((await queue.getJob(id))?.status);
    };
    engine.on('job:success', look);
    engine.on('job:fail', look);
    await engine.start();
    await queue.add(true);
    await queue.add(false);
    await world.clock.advance('1s');
    expect(read.sort()).toEqual(['completed', 'failed']);
  });

  it('end when a listener is taken off', async () => {
    const engine = world.engine();
    let calls = 0;
    const count = (): void => {
      calls += 1;
    };
    engine.once('job:added', count);
    const off = engine.on('job:added', count);
    engine.on('job:added', count);
    const queue = engine.queue({ name: 'q' });
    await queue.add(1);
    const first = calls;
    off();
    await queue.add(2);
    expect([first, calls]).toEqual([2, 2]);
  });

  it('whose listeners fail are logged and change nothing', async () => {
    const engine = world.engine();
    const queue = engine.queue<number>({ name: 'q', handler: () => 'ok' });
    for (const name of ['job:added', 'job:start', 'job:success'] as const) {
      engine.on(name, () => {
        throw new Error(`at ${name}`);
      });
      engine.on(name, () => Promise.reject(new Error(`later at ${name}`)));
    }
    await engine.start();
    const { id } = await queue.add(1);
    await world.clock.advance('1s');
    expect((await queue.getJob(id))?.status).toBe('completed');
    const lines = world.log.matching('error', /a listener of "job:(added|start|success)" threw/);
    expect(lines.map(({ context }) => context.error).sort()).toEqual([
      'at job:added',
      'at job:start',
      'at job:success',
      'later at job:added',
      'later at job:start',
      'later at job:success',
    ]);
  });
});

describe('hooks', () => {
  it('get the job as it was recorded and the result, after it was recorded, once', async () => {
    const settled: string[] = [];
    const backend = wrapBackend(world.backend, async (operation, _args, run) => {
      const reply = await run();
      if (operation === 'settle') settled.push('recorded');
      return reply;
    });
    const engine = world.engine({}, { backend });
    const seen: [Job<{ n: number }, number>, number][] = [];
    const queue = engine.queue<{ n: number }, number>({
      name: 'q',
      handler: async ({ data }) => {
        await world.clock.sleep('2s');
        return data.n + 1;
      },
      hooks: {
        onSuccess: (job, result) => {
          settled.push('hook');
          seen.push([job, result]);
        },
        onFail: () => settled.push('onFail?'),
      },
    });
    await engine.start();
    const { id } = await queue.add({ n: 1 }, { tags: ['t'], correlationId: 'c' });
    await world.clock.advance('1m');
    expect(settled).toEqual(['recorded', 'hook']);
    expect(seen).toHaveLength(1);
    expect(seen[0]?.[1]).toBe(2);
    const record = await queue.getJob(id);
    expect(seen[0]?.[0]).toMatchObject({
      id,
      status: 'completed',
      data: { n: 1 },
      returnValue: 2,
      attemptMade: 1,
      tags: ['t'],
      correlationId: 'c',
      createdAt: record?.createdAt,
      startedAt: record?.startedAt,
      finishedAt: record?.finishedAt,
      durationMs: 2_000,
    });
  });

  it('hear of a failure for good only, with the error that was thrown', async () => {
    const engine = world.engine();
    const boom = new TypeError('boom');
    const seen: [Job, Error][] = [];
    const queue = engine.queue({
      name: 'q',
      retries: { max: 2, strategy: 'fixed', baseDelay: '1s' },
      handler: () => {
        throw boom;
      },
      hooks: { onFail: (job, error) => seen.push([job, error]) },
    });
    await engine.start();
    const { id } = await queue.add('x');
    await world.clock.advance('1m');
    expect(seen).toHaveLength(1);
    expect(seen[0]?.[1]).toBe(boom);
    expect(seen[0]?.[0]).toMatchObject({ id, status: 'failed', attemptMade: 3, data: 'x', error: { message: 'boom' } });
  });

  it.each<[string, () => unknown]>([
    [
      'throw',
      () => {
        throw new Error('hook broke');
      },
    ],
    ['reject', () => Promise.reject(new Error('hook broke'))],
  ])('that %s are logged, told as an error, and change nothing', async (_title, hook) => {
    const engine = world.engine();
    const errors: EngineEvents['error'][] = [];
    engine.on('error', (event) => errors.push(event));
    const queue = engine.queue<boolean>({
      name: 'q',
      retries: { max: 0 },
      concurrency: 1,
      handler: ({ data }) => {
        if (!data) throw new Error('x');
      },
      hooks: { onSuccess: hook, onFail: hook },
    });
    await engine.start();
    await queue.add(true);
    await queue.add(false);
    await queue.add(true);
    await world.clock.advance('1s');
    expect(await queue.counts()).toMatchObject({ completed: 2, failed: 1, waiting: 0, active: 0 });
    expect(errors.map(({ where }) => where).sort()).toEqual([
      'hook onFail (queue "q")',
      'hook onSuccess (queue "q")',
      'hook onSuccess (queue "q")',
    ]);
    expect(world.log.matching('error', /hook on(Success|Fail) \(queue "q"\): hook broke/)).toHaveLength(3);
  });

  it('do not hold up the next job, however long they take', async () => {
    const engine = world.engine();
    const ran: number[] = [];
    const queue = engine.queue<number>({
      name: 'q',
      concurrency: 1,
      handler: ({ data }) => ran.push(data),
      hooks: { onSuccess: () => new Promise(() => undefined) },
    });
    await engine.start();
    await queue.add(1);
    await queue.add(2);
    await world.clock.advance('1s');
    expect(ran).toEqual([1, 2]);
  });

  it('may add jobs', async () => {
    const engine = world.engine();
    const seen: unknown[] = [];
    const next = engine.queue({ name: 'next', handler: ({ data }) => seen.push(data) });
    const queue = engine.queue<string, string>({
      name: 'q',
      handler: ({ data }) => data.toUpperCase(),
      hooks: { onSuccess: (_job, result) => next.add({ result }) },
    });
    await engine.start();
    await queue.add('a');
    await world.clock.advance('1s');
    expect(seen).toEqual([{ result: 'A' }]);
  });
});

describe('the log', () => {
  it('has one structured line for each failed attempt', async () => {
    const engine = world.engine({}, { random: constantRandom(0.5) });
    const queue = engine.queue({
      name: 'mail',
      retries: { max: 1, baseDelay: '2s' },
      handler: async () => {
        await world.clock.sleep('1500ms');
        throw Object.assign(new Error('no route'), { code: 'EHOSTUNREACH' });
      },
    });
    await engine.start();
    const { id } = await queue.add(1);
    await world.clock.advance('1m');
    const lines = world.log.lines.filter(({ level }) => level === 'warn' || level === 'error');
    expect(lines).toEqual([
      {
        level: 'warn',
        message: `queue "mail", job "${id}": attempt 1 failed: no route`,
        context: {
          queue: 'mail',
          jobId: id,
          name: 'default',
          attempt: 1,
          durationMs: 1_500,
          error: 'Error',
          code: 'EHOSTUNREACH',
          retryInMs: 2_000,
        },
      },
      {
        level: 'warn',
        message: `queue "mail", job "${id}": attempt 2 failed: no route`,
        context: expect.objectContaining({ attempt: 2, final: true }) as unknown,
      },
    ]);
  });

  it('is quiet while everything goes well', async () => {
    const engine = world.engine();
    const queue = engine.queue({ name: 'q', handler: () => 1 });
    await engine.start();
    await queue.addBulk(Array.from({ length: 50 }, (_, n) => ({ data: n })));
    await world.clock.advance('5m');
    await engine.stop();
    expect(world.log.lines.filter(({ level }) => level !== 'debug')).toEqual([]);
  });

  it('lockTtlMs below 3 x heartbeatMs = a warning; below heartbeatMs = an error', async () => {
    const engine = world.engine();
    engine.queue({ name: 'tight', heartbeatMs: 10_000, lockTtlMs: 20_000, handler: () => 1 });
    expect(world.log.matching('warn', /"tight": lockTtlMs 20000 is below 3 x heartbeatMs 10000/)).toHaveLength(1);
    expect(() => engine.queue({ name: 'q', heartbeatMs: 10_000, lockTtlMs: 9_000, handler: () => 1 })).toThrow(
      /queue\("q"\): lockTtlMs 9000 is below heartbeatMs 10000/,
    );
    expect(() => engine.worker({ topic: 'w', lockTtlMs: '2s', handler: () => 1 })).toThrow(/below heartbeatMs 5000/);
    expect(engine.definitions().map(({ name }) => name)).toEqual(['tight']);
  });

  it('a queue with its own handler on the same topic in the same process = warning', () => {
    const engine = world.engine();
    engine.queue({ name: 'q', handler: () => 1 });
    engine.worker({ topic: 'q', handler: () => 1 });
    expect(world.log.matching('warn', /"q" has both a queue with a handler and a worker/)).toHaveLength(1);
  });
});
