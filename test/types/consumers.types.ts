// Compiled, never run: schemas, batches, gates, hooks and children.
import {
  defineQueue,
  OqronEngine,
  queue,
  worker,
  type AttemptEnding,
  type BatchHandler,
  type ChildJob,
  type Job,
  type JobContext,
  type ParentResult,
  type PayloadOf,
  type RateLimiter,
  type StandardSchema,
} from 'oqronkit';
import { z } from 'zod';
import type { Equal, Expect } from './expect.js';

interface Video {
  file: string;
  bitrate: number;
}

interface Mails {
  welcome: { to: string };
  reset: { token: string };
}

const Encode = defineQueue<Video, string>('encode');
const Mail = defineQueue<Mails, number>('mail');

// A schema gives the payload type where none is written.
const Order = defineQueue('orders', { schema: z.object({ id: z.number(), at: z.coerce.date() }) });
export type OrderPayload = Expect<Equal<PayloadOf<typeof Order>, { id: number; at: Date }>>;
worker(Order, { handler: (ctx) => ctx.data.at.getTime() + ctx.data.id });
worker({ topic: 'orders', schema: z.object({ id: z.number() }), handler: (ctx) => ctx.data.id });
defineQueue<Video>('encode', { schema: z.object({ file: z.string(), bitrate: z.number() }) });
// @ts-expect-error the schema answers something else
defineQueue<Video>('encode', { schema: z.object({ file: z.number() }) });
// @ts-expect-error no such field
worker(Order, { handler: (ctx) => ctx.data.total });
// @ts-expect-error no schema
defineQueue('orders', { schema: { parse: (value: unknown) => value } });
declare const untyped: StandardSchema;
defineQueue<unknown>('orders', { schema: untyped });

queue(Encode, {
  processBatch: async (ctxs) => {
    const check: Expect<Equal<typeof ctxs, readonly JobContext<Video>[]>> = true;
    return Promise.allSettled(ctxs.map(async (ctx) => Promise.resolve(`${ctx.data.file} ${check}`)));
  },
});
queue(Encode, { processBatch: (ctxs) => void ctxs.length });
worker(Encode, { processBatch: async () => undefined, batchSize: 50 });
worker(Encode, { processBatch: (ctxs) => ctxs.map(() => ({ status: 'fulfilled', value: 'url' })) });
// @ts-expect-error the wrong result of an item
worker(Encode, { processBatch: (ctxs) => ctxs.map(() => ({ status: 'fulfilled', value: 5 })) });
// @ts-expect-error results that are not settled ones
worker(Encode, { processBatch: (ctxs) => ctxs.map((ctx) => ctx.data.file) });
// @ts-expect-error another payload
worker(Encode, { processBatch: (ctxs: readonly JobContext<Mails>[]) => void ctxs.length });
export const batch: BatchHandler<Video, string> = async (ctxs) =>
  Promise.allSettled(ctxs.map(async ({ data }) => Promise.resolve(data.file)));

const limiter: RateLimiter<{ file: string }> = { check: (ctx) => ctx.data.file !== '' };
worker(Encode, {
  handler: (ctx) => ctx.data.file,
  rateLimiter: limiter,
  condition: (ctx) => ctx.data.bitrate > 0,
  rate: { max: 10, duration: '1m' },
  throttle: { max: 10, duration: 1_000 },
  maxActive: 3,
  hooks: {
    beforeRun: (ctx) => ctx.log.info(ctx.data.file),
    onError: (job, error) => `${job.data.file} ${error.message}`,
    afterRun: (job, ending) => {
      type Checks = [
        Expect<Equal<typeof job, Job<Video, string>>>,
        Expect<Equal<typeof ending, AttemptEnding<string>>>,
      ];
      const checks: Checks = [true, true];
      if (ending.outcome === 'completed') return ending.result.length;
      return ending.outcome === 'released' ? ending.reason : [checks, ending.error];
    },
  },
  deadLetter: { queue: 'dead', onDead: (job) => job.data.bitrate },
});
worker(Encode, { handler: () => 'x', rateLimiter: { check: async () => Promise.resolve({ allowed: false }) } });
// @ts-expect-error no answer
worker(Encode, { handler: () => 'x', condition: (ctx) => ctx.data.file });
// @ts-expect-error no answer
worker(Encode, { handler: () => 'x', rateLimiter: { check: () => undefined } });
// @ts-expect-error another payload
worker(Encode, { handler: () => 'x', condition: (ctx: JobContext<Mails>) => ctx.data.reset.token === '' });
// @ts-expect-error for both sides
defineQueue('encode', { concurrency: 5 });
// @ts-expect-error for all definitions of a module there is no hook
export const withHook = new OqronEngine({ modules: [{ module: 'queue', deadLetter: { onDead: () => 1 } }] });

queue<Video>({
  name: 'parents',
  handler: async (ctx) => {
    const typed = await ctx.spawnChild(Encode, { file: 'a', bitrate: 1 });
    const named = await ctx.spawnChild(Mail, { token: 't' }, { name: 'reset', delay: '5m' });
    const byName = await ctx.spawnChild('anything', { any: 'thing' }, { priority: 1 });
    const parents = await ctx.parents<string>();
    type Checks = [
      Expect<Equal<typeof typed, ChildJob<Video, string>>>,
      Expect<Equal<typeof named, ChildJob<{ token: string }, number>>>,
      Expect<Equal<typeof byName, ChildJob>>,
      Expect<Equal<typeof parents, ParentResult<string>[]>>,
    ];
    const checks: Checks = [true, true, true, true];
    // @ts-expect-error another payload
    await ctx.spawnChild(Encode, { file: 5 });
    // @ts-expect-error the payload of another name
    await ctx.spawnChild(Mail, { to: 'ada' }, { name: 'reset' });
    // @ts-expect-error no such option
    await ctx.spawnChild(Encode, { file: 'a', bitrate: 1 }, { dealy: 5 });
    return ctx.tx(async (client) => {
      await client.query('select $1', [checks.length]);
      return typed.id;
    });
  },
});
