import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  InvalidPayloadError,
  queueModule,
  RetryLaterError,
  type Codec,
  type JobContext,
  type JobOptions,
  type Queue,
  type QueueOptions,
} from 'oqronkit';
import { constantRandom } from '../support/seeded-random.js';
import { failureOf } from '../support/until.js';
import { World } from '../support/world.js';
import { wrapBackend } from '../support/wrapped-backend.js';

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.end());

const fail = (): never => {
  throw new Error('broken');
};

/** A started engine whose queue completes positive numbers and fails the others at once. */
async function finishing(options: Partial<QueueOptions<number>> = {}): Promise<Queue<number>> {
  const engine = world.engine();
  const queue = engine.queue<number>({
    name: 'q',
    retries: { max: 0 },
    concurrency: 1,
    handler: ({ data }) => (data < 0 ? fail() : undefined),
    ...options,
  });
  await engine.start();
  return queue;
}

/** The payloads of what is kept, newest first. */
async function kept(queue: Queue<number>, status: 'completed' | 'failed'): Promise<number[]> {
  return (await queue.getJobs({ status, limit: 1_000 })).jobs.map(({ data }) => data);
}

describe('the fields of a job', () => {
  it('are `id` ... `latencyMs`, each with the value of its life', async () => {
    const engine = world.engine({ project: 'shop', environment: 'live', tags: ['all'] });
    const queue = engine.queue<{ n: number }, string>({
      name: 'orders',
      handler: async (ctx) => {
        ctx.progress(40, 'packing');
        ctx.log.info('packed', { boxes: 2 });
        await ctx.spawnChild('labels', { of: ctx.id }, { jobId: 'label' });
        await world.clock.sleep('3s');
        return 'sent';
      },
    });
    await queue.pause();
    const at = world.clock.now();
    const { id } = await queue.add({ n: 1 }, { attempts: 4, correlationId: 'c', tags: ['own'], priority: 2 });
    await engine.start();
    await world.clock.advance('10s');
    await queue.resume();
    await world.clock.settle();
    expect(await queue.getJob(id)).toMatchObject({ status: 'active', workerId: engine.owner, finishedAt: undefined });
    await world.clock.advance('3s');
    const job = await queue.getJob(id);
    expect(Object.fromEntries(Object.entries(job ?? {}).filter(([, value]) => value !== undefined))).toEqual({
      id,
      created: false,
      skipped: false,
      type: 'queue',
      queueName: 'orders',
      name: 'default',
      status: 'completed',
      data: { n: 1 },
      opts: { attempts: 4, priority: 2 },
      priority: 2,
      attemptMade: 1,
      maxAttempts: 4,
      progress: 40,
      progressPercent: 40,
      progressLabel: 'packing',
      stalledCount: 0,
      fence: expect.any(Number) as unknown,
      returnValue: 'sent',
      childrenIds: ['label'],
      dependsOn: [],
      dead: false,
      tags: ['all', 'own'],
      environment: 'live',
      project: 'shop',
      correlationId: 'c',
      logs: [{ at: at + 10_000, level: 'info', message: 'packed', meta: { boxes: 2 } }],
      timeline: [
        { at, event: 'added' },
        { at: at + 10_000, event: 'started', attempt: 1 },
        { at: at + 13_000, event: 'completed' },
      ],
      createdAt: at,
      runAt: at,
      startedAt: at + 10_000,
      finishedAt: at + 13_000,
      durationMs: 3_000,
      latencyMs: 10_000,
      workerId: engine.owner,
    });
    expect(await engine.producer('labels').getJob('label')).toMatchObject({ parentId: id, correlationId: 'c' });
  });

  it('`id` is a UUIDv7 unless given; later ones sort behind', async () => {
    const queue = world.engine().queue({ name: 'q' });
    const first = await queue.add(1);
    await world.clock.advance(5);
    const second = await queue.add(2);
    expect((await queue.add(3, { jobId: 'mine' })).id).toBe('mine');
    for (const { id, createdAt } of [first, second]) {
      expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      expect(Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16)).toBe(createdAt);
    }
    expect(second.id > first.id).toBe(true);
  });

  it("`name` is for named handlers, default 'default'", async () => {
    const queue = world.engine().queue({ name: 'q' });
    const jobs = [await queue.add(1), await queue.add('welcome', 1)];
    expect(jobs.map(({ name }) => name)).toEqual(['default', 'welcome']);
  });

  it('`timeline` is derived from timestamps; only exceptions are stored', async () => {
    const queue = await finishing();
    const { id } = await queue.add(1);
    await world.clock.settle();
    expect((await queue.getJob(id))?.timeline.map(({ event }) => event)).toEqual(['added', 'started', 'completed']);
    expect((await world.backend.store.admin.get('q', id))?.timeline).toEqual([]);
    const failed = await queue.add(-1);
    await world.clock.settle();
    const stored = await world.backend.store.admin.get('q', failed.id);
    expect(stored?.timeline.map(({ event }) => event)).toEqual(['attempt-failed']);
  });
});

describe('Job options', () => {
  it('`priority` 0..2_097_152: 0 first', async () => {
    const queue = world.engine().queue<number>({ name: 'q', strategy: 'priority' });
    for (const priority of [2_097_152, 0, 7]) await queue.add(priority, { priority });
    const { jobs } = await queue.getJobs({ status: 'waiting' });
    expect(jobs.map(({ data }) => data)).toEqual([0, 7, 2_097_152]);
    for (const priority of [-1, 2_097_153, 0.5]) {
      expect(await failureOf(queue.add(1, { priority }))).toMatchObject({ code: 'INVALID_OPTIONS' });
    }
  });

  it.each([
    [0, 1],
    [1, 1],
    [3, 3],
  ])('`attempts` %d: total runs; 0 and 1 = no retry', async (attempts, runs) => {
    let ran = 0;
    const queue = await finishing({ retries: { max: 9 }, handler: () => ((ran += 1), fail()) });
    await queue.add(1, { attempts, backoff: { type: 'fixed', delay: 10 } });
    await world.clock.advance('1m');
    expect(ran).toBe(runs);
  });

  it.each([0, 1, 4])('`attempts = retries.max + 1`: %d', async (max) => {
    const totals: number[] = [];
    const queue = await finishing({
      retries: { max, strategy: 'fixed', baseDelay: 10 },
      handler: (ctx) => (totals.push(ctx.maxAttempts), fail()),
    });
    await queue.add(1);
    await world.clock.advance('1m');
    expect(totals).toEqual(Array.from({ length: max + 1 }, () => max + 1));
  });

  const BOTH: [JobOptions['removeOnComplete'], number[]][] = [
    [true, []],
    [false, [5, 4, 3, 2, 1]],
    [2, [5, 4]],
    [0, []],
    [{ count: 3 }, [5, 4, 3]],
    [{ age: 25 }, [5, 4, 3]],
    [{ age: 25, count: 1 }, [5]],
    [{ age: 15, count: 4 }, [5, 4]],
    [{}, [5, 4, 3, 2, 1]],
  ];
  it.each(BOTH)(
    '`removeOnComplete`, `removeOnFail` (`true` delete now, `false` keep, `n` newest, `{ age: seconds, count }`): %j',
    async (keep, left) => {
      for (const from of ['job', 'definition'] as const) {
        const options = { removeOnComplete: keep, removeOnFail: keep };
        const engine = world.engine();
        const queue = engine.queue<number>({
          name: `by-${from}`,
          retries: { max: 0 },
          handler: ({ data }) => (data < 0 ? fail() : undefined),
          ...(from === 'definition' ? options : {}),
        });
        await engine.start();
        for (let n = 1; n <= 5; n += 1) {
          if (n > 1) await world.clock.advance('10s');
          await queue.add(n, from === 'job' ? options : {});
          await queue.add(-n, from === 'job' ? options : {});
          await world.clock.settle();
        }
        // A rule of a job's own holds for that job as it finishes; that of a definition for its whole queue.
        if (from === 'definition' || typeof keep !== 'object') {
          expect(await kept(queue, 'completed')).toEqual(left);
          expect(await kept(queue, 'failed')).toEqual(left.map((n) => -n));
        }
        await engine.stop();
      }
    },
  );

  it.each<[Partial<QueueOptions<number>>, number[], number[]]>([
    [{ keepHistory: 2, keepFailedHistory: 1 }, [3, 2], [-3]],
    [{ keepHistory: true, keepFailedHistory: false }, [3, 2, 1], []],
    [{ keepHistory: false, keepFailedHistory: true }, [], [-3, -2, -1]],
    [{ keepHistory: false, removeOnComplete: 2 }, [3, 2], [-3, -2, -1]],
    [{ keepFailedHistory: 3, removeOnFail: true }, [3, 2, 1], []],
    [{ keepHistory: 0, removeOnComplete: false }, [3, 2, 1], [-3, -2, -1]],
  ])(
    '`keepHistory: n | true | false` is an alias of `removeOnComplete: n | false | true` (and `keepFailedHistory` of `removeOnFail`); the explicit option wins: %j',
    async (options, completed, failed) => {
      const queue = await finishing(options);
      for (const n of [1, 2, 3]) {
        await queue.add(n);
        await queue.add(-n);
        await world.clock.advance('1s');
      }
      expect([await kept(queue, 'completed'), await kept(queue, 'failed')]).toEqual([completed, failed]);
    },
  );
});

describe('Retention', () => {
  it('default: completed 10 000 per queue, failed 10 000: the newest', async () => {
    const queue = await finishing({ concurrency: 1_000 });
    for (const sign of [1, -1]) {
      await queue.addBulk(Array.from({ length: 10_003 }, (_, n) => ({ data: sign * (n + 1) })));
      await world.passUntil(
        (async () => {
          while ((await queue.count('waiting')) + (await queue.count('active')) > 0) await world.clock.sleep('1s');
        })(),
      );
    }
    expect(await queue.counts()).toMatchObject({ completed: 10_000, failed: 10_000 });
    const oldest = async (status: 'completed' | 'failed', from: number) => {
      let last: number | undefined;
      let cursor: string | undefined;
      do {
        const page = await queue.getJobs({ status, limit: 1_000, ...(cursor === undefined ? {} : { cursor }) });
        last = page.jobs.at(-1)?.data ?? last;
        ({ cursor } = page);
      } while (cursor !== undefined);
      return Math.abs(last ?? 0) - from;
    };
    expect([await oldest('completed', 3), await oldest('failed', 3)]).toEqual([1, 1]);
  });

  it('cascade: job, queue, module', async () => {
    const left = async (job: JobOptions, queueOptions: Partial<QueueOptions>, keep: number) => {
      const engine = world.engine({ modules: [queueModule({ removeOnComplete: keep })] }, { backend: undefined });
      const queue = engine.queue({ name: 'q', handler: () => 1, ...queueOptions });
      await engine.start();
      for (let n = 0; n < 5; n += 1) {
        await queue.add(n, job);
        await world.clock.settle();
      }
      return queue.count('completed');
    };
    expect(await left({ removeOnComplete: 1 }, { removeOnComplete: 2 }, 3)).toBe(1);
    expect(await left({}, { removeOnComplete: 2 }, 3)).toBe(2);
    expect(await left({}, {}, 3)).toBe(3);
  });

  it('applied without scanning: a job that ends costs no other call than its settle, however many are kept', async () => {
    const calls: string[] = [];
    const backend = wrapBackend(world.backend, (operation, _args, run) => {
      calls.push(operation);
      return run();
    });
    const engine = world.engine({}, { backend });
    const queue = engine.queue({ name: 'q', handler: () => 1, removeOnComplete: { age: 3_600, count: 500 } });
    await engine.start();
    await queue.addBulk(Array.from({ length: 900 }, (_, data) => ({ data })));
    await world.clock.advance('1s');
    expect(await queue.count('completed')).toBe(500);
    calls.length = 0;
    await queue.add(1);
    await world.clock.settle();
    expect(calls).toEqual(['enqueue', 'claim', 'settle']);
    expect(await queue.count('completed')).toBe(500);
  });

  it('a parent with open dependants is not purged', async () => {
    const queue = await finishing({ removeOnComplete: true });
    const parent = await queue.add(1, { delay: '1s' });
    const child = await queue.add(2, { dependsOn: [parent], delay: '1h' });
    const stranger = await queue.add(3);
    await world.clock.advance('2s');
    expect(await queue.getJob(stranger.id)).toBeUndefined();
    // Its child is not blocked any more: what is open ends with the last dependant that waits for it.
    expect((await queue.getJob(child.id))?.status).toBe('delayed');
    const blocked = await queue.add(-4, { delay: '1s', removeOnFail: true });
    const waits = await queue.add(5, { dependsOn: [blocked] });
    await world.clock.advance('5s');
    expect(await queue.getJob(blocked.id)).toMatchObject({ status: 'failed' });
    expect((await queue.getJob(waits.id))?.status).toBe('waiting-children');
    await waits.cancel();
    await world.clock.advance('2m');
    expect(await queue.getJob(blocked.id)).toBeUndefined();
  });
});

describe('Backoff', () => {
  /** The gaps (ms) between the attempts of a job that always fails. */
  async function gaps(retries: QueueOptions['retries'], random = 0.5, job: JobOptions = {}, handler = fail) {
    const engine = world.engine({}, { random: constantRandom(random), backend: undefined });
    const at: number[] = [];
    const queue = engine.queue({
      name: 'q',
      ...(retries ? { retries } : {}),
      handler: () => {
        at.push(world.clock.monotonic());
        handler();
      },
    });
    await engine.start();
    const { id } = await queue.add(1, job);
    await world.clock.advance('1h');
    expect(await queue.getJob(id)).toMatchObject({ status: 'failed', attemptMade: at.length });
    return at.slice(1).map((time, i) => time - (at[i] as number));
  }

  it('fixed = delay', async () => {
    expect(await gaps({ max: 4, strategy: 'fixed', baseDelay: 1_500 }, 0)).toEqual([1_500, 1_500, 1_500, 1_500]);
  });

  it.each([
    [0, 0.8],
    [0.5, 1],
    [0.999_999, 1.2],
  ])('exponential = delay x 2^(n-1) with +-20 %% jitter (random %d)', async (random, factor) => {
    const waited = await gaps({ max: 4, baseDelay: 1_000 }, random);
    expect(waited).toEqual([1, 2, 4, 8].map((n) => Math.round(n * 1_000 * factor)));
  });

  it('capped by `maxDelay` (default 60 s)', async () => {
    expect(await gaps({ max: 4, baseDelay: '20s' })).toEqual([20_000, 40_000, 60_000, 60_000]);
    const backoff = { type: 'exponential', delay: '20s', maxDelay: '30s' } as const;
    expect(await gaps(undefined, 0.5, { attempts: 4, backoff })).toEqual([20_000, 30_000, 30_000]);
  });

  it('custom = `backoffFn(attempt, baseDelay)`', async () => {
    const asked: [number, number][] = [];
    const backoffFn = (attempt: number, baseDelay: number): number => {
      asked.push([attempt, baseDelay]);
      return attempt * 1_000 + 1;
    };
    const waited = await gaps({ max: 3, strategy: 'custom', baseDelay: 777, backoffFn });
    expect(waited).toEqual([1_001, 2_001, 3_001]);
    expect(asked).toEqual([
      [1, 777],
      [2, 777],
      [3, 777],
    ]);
  });

  it.each<[string, () => unknown]>([
    ['throws', fail],
    ['returns nonsense: NaN', () => Number.NaN],
    ['returns nonsense: less than 0', () => -1],
    ['returns nonsense: Infinity', () => Infinity],
    ['returns nonsense: a promise', () => Promise.resolve(1)],
    ['returns nonsense: nothing', () => undefined],
  ])(
    'a function that %s falls back to exponential with a warning. A job never stays active because of it',
    async (_what, answer) => {
      const backoffFn = answer as () => number;
      expect(await gaps({ max: 3, strategy: 'custom', baseDelay: 1_000, backoffFn })).toEqual([1_000, 2_000, 4_000]);
      expect(world.log.matching('warn', /backoffFn is of no use, falling back to exponential/)).toHaveLength(3);
    },
  );

  it('is what an ordinary error gets; RetryLaterError names its own', async () => {
    const later = (): never => {
      throw new RetryLaterError('7s');
    };
    expect(await gaps({ max: 2, strategy: 'fixed', baseDelay: 10 }, 0.5, {}, later)).toEqual([7_000, 7_000]);
  });
});

describe('Payload', () => {
  it('JSON by default', async () => {
    const seen: unknown[] = [];
    const engine = world.engine();
    const queue = engine.queue<unknown>({ name: 'q', handler: ({ data }) => seen.push(data) });
    await engine.start();
    const { id } = await queue.add({ at: new Date(0), gone: undefined, list: [1, undefined, null], text: 'ü' });
    expect((await world.backend.store.admin.get('q', id))?.data).toBe(
      '{"at":"1970-01-01T00:00:00.000Z","list":[1,null,null],"text":"ü"}',
    );
    await world.clock.settle();
    expect(seen).toEqual([{ at: '1970-01-01T00:00:00.000Z', list: [1, null, null], text: 'ü' }]);
  });

  it('a codec can be set per queue', async () => {
    const reversed: Codec = {
      encode: (value) => [...JSON.stringify(value)].reverse().join(''),
      decode: (text) => JSON.parse([...text].reverse().join('')) as unknown,
    };
    const engine = world.engine();
    const seen: unknown[] = [];
    const handler = ({ data }: JobContext<unknown>): unknown => (seen.push(data), { got: data });
    const secret = engine.queue({ name: 'secret', codec: reversed, handler });
    const plain = engine.queue({ name: 'plain', handler });
    await engine.start();
    const [one, two] = [await secret.add({ n: 1 }), await plain.add({ n: 1 })];
    await world.clock.settle();
    const stored = await world.backend.store.admin.get('secret', one.id);
    expect([stored?.data, stored?.result]).toEqual(['}1:"n"{', '}}1:"n"{:"tog"{']);
    expect((await world.backend.store.admin.get('plain', two.id))?.data).toBe('{"n":1}');
    expect(seen).toEqual([{ n: 1 }, { n: 1 }]);
    expect(await secret.getJob(one.id)).toMatchObject({ data: { n: 1 }, returnValue: { got: { n: 1 } } });
  });

  it.each(['queue', 'worker'] as const)(
    'a codec can be set per queue: children by its name and results of parents go by it, of a %s',
    async (kind) => {
      const tagged: Codec = {
        encode: (value) => `<${JSON.stringify(value)}>`,
        decode: (text) => (text.startsWith('<') ? (JSON.parse(text.slice(1, -1)) as unknown) : fail()),
      };
      const engine = world.engine();
      const handler = ({ data }: JobContext<unknown>): unknown => ({ got: data });
      if (kind === 'queue') engine.queue<unknown, unknown>({ name: 'a', codec: tagged, priority: 5, handler });
      else engine.worker<unknown, unknown>({ topic: 'a', codec: tagged, handler });
      const results: unknown[] = [];
      const b = engine.queue<unknown>({
        name: 'b',
        retries: { max: 0 },
        handler: async (ctx) => {
          if (ctx.data === 'spawns') await ctx.spawnChild('a', { n: 1 }, { jobId: 'child' });
          else results.push(...(await ctx.parents()).map(({ result }) => result));
        },
      });
      await engine.start();
      await b.add('default', 'spawns');
      await world.clock.settle();
      const child = await engine.manager.getJob('child');
      expect(child).toMatchObject({ status: 'completed', data: { n: 1 }, priority: kind === 'queue' ? 5 : 0 });
      await b.add('default', 'reads', { dependsOn: ['child'] });
      await world.clock.settle();
      expect(results).toEqual([{ got: { n: 1 } }]);
    },
  );

  it('what a codec cannot carry is a typed error at `add` too', async () => {
    const codec: Codec = { encode: fail, decode: JSON.parse };
    const queue = world.engine().queue({ name: 'q', codec });
    expect(await failureOf(queue.add(1))).toBeInstanceOf(InvalidPayloadError);
    expect(await queue.count()).toBe(0);
  });
});
