import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Piscina } from 'piscina';
import { OqronEngine, systemClock, type EngineEvents, type JobContext, type Queue } from 'oqronkit';
import { createMemoryBackend } from 'oqronkit/testing';
import { until } from '../support/until.js';
import { wrapBackend } from '../support/wrapped-backend.js';

// The recipe of docs/cpu-bound.md, on a real clock: threads do not know another one.

const BURN = pathToFileURL(join(import.meta.dirname, 'burn.mjs')).href;
const FOR_EVER_MS = 60_000;

let pool: Piscina<object, string>;
let engine: OqronEngine;
let shared: SharedArrayBuffer;
let calls: string[];
/** What the store says of leases that are renewed. */
let verdict: 'kept' | 'lost';

beforeEach(() => {
  pool = new Piscina({ filename: BURN, maxThreads: 2 });
  shared = new SharedArrayBuffer(4);
  calls = [];
  verdict = 'kept';
  const memory = createMemoryBackend({ clock: systemClock });
  const backend = wrapBackend(memory, (operation, args, run) => {
    calls.push(operation);
    if (operation === 'extend' && verdict === 'lost') return (args[0] as unknown[]).map(() => 'lost');
    return run();
  });
  engine = new OqronEngine({ logger: false, shutdown: { timeout: 50 } }, { backend });
});
afterEach(async () => {
  await engine.stop();
  await pool.destroy();
});

const inThread = ({ data, signal }: JobContext<{ ms: number }>): Promise<string> =>
  pool.run({ ...data, shared }, { signal });

async function start(options: object = {}, handler = inThread): Promise<Queue<{ ms: number }, string>> {
  const queue = engine.queue<{ ms: number }, string>({
    name: 'burn',
    concurrency: pool.maxThreads,
    retries: { max: 0 },
    heartbeatMs: 50,
    lockTtlMs: 400,
    abortGraceMs: '5s',
    ...options,
    handler,
  });
  await engine.start();
  return queue;
}

const turns = (): number => Atomics.load(new Int32Array(shared), 0);

const burning = (): Promise<unknown> => until('the thread to burn', () => turns() > 0);

/** The thread that burnt is gone: nothing counts any more. */
async function burnsNoMore(): Promise<void> {
  await until('the thread to be gone', () => engine.health().running + engine.health().zombies === 0);
  let last = -1;
  let still = 0;
  // A thread that burns may have to wait for a processor, but not through so many looks.
  await until('the count to stand still', () => {
    const now = turns();
    still = now === last ? still + 1 : 0;
    last = now;
    return still > 50;
  });
}

describe('a job in a thread', () => {
  it('keeps its lease while the processor burns: heartbeats go on', async () => {
    const queue = await start();
    const job = await queue.add({ ms: 1_500 });
    expect(await job.waitUntilFinished({ timeout: '10s' })).toBe('burnt');
    // The lease alone would have lasted 400 ms.
    expect(calls.filter((name) => name === 'extend').length).toBeGreaterThan(5);
    expect(await queue.getJob(job.id)).toMatchObject({ status: 'completed', attemptMade: 1, stalledCount: 0 });
  });

  it('which the same work in the handler itself would lose', async () => {
    const lost: EngineEvents['worker:lost-lease'][] = [];
    const queue = await start({}, ({ data, signal }) => {
      const end = performance.now() + data.ms;
      while (performance.now() < end);
      return new Promise((done) => signal.addEventListener('abort', () => done('too late')));
    });
    engine.on('worker:lost-lease', (event) => lost.push(event));
    await queue.add({ ms: 1_000 });
    await until('the lease to be lost', () => lost.length > 0);
    expect(calls).not.toContain('extend');
  });

  it('stops burning when its job is cancelled', async () => {
    const queue = await start();
    const job = await queue.add({ ms: FOR_EVER_MS });
    await burning();
    expect(await job.cancel('not any more')).toBe('cancelled');
    await burnsNoMore();
    expect((await queue.getJob(job.id))?.status).toBe('cancelled');
    expect(await (await queue.add({ ms: 1 })).waitUntilFinished({ timeout: '5s' })).toBe('burnt');
  });

  it('stops burning when its attempt times out', async () => {
    const queue = await start({ timeout: 300 });
    const job = await queue.add({ ms: FOR_EVER_MS });
    await until('the end', async () => (await queue.getJob(job.id))?.status === 'failed');
    await burnsNoMore();
    expect((await queue.getJob(job.id))?.error?.code).toBe('JOB_TIMEOUT');
  });

  it('stops burning when its lease is lost', async () => {
    const queue = await start();
    await queue.add({ ms: FOR_EVER_MS });
    await burning();
    verdict = 'lost';
    await until('the handler to be told', () => engine.health().running === 0);
    await engine.manager.pauseQueue('burn');
    await burnsNoMore();
    // Here it is nobody's job any more: its record is left to whoever owns it now.
    expect((await queue.getJobs({ status: 'active' })).jobs).toHaveLength(1);
  });

  it('stops burning when the engine stops, and its job is handed back with the attempt refunded', async () => {
    const queue = await start();
    const job = await queue.add({ ms: FOR_EVER_MS });
    await burning();
    const read = engine.adapters.storage;
    await engine.drain();
    await burnsNoMore();
    expect(await read.get('jobs', job.id)).toMatchObject({ status: 'waiting', attemptMade: 0 });
  });
});
