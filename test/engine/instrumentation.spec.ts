import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  JobFailedError,
  NonRetryableError,
  OqronEngine,
  ReleaseError,
  type EnqueueCall,
  type InstrumentedJob,
  type OqronInstrumentation,
  type RunningJob,
  type SettledAttempt,
} from 'oqronkit';
import { failureOf, thrownBy } from '../support/until.js';
import { World } from '../support/world.js';

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.end());

/** Writes a header that names the job, as a trace context would be. */
const stamp: OqronInstrumentation = {
  name: 'stamp',
  onEnqueue: (job) => {
    job.headers['made-for'] = `${job.queueName}/${job.id}`;
  },
};

describe('headers', () => {
  it('travel with a job from add, addBulk and spawnChild to its handler and to wrap', async () => {
    const seen: string[] = [];
    const wrapped: string[] = [];
    const engine = world.engine({
      instrumentation: [stamp, { wrap: (job, next) => (wrapped.push(job.headers['made-for'] ?? '-'), next()) }],
    });
    const queue = engine.queue<string>({
      name: 'q',
      handler: async (ctx) => {
        seen.push(ctx.headers['made-for'] ?? '-');
        if (ctx.id === 'one') await ctx.spawnChild('q', 'x', { jobId: 'child' });
      },
    });
    await engine.start();
    await queue.add('default', 'x', { jobId: 'one' });
    await queue.addBulk([
      { data: 'x', opts: { jobId: 'two' } },
      { data: 'x', opts: { jobId: 'three' } },
    ]);
    await world.clock.advance('1s');
    expect(seen.toSorted()).toEqual(['q/child', 'q/one', 'q/three', 'q/two']);
    expect(wrapped.toSorted()).toEqual(seen.toSorted());
  });

  it('are the same in every attempt, and on the copy in a dead-letter queue', async () => {
    const seen: (string | undefined)[] = [];
    const engine = world.engine({ instrumentation: stamp });
    const queue = engine.queue<number>({
      name: 'q',
      retries: { max: 1, baseDelay: 10 },
      deadLetter: { queue: 'dead' },
      handler: (ctx) => {
        seen.push(ctx.headers['made-for']);
        throw new Error('never');
      },
    });
    engine.queue<number>({ name: 'dead', handler: (ctx) => void seen.push(`dead: ${ctx.headers['made-for']}`) });
    await engine.start();
    const { id } = await queue.add(1);
    await world.clock.advance('1m');
    expect(seen).toEqual([`q/${id}`, `q/${id}`, `dead: q/${id}`]);
  });

  it('are empty where nobody writes any', async () => {
    const engine = world.engine();
    const seen: object[] = [];
    const queue = engine.queue<number>({ name: 'q', handler: (ctx) => void seen.push(ctx.headers) });
    await engine.start();
    const { id } = await queue.add(1);
    await world.clock.advance('1s');
    expect(seen).toEqual([{}]);
    expect((await world.backend.store.admin.get('q', id))?.meta).not.toHaveProperty('headers');
  });

  it('are bounded: what is too long or no text is left out, and said once', async () => {
    const engine = world.engine({
      instrumentation: {
        onEnqueue: ({ headers }) => {
          Object.assign(headers, { first: 'a', long: 'x'.repeat(5_000), number: 7, nul: 'a\u0000b', last: 'z' });
        },
      },
    });
    const queue = engine.queue<number>({ name: 'q' });
    const { id } = await queue.add(1);
    await queue.add(2);
    const stored = await world.backend.store.admin.get('q', id);
    expect(stored?.meta.headers).toEqual({ first: 'a', nul: 'a\uFFFDb', last: 'z' });
    const lines = world.log.lines.filter(({ message }) => message.includes('is not sent with jobs'));
    expect(lines.map(({ message }) => /"(\w+)"/.exec(message)?.[1])).toEqual(['long', 'number']);
  });
});

describe('wrapEnqueue', () => {
  it('stands around each call, outside of onEnqueue, until the store has acknowledged', async () => {
    const told: string[] = [];
    const calls: EnqueueCall[] = [];
    const around = (name: string): OqronInstrumentation => ({
      onEnqueue: ({ id }) => void told.push(`${name}: ${id}`),
      wrapEnqueue: async (call, next) => {
        calls.push(call);
        told.push(`${name} begins`);
        await next();
        told.push(`${name} ends`);
      },
    });
    const engine = world.engine({ instrumentation: [around('a'), around('b')] });
    const queue = engine.queue<number>({ name: 'q' });
    const added = await queue.addBulk([
      { data: 1, opts: { jobId: 'x', correlationId: 'c' } },
      { data: 2, opts: { jobId: 'y' } },
    ]);
    expect(added.map(({ id, created }) => [id, created])).toEqual([
      ['x', true],
      ['y', true],
    ]);
    expect(told.slice(0, 6)).toEqual(['a begins', 'b begins', 'a: x', 'b: x', 'a: y', 'b: y']);
    expect(told.slice(6).toSorted()).toEqual(['a ends', 'b ends']);
    expect(calls[0]).toMatchObject({
      queueName: 'q',
      bulk: true,
      jobs: [{ id: 'x', correlationId: 'c' }, { id: 'y' }],
    });
    await queue.add(3);
    expect(calls.at(-1)).toMatchObject({ bulk: false, jobs: [{ name: 'default' }] });
  });

  it('sees a refusal, which the caller gets unchanged', async () => {
    const seen: unknown[] = [];
    const engine = world.engine({
      instrumentation: { wrapEnqueue: (_call, next) => next().catch((error: unknown) => void seen.push(error)) },
    });
    const queue = engine.queue<number>({ name: 'q' });
    const error = await failureOf(queue.add(1, { dependsOn: ['nobody'] }));
    expect(error).toMatchObject({ code: 'UNKNOWN_PARENT' });
    expect(seen).toEqual([error]);
  });

  it('is called after the payload was encoded: the caller may change it at once', async () => {
    const engine = world.engine({
      instrumentation: { wrapEnqueue: async (_call, next) => (await Promise.resolve(), await next()) },
    });
    const got: unknown[] = [];
    const queue = engine.queue<{ n: number }>({ name: 'q', handler: ({ data }) => void got.push(data) });
    await engine.start();
    const data = { n: 1 };
    const added = queue.add(data);
    data.n = 2;
    await added;
    await world.clock.advance('1s');
    expect(got).toEqual([{ n: 1 }]);
  });
});

describe('wrap', () => {
  it('stands around each call of a handler, the first one outside', async () => {
    const told: string[] = [];
    const around = (name: string): OqronInstrumentation => ({
      wrap: async (job, next) => {
        told.push(`${name} begins ${job.id}`);
        const value = await next();
        told.push(`${name} ends with ${String(value)}`);
        return 'something else';
      },
    });
    const engine = world.engine({ instrumentation: [around('a'), around('b')] });
    const queue = engine.queue<number, string>({ name: 'q', handler: () => 'done' });
    await engine.start();
    const job = await queue.add(1, { jobId: 'j' });
    await world.clock.advance('1s');
    expect(told.slice(0, 2)).toEqual(['a begins j', 'b begins j']);
    expect(told.slice(2).toSorted()).toEqual(['a ends with done', 'b ends with done']);
    expect((await queue.getJob(job.id))?.returnValue).toBe('done');
  });

  it('knows the attempt, how many there may be, and how long the job could have run already', async () => {
    const seen: RunningJob[] = [];
    const engine = world.engine({ instrumentation: { wrap: (job, next) => (seen.push(job), next()) } });
    const queue = engine.queue<number>({
      name: 'q',
      concurrency: 1,
      retries: { max: 2, baseDelay: '5s', strategy: 'fixed' },
      handler: async ({ attempt, data }) => {
        await world.clock.sleep('3s');
        if (data === 1 && attempt === 1) throw new Error('once');
      },
    });
    await engine.start();
    await queue.add(1, { jobId: 'a', correlationId: 'c' });
    await queue.add(2, { jobId: 'b', delay: '1s' });
    await world.clock.advance('1m');
    const brief = seen.map(({ id, attempt, maxAttempts, waitDuration }) => ({
      id,
      attempt,
      maxAttempts,
      waitDuration,
    }));
    expect(brief).toEqual([
      { id: 'a', attempt: 1, maxAttempts: 3, waitDuration: 0 },
      // Due after 1 s, and the only slot is free after 3 s: the delay itself is no waiting.
      { id: 'b', attempt: 1, maxAttempts: 3, waitDuration: 2_000 },
      { id: 'a', attempt: 2, maxAttempts: 3, waitDuration: 0 },
    ]);
    expect(seen[0]).toMatchObject({ queueName: 'q', name: 'default', correlationId: 'c' });
    expect(seen[0]?.context.data).toBe(1);
  });

  it('stands around a call of processBatch with wrapBatch', async () => {
    const told: string[] = [];
    const engine = world.engine({
      instrumentation: {
        wrapBatch: async (jobs, next) => {
          told.push(jobs.map(({ id }) => id).join());
          await next();
          told.push('over');
        },
        wrap: (_job, next) => (told.push('a single job'), next()),
      },
    });
    const queue = engine.queue<number>({
      name: 'q',
      processBatch: (ctxs) => void told.push(`${ctxs.length} jobs`),
      batchSize: 2,
    });
    await queue.addBulk([
      { data: 1, opts: { jobId: 'a' } },
      { data: 2, opts: { jobId: 'b' } },
    ]);
    await engine.start();
    await world.clock.advance('1s');
    expect(told).toEqual(['a,b', '2 jobs', 'over']);
    expect(await queue.count('completed')).toBe(2);
  });
});

describe('an instrumentation that goes wrong', () => {
  const broken: Record<string, OqronInstrumentation> = {
    'throws before it calls next': {
      onEnqueue: () => {
        throw new Error('broken');
      },
      wrapEnqueue: () => {
        throw new Error('broken');
      },
      wrap: () => {
        throw new Error('broken');
      },
      onSettled: () => {
        throw new Error('broken');
      },
    },
    'throws after it called next': {
      wrapEnqueue: (_call, next) => {
        void next();
        throw new Error('broken');
      },
      wrap: (_job, next) => {
        void next();
        throw new Error('broken');
      },
    },
    rejects: {
      wrapEnqueue: (_call, next) => next().then(() => Promise.reject(new Error('broken'))),
      wrap: (_job, next) => next().then(() => Promise.reject(new Error('broken'))),
    },
    'never calls next': { wrapEnqueue: () => undefined, wrap: () => new Promise(() => undefined) },
    'calls next late': {
      wrapEnqueue: async (_call, next) => (await Promise.resolve(), next()),
      wrap: async (_job, next) => (await Promise.resolve(), next()),
    },
    'calls next twice': {
      wrapEnqueue: (_call, next) => Promise.all([next(), next()]),
      wrap: (_job, next) => Promise.all([next(), next()]),
    },
  };

  it.each(Object.keys(broken))('hurts no job: one that %s', async (how) => {
    let runs = 0;
    const engine = world.engine({ instrumentation: { ...broken[how], name: 'culprit' } });
    const queue = engine.queue<number, string>({ name: 'q', handler: () => ((runs += 1), 'done') });
    await engine.start();
    const job = await queue.add(1);
    await world.clock.advance('1m');
    expect(runs).toBe(1);
    expect(await queue.getJob(job.id)).toMatchObject({ status: 'completed', returnValue: 'done', attemptMade: 1 });
    const lines = world.log.lines.filter(({ message }) => message.startsWith('instrumentation culprit'));
    expect(lines.length > 0).toBe(how !== 'calls next twice');
  });

  it('is not blamed for what the handler throws', async () => {
    const engine = world.engine({
      instrumentation: {
        wrap: async (_job, next) => {
          await next();
        },
      },
    });
    const queue = engine.queue<number>({
      name: 'q',
      handler: () => {
        throw new NonRetryableError('no');
      },
    });
    await engine.start();
    const job = await queue.add(1);
    const failed = failureOf(job.waitUntilFinished());
    await world.clock.advance('1s');
    expect(await failed).toBeInstanceOf(JobFailedError);
    expect(world.log.lines.filter(({ message }) => message.startsWith('instrumentation'))).toEqual([]);
  });
});

describe('onSettled', () => {
  it('tells how each attempt ended, after the store confirmed it', async () => {
    const told: [InstrumentedJob, SettledAttempt][] = [];
    const engine = world.engine({ instrumentation: { onSettled: (job, attempt) => void told.push([job, attempt]) } });
    const queue = engine.queue<string>({
      name: 'q',
      retries: { max: 1, baseDelay: 10, strategy: 'fixed' },
      handler: async ({ data, attempt }) => {
        await world.clock.sleep(1_500);
        if (data === 'fails') throw new Error('no');
        if (data === 'is released' && told.every(([{ id }]) => id !== 'r')) throw new ReleaseError(100);
        if (data === 'is lost' && attempt === 1) await queue.getJob('l').then((job) => job?.cancel());
      },
    });
    await engine.start();
    await queue.add('default', 'works', { jobId: 'w' });
    await queue.add('default', 'fails', { jobId: 'f' });
    await queue.add('default', 'is released', { jobId: 'r' });
    await world.clock.advance('1m');
    const brief = told.map(([{ id, attempt }, { outcome, durationMs }]) => [id, attempt, outcome, durationMs]);
    expect(brief.toSorted()).toEqual(
      [
        ['w', 1, 'completed', 1_500],
        ['f', 1, 'retried', 1_500],
        ['f', 2, 'failed', 1_500],
        ['r', 1, 'released', 1_500],
        ['r', 1, 'completed', 1_500],
      ].toSorted(),
    );
    const failed = told.find(([, { outcome }]) => outcome === 'failed')?.[1];
    expect(failed).toMatchObject({ error: { message: 'no' } });
  });
});

describe('engine.instrument', () => {
  it('watches from then on, until its function is called', async () => {
    const engine = world.engine();
    const seen: string[] = [];
    const queue = engine.queue<string>({ name: 'q', handler: () => undefined });
    await engine.start();
    await queue.add('default', 'x', { jobId: 'before' });
    await world.clock.advance('1s');
    const end = engine.instrument({
      onEnqueue: ({ id }) => void seen.push(`add ${id}`),
      wrap: (job, next) => (seen.push(`run ${job.id}`), next()),
    });
    await queue.add('default', 'x', { jobId: 'during' });
    await world.clock.advance('1s');
    end();
    await queue.add('default', 'x', { jobId: 'after' });
    await world.clock.advance('1s');
    expect(seen).toEqual(['add during', 'run during']);
  });

  it('attaches once, and detaches when the engine has stopped', async () => {
    const told: string[] = [];
    const instrumentation: OqronInstrumentation = {
      attach: (engine) => {
        told.push(`attached to ${engine.owner}`);
        return () => told.push('detached');
      },
    };
    const engine = world.engine({ instrumentation });
    engine.instrument(instrumentation);
    await engine.start();
    expect(told).toEqual([`attached to ${engine.owner}`]);
    await engine.stop();
    expect(told).toEqual([`attached to ${engine.owner}`, 'detached']);
  });
});

it('refuses what is no instrumentation, with all other problems of the configuration', () => {
  const config = { instrumentation: 'otel', project: '' } as never;
  expect(thrownBy(() => new OqronEngine(config))).toMatchObject({
    code: 'INVALID_OPTIONS',
    message: expect.stringMatching(
      /project[\s\S]*instrumentation: expected an instrumentation|instrumentation[\s\S]*project/,
    ) as unknown,
  });
});
