import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { OqronContext, OqronEngine, runWithCorrelation, type JobContext, type OqronConfig } from 'oqronkit';
import { until } from '../support/until.js';

/** What travels with jobs has to come back from the store as it was: cases for every store. */
export function instrumentedCases(store: string, home: () => Promise<OqronConfig>): void {
  describe(`what travels with a job through ${store}`, () => {
    let engine: OqronEngine | undefined;
    let config: OqronConfig;
    let calls = 0;
    beforeAll(async () => {
      config = await home();
    });
    afterEach(() => engine?.stop());

    const start = (): OqronEngine =>
      (engine = new OqronEngine({
        ...config,
        environment: `run-${(calls += 1)}`,
        logger: false,
        instrumentation: {
          onEnqueue: ({ id, headers }) => Object.assign(headers, { 'sent-as': id, text: '"quoted"\n\u2028 ünï \\' }),
        },
      }));

    it('are headers and the correlation id, in every attempt and on its dead letter', async () => {
      const seen: [string, number, unknown, string | undefined][] = [];
      const note = (ctx: JobContext): void => {
        seen.push([ctx.queueName, ctx.attempt, ctx.headers, OqronContext.correlationId()]);
      };
      const own = start();
      const queue = own.queue<number>({
        name: 'q',
        retries: { max: 1, baseDelay: 1 },
        deadLetter: { queue: 'dead' },
        handler: (ctx) => {
          note(ctx);
          throw new Error('no');
        },
      });
      own.queue<number>({ name: 'dead', handler: note });
      await own.start();
      await runWithCorrelation('c-1', () => queue.add(1, { jobId: 'one' }));
      await until('the dead letter', () => seen.length === 3);
      const headers = { 'sent-as': 'one', text: '"quoted"\n\u2028 ünï \\' };
      expect(seen).toEqual([
        ['q', 1, headers, 'c-1'],
        ['q', 2, headers, 'c-1'],
        ['dead', 1, headers, 'c-1'],
      ]);
    });

    it('goes on in jobs that a handler adds, one by one and in bulk, and in those that run again', async () => {
      const seen = new Map<string, [unknown, string | undefined]>();
      const own = start();
      const queue = own.queue<number>({
        name: 'q',
        handler: async (ctx) => {
          seen.set(ctx.id, [ctx.headers['sent-as'], ctx.correlationId]);
          if (ctx.id !== 'first') return;
          await queue.add(2, { jobId: 'second' });
          await queue.addBulk([{ data: 3, opts: { jobId: 'third' } }]);
          await ctx.spawnChild('q', 4, { jobId: 'fourth' });
        },
      });
      await own.start();
      await runWithCorrelation('c-2', () => queue.add(1, { jobId: 'first' }));
      await until('all of them', () => seen.size === 4);
      for (const id of ['first', 'second', 'third', 'fourth']) expect(seen.get(id)).toEqual([id, 'c-2']);
      await until('the end', async () => (await queue.count('completed')) === 4);
      const again = await own.manager.rerunJob('second');
      await until('the second run', () => seen.has(again.id));
      expect(seen.get(again.id)).toEqual(['second', 'c-2']);
    });
  });
}
