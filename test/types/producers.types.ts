// Compiled, never run: what a producer may say, wait for and listen to.
import {
  defineQueue,
  queue,
  type BriefError,
  type ClusterEvents,
  type EngineEvents,
  type Job,
  type JobAddress,
  type JobHandle,
  type JobPage,
  type JobTimelineEntry,
  type OqronEngine,
  type StoredError,
} from 'oqronkit';
import type { Equal, Expect } from './expect.js';

const Encode = defineQueue<{ file: string }, string>('encode');

export async function waiting(): Promise<unknown> {
  const job = await queue(Encode).add({ file: 'a' });
  const result = await job.waitUntilFinished({ timeout: '30s' });
  const again = await job.waitUntilFinished();
  // @ts-expect-error not a duration
  await job.waitUntilFinished({ timeout: 'soon' });
  type Checks = [Expect<Equal<typeof result, string>>, Expect<Equal<typeof again, string>>];
  const checks: Checks = [true, true];
  return checks;
}

export async function depending(job: JobHandle, other: Job<number, Date>): Promise<void> {
  const videos = queue(Encode);
  await videos.add({ file: 'a' }, { dependsOn: [job, other, 'id', { queueName: 'q', id: 'x' }] });
  await videos.add({ file: 'a' }, { dependsOn: job.dependsOn, parentFailurePolicy: 'cascade-fail' });
  // @ts-expect-error the queue is missing
  await videos.add({ file: 'a' }, { dependsOn: [{ id: 'x' }] });
  // @ts-expect-error no such policy
  await videos.add({ file: 'a' }, { dependsOn: ['x'], parentFailurePolicy: 'retry' });
  await videos.add({ file: 'a' }, { deduplication: { key: 'k', mode: 'throttle', ttl: '1m' } });
  // @ts-expect-error no such mode
  await videos.add({ file: 'a' }, { deduplication: { key: 'k', mode: 'once' } });
  // @ts-expect-error a key is needed
  await videos.add({ file: 'a' }, { deduplication: { mode: 'replace' } });
  // @ts-expect-error not a client
  await videos.add({ file: 'a' }, { tx: {} });
}

export async function administering(): Promise<unknown> {
  const videos = queue(Encode);
  await videos.updateData('id', { file: 'b' });
  // @ts-expect-error the wrong payload
  await videos.updateData('id', { file: 5 });
  await videos.changeDelay('id', '5m');
  const dead = await videos.deadLetters({ limit: 5, filter: { tag: 't', createdFrom: new Date() } });
  const ids = await videos.redrive({ filter: { name: 'n' } });
  const count = await videos.obliterate({ force: true });
  await videos.drain({ timeout: 5 });
  await videos.getJobs({ status: 'failed', filter: { dead: true, createdTo: 5 } });
  // @ts-expect-error dead letters are all dead
  await videos.deadLetters({ filter: { dead: false } });
  type Checks = [
    Expect<Equal<typeof dead, JobPage<{ file: string }, string>>>,
    Expect<Equal<typeof ids, string[]>>,
    Expect<Equal<typeof count, number>>,
  ];
  const checks: Checks = [true, true, true];
  return checks;
}

export type Fields = [
  Expect<Equal<Job['dependsOn'], readonly JobAddress[]>>,
  Expect<Equal<Job['timeline'], readonly JobTimelineEntry[]>>,
  Expect<Equal<Job['childrenIds'], readonly string[]>>,
  Expect<Equal<JobHandle['skipped'], boolean>>,
];

export type Cluster = [
  Expect<Equal<'result' extends keyof ClusterEvents['job:success'] ? true : false, false>>,
  Expect<Equal<ClusterEvents['job:fail']['error'], BriefError>>,
  Expect<Equal<'stack' extends keyof BriefError ? true : false, false>>,
  Expect<Equal<ClusterEvents['queue:paused'], EngineEvents['queue:paused']>>,
  Expect<Equal<Exclude<keyof EngineEvents, keyof ClusterEvents>, 'error'>>,
];

export function listening(engine: OqronEngine): void {
  engine.on('job:success', ({ result }) => void (result satisfies unknown));
  engine.on('job:fail', ({ error }) => void (error satisfies StoredError));
  const off: () => void = engine.on('job:success', ({ id }) => void id.length, { scope: 'cluster' });
  engine.once('job:fail', ({ error }) => void (error satisfies BriefError), { scope: 'cluster' });
  engine.on('error', ({ where }) => void where.length, { scope: 'engine' });
  // @ts-expect-error results do not travel
  engine.on('job:success', ({ result }) => void result, { scope: 'cluster' });
  // @ts-expect-error stacks do not travel
  engine.on('job:fail', ({ error }) => void error.stack, { scope: 'cluster' });
  // @ts-expect-error errors of the background are the engine's own
  engine.on('error', () => undefined, { scope: 'cluster' });
  // @ts-expect-error no such scope
  engine.on('job:success', () => undefined, { scope: 'world' });
  off();
}
