// Compiled, never run: what a handler gets and must answer.
import {
  defineQueue,
  OqronEngine,
  queue,
  worker,
  type Handler,
  type Job,
  type JobContext,
  type JobHooks,
  type Worker,
} from 'oqronkit';
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

queue(Encode, {
  handler: (ctx) => {
    type Checks = [Expect<Equal<typeof ctx, JobContext<Video>>>, Expect<Equal<typeof ctx.data.bitrate, number>>];
    const checks: Checks = [true, true];
    return String(checks);
  },
});
queue(Encode, { handler: async (ctx) => ctx.data.file });
queue(Encode, {
  hooks: {
    onSuccess: (job, result) => {
      type Checks = [Expect<Equal<typeof job, Job<Video, string>>>, Expect<Equal<typeof result, string>>];
      const checks: Checks = [true, true];
      return checks;
    },
    onFail: (job, error) => `${job.data.file}: ${error.message}`,
  },
});
// @ts-expect-error the wrong result
queue(Encode, { handler: () => 5 });
// @ts-expect-error the wrong result, later
queue(Encode, { handler: async () => ({ url: 'x' }) });
// @ts-expect-error no result where one is promised
queue(Encode, { handler: () => undefined });
// @ts-expect-error another payload
queue(Encode, { handler: (ctx: JobContext<{ file: number }>) => String(ctx.data.file) });
// @ts-expect-error no such field
queue(Encode, { handler: (ctx) => ctx.data.codec });
// @ts-expect-error another result in a hook
queue(Encode, { hooks: { onSuccess: (_job, result: number) => result } });

queue<Video, string>({ name: 'encode', handler: (ctx) => ctx.data.file });
// @ts-expect-error the wrong result
queue<Video, string>({ name: 'encode', handler: (ctx) => ctx.data.bitrate });
// @ts-expect-error a name is needed
queue<Video, string>({ handler: (ctx) => ctx.data.file });
// @ts-expect-error no such option
queue<Video, string>({ name: 'encode', concurency: 5 });

worker(Encode, { handler: (ctx) => ctx.data.file, concurrency: 3 });
worker<Video, string>({ topic: 'encode', handler: (ctx) => ctx.data.file });
// @ts-expect-error the wrong result
worker(Encode, { handler: (ctx) => ctx.data.bitrate });
// @ts-expect-error another payload
worker(Encode, { handler: (ctx: JobContext<Mails>) => String(ctx.data) });
// @ts-expect-error the wrong result
worker<Video, string>({ topic: 'encode', handler: () => 5 });
// @ts-expect-error a topic is needed
worker<Video, string>({ handler: () => 'x' });
// @ts-expect-error a worker has no name, it has a topic
worker<Video, string>({ topic: 'encode', name: 'encode', handler: () => 'x' });

export const consumer: Worker = worker(Encode, { handler: () => 'x' });
// @ts-expect-error a worker only processes
export const adds: unknown = consumer.add;

queue(Mail, {
  handlers: {
    welcome: (ctx) => ctx.data.to.length,
    reset: (ctx) => ctx.data.token.length,
  },
});
worker(Mail, { handlers: { reset: async (ctx) => ctx.data.token.length } });
// @ts-expect-error the payload of another name
queue(Mail, { handlers: { welcome: (ctx) => ctx.data.token.length } });
// @ts-expect-error the wrong result
queue(Mail, { handlers: { welcome: (ctx) => ctx.data.to } });
// @ts-expect-error a name that the contract does not have
queue(Mail, { handlers: { goodbye: () => 1 } });

const engine = new OqronEngine();
engine.queue(Encode, { handler: (ctx) => ctx.data.file });
engine.worker<Video, string>({ topic: 'encode', handler: (ctx) => ctx.data.file });
// @ts-expect-error the wrong result
engine.queue(Encode, { handler: (ctx) => ctx.data.bitrate });
// @ts-expect-error the wrong result
engine.worker(Encode, { handler: () => false });
// @ts-expect-error a payload of another queue
void engine.producer(Encode).add({ to: 'ada' });

engine.on('job:progress', ({ progress }) => {
  const { percent } = progress;
  const check: Expect<Equal<typeof percent, number>> = true;
  return check;
});
// @ts-expect-error no such event
engine.on('job:done', () => undefined);
// @ts-expect-error no such field in this event
engine.on('job:added', (event) => event.attempt);

export type Types = [
  Expect<Equal<Parameters<Handler<Video, string>>[0], JobContext<Video>>>,
  Expect<Equal<ReturnType<Handler<Video, string>>, string | Promise<string>>>,
  Expect<Equal<JobContext<Video>['data'], Video>>,
  Expect<Equal<NonNullable<JobHooks<Video, string>['onFail']>, (job: Job<Video, string>, error: Error) => unknown>>,
];
