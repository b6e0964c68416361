import { AsyncLocalStorage } from 'node:async_hooks';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { OqronContext, runWithCorrelation, type JobContext, type OqronEngine } from 'oqronkit';
import { thrownBy } from '../support/until.js';
import { World } from '../support/world.js';

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.end());

describe('before anybody has used it in the process', () => {
  // Has to come first in this file: it is about a process in which nothing of it was used.
  it('handlers are called as they are, and with asyncContext: true it is known from the first job on', async () => {
    const seen: unknown[] = [];
    const plain = world.engine();
    const queue = plain.queue<number>({ name: 'plain', handler: () => void seen.push(new Error('here').stack) });
    await plain.start();
    await queue.add(1);
    await world.clock.advance('1s');
    // Nobody pays for what nobody uses.
    expect(seen[0]).toContain('job-runner');
    expect(seen[0]).not.toMatch(/instruments|async-context/);

    const engine = world.engine({ asyncContext: true, project: 'other' });
    const jobs = engine.queue<number>({ name: 'q', handler: () => void seen.push(OqronContext.current()?.id) });
    await engine.start();
    const { id } = await jobs.add(1);
    await world.clock.advance('1s');
    expect(seen.at(-1)).toBe(id);
  });
});

describe('OqronContext.current', () => {
  it('is the context of the running job, also behind awaits and with many jobs side by side', async () => {
    const engine = world.engine({ asyncContext: true });
    const pairs: [JobContext | undefined, JobContext][] = [];
    const below = async (): Promise<JobContext | undefined> => {
      await world.clock.sleep('1s');
      return OqronContext.current();
    };
    const queue = engine.queue<number>({
      name: 'q',
      concurrency: 10,
      handler: async (ctx) => void pairs.push([await below(), ctx]),
    });
    await engine.start();
    await queue.addBulk(Array.from({ length: 20 }, (_, data) => ({ data })));
    await world.clock.advance('1m');
    expect(pairs).toHaveLength(20);
    for (const [found, ctx] of pairs) expect(found).toBe(ctx);
    expect(OqronContext.current()).toBeUndefined();
  });

  it('is there in beforeRun and condition too, and not in listeners and hooks', async () => {
    const engine = world.engine({ asyncContext: true });
    const seen: [string, string | undefined][] = [];
    const note = (where: string): boolean => seen.push([where, OqronContext.current()?.id]) > 0;
    const queue = engine.queue<number>({
      name: 'q',
      condition: () => note('condition'),
      hooks: { beforeRun: () => note('beforeRun'), onSuccess: () => note('onSuccess') },
      handler: () => void note('handler'),
    });
    engine.on('job:success', () => note('job:success'));
    engine.on('job:start', () => note('job:start'));
    engine.on('job:added', () => seen.push(['job:added', OqronContext.correlationId()]));
    await engine.start();
    await runWithCorrelation('a', () => queue.add(1, { jobId: 'j' }));
    await world.clock.advance('1s');
    expect(seen).toEqual([
      ['job:added', undefined],
      ['beforeRun', 'j'],
      ['condition', 'j'],
      ['job:start', undefined],
      ['handler', 'j'],
      ['job:success', undefined],
      ['onSuccess', undefined],
    ]);
  });

  it('is never kept with asyncContext: false', async () => {
    const engine = world.engine({ asyncContext: false });
    const seen: unknown[] = [];
    const queue = engine.queue<number>({
      name: 'q',
      handler: async (ctx) => {
        seen.push(OqronContext.current(), ctx.correlationId);
        if (ctx.data === 1) await queue.add(2);
      },
    });
    await engine.start();
    await runWithCorrelation('c', () => queue.add(1));
    await world.clock.advance('1s');
    expect(seen).toEqual([undefined, undefined, undefined, undefined]);
  });
});

describe('runWithCorrelation', () => {
  it.each(['add', 'addBulk', 'spawnChild'] as const)(
    'gives its id to jobs and to what they add with %s',
    async (how) => {
      const engine = world.engine();
      const { ids, queue } = chain(engine, how);
      await engine.start();
      await runWithCorrelation('req-1', async () => {
        await Promise.resolve();
        await queue.add({ left: 3 });
      });
      await queue.add({ left: 1 });
      await world.clock.advance('1s');
      expect(ids).toEqual(['req-1', undefined, 'req-1', undefined, 'req-1', 'req-1'].toSorted());
    },
  );

  it('comes behind what the job itself names, and before the default of the configuration', async () => {
    const engine = world.engine({ defaultJobOptions: { correlationId: 'default' } });
    const queue = engine.queue<number>({ name: 'q' });
    const [own, inherited] = await runWithCorrelation('ambient', () =>
      Promise.all([queue.add(1, { correlationId: 'own' }), queue.add(2)]),
    );
    expect([own.correlationId, inherited.correlationId]).toEqual(['own', 'ambient']);
    expect((await queue.add(3)).correlationId).toBe('default');
  });

  it('lets a job go its own way: what runs inside of another call gets that id', async () => {
    const engine = world.engine();
    const ids: unknown[] = [];
    const queue = engine.queue<string>({
      name: 'q',
      handler: async ({ data, correlationId }) => {
        ids.push(correlationId);
        if (data === 'first') await runWithCorrelation('second', () => queue.add('default', 'last'));
        if (data === 'first') expect(OqronContext.correlationId()).toBe('first');
      },
    });
    await engine.start();
    await runWithCorrelation('first', () => queue.add('default', 'first'));
    await world.clock.advance('1s');
    expect(ids).toEqual(['first', 'second']);
  });

  it('answers what its code answers, and refuses an id that no job may have', () => {
    expect(runWithCorrelation('x', () => OqronContext.correlationId())).toBe('x');
    for (const id of ['', 'x'.repeat(257), 7 as never]) {
      expect(thrownBy(() => runWithCorrelation(id, () => undefined))).toMatchObject({ code: 'INVALID_OPTIONS' });
    }
  });
});

describe('a job', () => {
  it('never gets the context of whoever woke its loop, of this storage or of another', async () => {
    const storage = new AsyncLocalStorage<string>();
    const engine = world.engine({ asyncContext: true });
    const seen: unknown[] = [];
    const queue = engine.queue<number>({
      name: 'q',
      concurrency: 1,
      handler: async () => {
        await world.clock.sleep('1s');
        seen.push([storage.getStore(), OqronContext.correlationId()]);
      },
    });
    engine.on('job:success', () => void seen.push(['listener', OqronContext.correlationId()]));
    await engine.start();
    await storage.run('request', () => runWithCorrelation('a', () => queue.add(1)));
    await queue.add(2);
    await world.clock.advance('1m');
    expect(seen).toEqual([
      [undefined, 'a'],
      ['listener', undefined],
      [undefined, undefined],
      ['listener', undefined],
    ]);
  });

  it('of a batch is not the current one, and its id is inherited by nobody', async () => {
    const engine = world.engine({ asyncContext: true });
    const seen: unknown[] = [];
    const queue = engine.queue<number>({
      name: 'q',
      processBatch: () => void seen.push(OqronContext.current(), OqronContext.correlationId()),
    });
    await engine.start();
    await runWithCorrelation('a', () => queue.add(1));
    await world.clock.advance('1s');
    expect(seen).toEqual([undefined, undefined]);
  });
});

/** A queue whose jobs add others, `left` times. */
function chain(engine: OqronEngine, how: 'add' | 'addBulk' | 'spawnChild') {
  const ids: (string | undefined)[] = [];
  const queue = engine.queue<{ left: number }>({
    name: 'chain',
    handler: async (ctx) => {
      ids.push(ctx.correlationId);
      ids.sort();
      const left = ctx.data.left - 1;
      if (left < 0) return;
      await world.clock.sleep(1);
      if (how === 'add') await queue.add({ left });
      else if (how === 'addBulk') await queue.addBulk([{ data: { left } }]);
      else await ctx.spawnChild('chain', { left });
    },
  });
  return { ids, queue };
}
