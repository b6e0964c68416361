// Compiled, never run: what may be added, and what comes back.
import {
  defineQueue,
  queue,
  type BulkItem,
  type Job,
  type JobHandle,
  type PayloadOf,
  type Queue,
  type QueueContract,
  type ResultOf,
} from 'oqronkit';
import type { QueueOf } from 'oqronkit/nestjs';
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
const Mail = defineQueue<Mails, void>('mail');

export type Contracts = [
  Expect<Equal<typeof Encode, QueueContract<Video, string>>>,
  Expect<Equal<PayloadOf<typeof Encode>, Video>>,
  Expect<Equal<ResultOf<typeof Encode>, string>>,
  Expect<Equal<QueueOf<typeof Encode>, Queue<Video, string>>>,
  Expect<Equal<PayloadOf<'not a contract'>, never>>,
  Expect<Equal<ResultOf<'not a contract'>, never>>,
];

export async function addByContract(): Promise<unknown[]> {
  const videos = queue(Encode, { concurrency: 2 });
  const job = await videos.add({ file: 'a', bitrate: 1 }, { delay: '5m', jobId: 'x' });
  const read = await videos.getJob(job.id);
  const { jobs } = await videos.getJobs({ status: 'completed' });
  type Checks = [
    Expect<Equal<typeof videos, Queue<Video, string>>>,
    Expect<Equal<typeof job, JobHandle<Video, string>>>,
    Expect<Equal<typeof job.data, Video>>,
    Expect<Equal<typeof job.returnValue, string | undefined>>,
    Expect<Equal<typeof read, JobHandle<Video, string> | undefined>>,
    Expect<Equal<typeof jobs, JobHandle<Video, string>[]>>,
  ];
  const checks: Checks = [true, true, true, true, true, true];
  const asJob: Job<Video, string> = job;

  // @ts-expect-error a field is missing
  await videos.add({ file: 'a' });
  // @ts-expect-error a field has another type
  await videos.add({ file: 'a', bitrate: 'high' });
  // @ts-expect-error a field is not known
  await videos.add({ file: 'a', bitrate: 1, codec: 'hevc' });
  // @ts-expect-error a payload is needed
  await videos.add();
  // @ts-expect-error no such option
  await videos.add({ file: 'a', bitrate: 1 }, { dealy: '5m' });
  // @ts-expect-error not a duration
  await videos.add({ file: 'a', bitrate: 1 }, { delay: 'soon' });
  // @ts-expect-error the wrong payload of a named job
  await videos.add('named', { file: 'a' });
  await videos.add('named', { file: 'a', bitrate: 1 }, { priority: 1 });
  // @ts-expect-error an item with the wrong payload
  await videos.addBulk([{ data: { file: 5, bitrate: 1 } }]);
  await videos.addBulk([{ data: { file: 'a', bitrate: 1 }, name: 'n', opts: { priority: 1 } }]);
  // @ts-expect-error no such state
  await videos.getJobs({ status: 'stalled' });
  return [checks, asJob];
}

export async function addByType(): Promise<void> {
  const videos = queue<Video, number>({ name: 'encode' });
  const { returnValue } = await videos.add({ file: 'a', bitrate: 1 });
  type Checks = [Expect<Equal<typeof returnValue, number | undefined>>];
  const checks: Checks = [true];
  // @ts-expect-error a field is missing
  await videos.add({ bitrate: 1 });
  // @ts-expect-error not this payload at all
  await videos.add(checks);
}

export async function addByName(): Promise<void> {
  const mail = queue(Mail);
  await mail.add('welcome', { to: 'ada' });
  await mail.add('reset', { token: 't' }, { attempts: 1 });
  // @ts-expect-error the payload of another name
  await mail.add('welcome', { token: 't' });
  // @ts-expect-error a payload of no name at all
  await mail.add('reset', { token: 5 });
  // @ts-expect-error a name without a payload
  await mail.add('welcome');
}

export async function addText(): Promise<void> {
  const texts = queue<string>({ name: 'texts' });
  await texts.add('just text');
  await texts.add('default', 'text with options', { delay: 5 });
  // @ts-expect-error 'text' would be taken for the job's name and the options for its payload
  await texts.add('text', { delay: 5 });
  const unions = queue<string | { file: string }>({ name: 'unions' });
  // @ts-expect-error the same where the payload may be a string
  await unions.add('text', { delay: 5 });
  await unions.add({ file: 'a' });
  await unions.add('default', { file: 'a' }, { delay: 5 });
}

export async function addUntyped(): Promise<void> {
  const open = queue({ name: 'open' });
  await open.add({ whatever: true }, { delay: '1h' });
  await open.add('name', [1, 2], { delay: '1h' });
  type Checks = [Expect<Equal<typeof open, Queue<unknown, unknown>>>];
  const checks: Checks = [true];
  await open.add(checks);
}

/** A queue of one payload is none of another. */
export function substitute(videos: Queue<Video, string>): unknown[] {
  // @ts-expect-error another payload
  const a: Queue<{ to: string }, string> = videos;
  // @ts-expect-error a job read from it has a field less
  const b: Queue<Video & { codec: string }, string> = videos;
  // @ts-expect-error another result
  const c: Queue<Video, number> = videos;
  return [a, b, c];
}

export const items: BulkItem<Video>[] = [
  { data: { file: 'a', bitrate: 1 } },
  // @ts-expect-error a field is missing
  { data: { file: 'a' } },
];

// @ts-expect-error a contract has no handler
defineQueue<Video, string>('encode', { handler: () => 'x' });
// @ts-expect-error not a strategy
defineQueue<Video, string>('encode', { strategy: 'random' });
// @ts-expect-error not a duration
defineQueue<Video, string>('encode', { timeout: 'never' });
