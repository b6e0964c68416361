import { afterEach, describe, expect, it } from '@jest/globals';
import { NonRetryableError, OqronEngine, queueModule, ReleaseError, workerModule, type OqronConfig } from 'oqronkit';
import { gate, until } from '../support/until.js';
import type { Home } from './fleet.js';

// What users see of an engine, as in test/engine, over a server and in real time. Two engines stand for two processes.

interface Pair {
  readonly api: OqronEngine;
  readonly workers: OqronEngine;
  /** One more process. */
  make(config: OqronConfig): OqronEngine;
}

/** `find` answers a home per case. */
export function behaviourCases(store: string, find: (name: string) => Promise<Home>): void {
  const engines: OqronEngine[] = [];
  let spaces = 0;

  afterEach(async () => {
    for (const engine of engines.splice(0)) await engine.stop();
  });

  async function pair(): Promise<Pair> {
    const home = { ...(await find(`behaviour-${(spaces += 1)}`)), logger: false } as const;
    const make = (config: OqronConfig): OqronEngine => {
      const engine = new OqronEngine({ ...home, shutdown: { timeout: 500 }, ...config });
      engines.push(engine);
      return engine;
    };
    return {
      api: make({ modules: [queueModule({ consume: false })] }),
      workers: make({ modules: [workerModule()] }),
      make,
    };
  }

  const start = ({ api, workers }: Pair): Promise<unknown> => Promise.all([api.start(), workers.start()]);

  describe(`over ${store}`, () => {
    it('a job travels from one process to the other and its result back, with progress and logs', async () => {
      const both = await pair();
      both.workers.worker<{ to: string }, string>({
        topic: 'mails',
        handler: async (ctx) => {
          ctx.progress(50, 'half way');
          ctx.log.info('sending', { to: ctx.data.to });
          return `sent to ${ctx.data.to}`;
        },
      });
      await start(both);
      const mails = both.api.producer<{ to: string }, string>('mails');
      const job = await mails.add({ to: 'ada' }, { correlationId: 'c-1', tags: ['vip'] });
      expect(await job.waitUntilFinished({ timeout: 5_000 })).toBe('sent to ada');
      expect(await mails.getJob(job.id)).toMatchObject({
        status: 'completed',
        attemptMade: 1,
        progressPercent: 50,
        progressLabel: 'half way',
        correlationId: 'c-1',
        tags: ['vip'],
        logs: [expect.objectContaining({ level: 'info', message: 'sending', meta: { to: 'ada' } })],
        workerId: both.workers.owner,
      });
    });

    it('an idle worker starts a job at once, not when it polls', async () => {
      const both = await pair();
      both.workers.worker({ topic: 'mails', pollIntervalMs: 60_000, handler: () => Date.now() });
      await start(both);
      await until('the wake-up channel to be proven', () => both.workers.health().signals);
      const job = await both.api.producer<number, number>('mails').add(1);
      expect(((await job.waitUntilFinished({ timeout: 5_000 })) as number) - job.createdAt).toBeLessThan(1_000);
    });

    it('a worker that stopped takes no wake-up along: the next job starts at once at the other one', async () => {
      const both = await pair();
      const leaver = both.make({ modules: [workerModule()] });
      const settings = { topic: 'mails', pollIntervalMs: 60_000, handler: () => Date.now() };
      leaver.worker(settings);
      await leaver.start();
      await until('the first to wait for jobs', () => leaver.health().signals);
      both.workers.worker(settings);
      await start(both);
      await until('the wake-up channel to be proven', () => both.workers.health().signals);
      await leaver.stop();
      const job = await both.api.producer<number, number>('mails').add(1);
      expect(((await job.waitUntilFinished({ timeout: 5_000 })) as number) - job.createdAt).toBeLessThan(1_000);
    });

    it('failures are retried with backoff, released for free, and end as dead letters that can be redriven', async () => {
      const both = await pair();
      const seen: string[] = [];
      let mended = false;
      both.workers.worker({
        topic: 'mails',
        retries: { max: 2, strategy: 'fixed', baseDelay: 20 },
        handlers: {
          flaky: (ctx) => {
            seen.push(`flaky ${ctx.attempt}`);
            if (ctx.attempt < 3) throw new Error('not yet');
            return 'at last';
          },
          released: (ctx) => {
            seen.push(`released ${ctx.attempt}`);
            if (seen.filter((line) => line.startsWith('released')).length === 1) throw new ReleaseError(20);
            return 'free';
          },
          doomed: () => {
            if (!mended) throw new NonRetryableError('never');
            return 'mended';
          },
        },
      });
      await start(both);
      const mails = both.api.producer<number, string>('mails');
      const [flaky, released, doomed] = await Promise.all([
        mails.add('flaky', 1),
        mails.add('released', 1),
        mails.add('doomed', 1, { jobId: 'doomed' }),
      ]);
      expect(await flaky.waitUntilFinished({ timeout: 5_000 })).toBe('at last');
      expect(await released.waitUntilFinished({ timeout: 5_000 })).toBe('free');
      await expect(doomed.waitUntilFinished({ timeout: 5_000 })).rejects.toThrow('never');
      expect(seen.filter((line) => line.startsWith('flaky'))).toEqual(['flaky 1', 'flaky 2', 'flaky 3']);
      expect(seen.filter((line) => line.startsWith('released'))).toEqual(['released 1', 'released 1']);
      expect((await mails.deadLetters()).jobs.map(({ id }) => id)).toEqual(['doomed']);
      mended = true;
      await mails.redrive();
      await until('the redriven job', async () => (await mails.count('completed')) === 3);
      expect(await mails.counts()).toMatchObject({ completed: 3, failed: 1, waiting: 0, active: 0 });
    });

    it('priority, delay, dependencies and deduplication hold', async () => {
      const both = await pair();
      const mails = both.api.queue<{ n: number }>({ name: 'mails', strategy: 'priority' });
      const order: (string | number)[] = [];
      await mails.add({ n: 2 }, { priority: 2 });
      await mails.add({ n: 1 }, { priority: 1 });
      await mails.add({ n: 3 }, { priority: 3 });
      const parent = await mails.add({ n: 4 }, { priority: 9, delay: 100 });
      const child = await mails.add({ n: 5 }, { dependsOn: [parent] });
      expect(child.status).toBe('waiting-children');
      const dedup = { deduplication: { key: 'k', mode: 'while-unfinished' } } as const;
      const first = await mails.add({ n: 6 }, { priority: 8, ...dedup });
      const second = await mails.add({ n: 7 }, { priority: 8, ...dedup });
      expect(second).toMatchObject({ id: first.id, created: false });
      both.workers.worker<{ n: number }>({ topic: 'mails', handler: ({ data }) => void order.push(data.n) });
      await start(both);
      await child.waitUntilFinished({ timeout: 5_000 });
      expect(order.filter((n) => n !== 6)).toEqual([1, 2, 3, 4, 5]);
      expect(order).toHaveLength(6);
    });

    it('pause and cancel reach the other process, and what a worker leaves is taken up by the next', async () => {
      const both = await pair();
      const running = gate<string | undefined>();
      const begun: string[] = [];
      both.workers.worker({
        topic: 'mails',
        concurrency: 2,
        abortGraceMs: 100,
        handler: async (ctx) => {
          begun.push(ctx.id);
          await new Promise<void>((ended) => ctx.signal.addEventListener('abort', () => ended()));
          if (ctx.id === 'cancelled') running.open(ctx.abortReason?.kind);
        },
      });
      await start(both);
      const mails = both.api.producer('mails');
      const cancelled = await mails.add(1, { jobId: 'cancelled' });
      await mails.add(1, { jobId: 'left' });
      await until('both to run', () => begun.length === 2);
      expect(await cancelled.cancel('enough')).toBe('cancelled');
      expect(await running.opened).toBe('cancelled');
      expect(await mails.getJob('cancelled')).toMatchObject({ status: 'cancelled', reason: 'enough' });

      await mails.pause();
      await mails.add(1, { jobId: 'paused' });
      await both.workers.stop();
      expect(await mails.getJob('left')).toMatchObject({ status: 'waiting', attemptMade: 0 });
      expect(await mails.isPaused()).toBe(true);
      expect(begun).toEqual(['cancelled', 'left']);
      const { problems } = await both.api.manager.verify();
      expect(problems).toEqual([]);
    });

    it('batches are whole, and a limit of the whole cluster holds in two processes', async () => {
      const both = await pair();
      let now = 0;
      let most = 0;
      const handler = async (): Promise<void> => {
        most = Math.max(most, (now += 1));
        await new Promise((next) => setImmediate(next));
        now -= 1;
      };
      const more = both.make({ modules: [workerModule()] });
      for (const engine of [more, both.workers]) {
        engine.worker({ topic: 'one-at-a-time', concurrency: 5, maxActive: 1, handler });
      }
      const sizes: number[] = [];
      both.workers.worker({ topic: 'batches', batchSize: 10, processBatch: (jobs) => void sizes.push(jobs.length) });
      const batches = both.api.producer<number>('batches');
      await batches.addBulk(Array.from({ length: 25 }, (_, data) => ({ data })));
      const single = both.api.producer<number>('one-at-a-time');
      await single.addBulk(Array.from({ length: 30 }, (_, data) => ({ data })));
      await Promise.all([start(both), more.start()]);
      await until(
        'all to be done',
        async () => (await batches.count('completed')) + (await single.count('completed')) === 55,
      );
      expect(most).toBe(1);
      expect(sizes.reduce((a, b) => a + b, 0)).toBe(25);
      expect(sizes[0]).toBe(10);
    });
  });
}
