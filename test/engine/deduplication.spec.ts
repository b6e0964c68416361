import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { InvalidOptionsError, type DeduplicationOptions, type OqronEngine, type Queue } from 'oqronkit';
import { failureOf } from '../support/until.js';
import { World } from '../support/world.js';

let world: World;
let engines: OqronEngine[];
let queues: Queue<number, number>[];
let ran: number[];
beforeEach(() => {
  world = new World();
  ran = [];
  // Two processes: what one adds, the other must take for the same.
  engines = [world.engine(), world.engine()];
  queues = engines.map((engine) => engine.queue<number, number>({ name: 'q' }));
});
afterEach(() => world.end());

/** Adds by one process after the other. */
let turn = 0;
function add(
  data: number,
  mode: DeduplicationOptions['mode'],
  opts: { ttl?: string; delay?: string; key?: string } = {},
) {
  turn += 1;
  const { delay, key = 'k', ttl } = opts;
  const queue = queues[turn % 2] as Queue<number, number>;
  return queue.add(data, {
    ...(delay === undefined ? {} : { delay: delay as never }),
    deduplication: { key, mode, ...(ttl === undefined ? {} : { ttl: ttl as never }) },
  });
}

/** A third process that runs the jobs, each for a while. */
async function consume(ms = 0): Promise<void> {
  const engine = world.engine();
  engine.worker<number, number>({
    topic: 'q',
    concurrency: 10,
    handler: async ({ data }) => {
      ran.push(data);
      if (ms > 0) await world.clock.sleep(ms);
      return data;
    },
  });
  await engine.start();
}

const total = () => (queues[0] as Queue<number, number>).count();

describe('while-unfinished', () => {
  it('the first stands until it has finished: answers created: false and the id that stands', async () => {
    const first = await add(1, 'while-unfinished');
    expect(first).toMatchObject({ created: true, deduplicationKey: 'k' });
    expect(first.opts).toEqual({ deduplication: { key: 'k', mode: 'while-unfinished' } });
    const second = await add(2, 'while-unfinished');
    expect(second).toMatchObject({ created: false, id: first.id, data: 1, deduplicationKey: 'k' });
    expect(second.opts).toEqual(first.opts);
    await consume(10_000);
    await world.clock.advance('5s');
    expect(await add(3, 'while-unfinished')).toMatchObject({ created: false, id: first.id, status: 'active' });
    await world.clock.advance('6s');
    expect(await add(4, 'while-unfinished')).toMatchObject({ created: true, data: 4 });
    await world.clock.advance('11s');
    expect(ran).toEqual([1, 4]);
  });

  it('makes one job of 50 concurrent adds from two processes', async () => {
    const added = await Promise.all(Array.from({ length: 50 }, (_, n) => add(n, 'while-unfinished')));
    expect(added.filter(({ created }) => created)).toHaveLength(1);
    expect(new Set(added.map(({ id }) => id)).size).toBe(1);
    expect(await total()).toBe(1);
  });

  it('with a ttl is forgotten after it', async () => {
    await add(1, 'while-unfinished', { ttl: '10s' });
    await world.clock.advance('9s');
    expect((await add(2, 'while-unfinished', { ttl: '10s' })).created).toBe(false);
    await world.clock.advance('2s');
    expect((await add(3, 'while-unfinished', { ttl: '10s' })).created).toBe(true);
  });

  it('keys are their own: another key, another queue and no key are other jobs', async () => {
    await add(1, 'while-unfinished');
    expect((await add(2, 'while-unfinished', { key: 'other' })).created).toBe(true);
    expect((await queues[0]?.add(3))?.created).toBe(true);
    const other = engines[0]?.queue<number>({ name: 'other' });
    expect((await other?.add(4, { deduplication: { key: 'k', mode: 'while-unfinished' } }))?.created).toBe(true);
  });
});

describe('throttle', () => {
  it('first wins within ttl, whatever becomes of it', async () => {
    await consume();
    const first = await add(1, 'throttle', { ttl: '1m' });
    await world.clock.advance('30s');
    expect(await add(2, 'throttle', { ttl: '1m' })).toMatchObject({
      created: false,
      id: first.id,
      status: 'completed',
    });
    await world.clock.advance('31s');
    expect((await add(3, 'throttle', { ttl: '1m' })).created).toBe(true);
    await world.clock.advance('1s');
    expect(ran).toEqual([1, 3]);
  });
});

describe('debounce', () => {
  it('last wins, delay restarts', async () => {
    await consume();
    const first = await add(1, 'debounce', { ttl: '10s' });
    expect(first).toMatchObject({ created: true, status: 'delayed' });
    for (const n of [2, 3, 4]) {
      await world.clock.advance('8s');
      expect(await add(n, 'debounce', { ttl: '10s' })).toMatchObject({ created: false, id: first.id, data: n });
    }
    await world.clock.advance('9s');
    expect(ran).toEqual([]);
    await world.clock.advance('2s');
    expect(ran).toEqual([4]);
  });

  it('takes its delay from the job, if it has one', async () => {
    await consume();
    await add(1, 'debounce', { delay: '5s' });
    await world.clock.advance('4s');
    await add(2, 'debounce', { delay: '5s' });
    await world.clock.advance('4s');
    expect(ran).toEqual([]);
    await world.clock.advance('2s');
    expect(ran).toEqual([2]);
  });

  it('stands for the key while it waits past its time', async () => {
    const first = await add(1, 'debounce', { ttl: '10s' });
    await world.clock.advance('1h');
    expect(await add(2, 'debounce', { ttl: '10s' })).toMatchObject({ created: false, id: first.id });
    expect(await total()).toBe(1);
  });
});

describe('replace', () => {
  it('a waiting or delayed one gets the new data, and keeps its place and delay', async () => {
    const first = await add(1, 'replace', { delay: '10s' });
    await world.clock.advance('8s');
    const second = await add(2, 'replace', { delay: '10s' });
    expect(second).toMatchObject({ created: false, id: first.id, data: 2, runAt: first.runAt });
    expect(second.timeline.map(({ event }) => event)).toEqual(['added', 'updated']);
    await consume();
    await world.clock.advance('3s');
    expect(ran).toEqual([2]);
  });

  it('one that runs keeps what it began with, and the new one is a job of its own', async () => {
    await consume(10_000);
    await add(1, 'replace');
    await world.clock.advance('1s');
    expect((await add(2, 'replace')).created).toBe(true);
    await world.clock.advance('10s');
    expect(ran).toEqual([1, 2]);
  });
});

describe('keep-last', () => {
  it('while one runs, the newest waits', async () => {
    await consume(10_000);
    const first = await add(1, 'keep-last');
    await world.clock.advance('1s');
    const second = await add(2, 'keep-last');
    expect(second.created).toBe(true);
    expect(second.id).not.toBe(first.id);
    await world.clock.advance('1s');
    expect(await add(3, 'keep-last')).toMatchObject({ created: false, id: second.id, data: 3 });
    await world.clock.advance('5s');
    expect(ran).toEqual([1]);
    await world.clock.advance('5s');
    expect(ran).toEqual([1, 3]);
    await world.clock.advance('20s');
    expect(ran).toEqual([1, 3]);
    expect(await total()).toBe(2);
  });
});

describe('invalid values', () => {
  it.each<[object, RegExp]>([
    [{ key: 'k', mode: 'throttle' }, /ttl/],
    [{ key: 'k', mode: 'debounce' }, /ttl/],
    [{ key: 'k', mode: 'sometimes' }, /mode/],
    [{ key: '', mode: 'replace' }, /key/],
    [{ key: 'x'.repeat(257), mode: 'replace' }, /key/],
    [{ key: 'ü'.repeat(200), mode: 'replace' }, /key/],
    [{ mode: 'replace' }, /key/],
    [{ key: 'k', mode: 'replace', ttl: -1 }, /ttl/],
    [{ key: 'k', mode: 'replace', tll: 5 }, /did you mean "ttl"/],
  ])('throw before any I/O: %j', async (deduplication, message) => {
    const error = await failureOf(
      queues[0]?.add(1, { deduplication: deduplication as DeduplicationOptions }) as Promise<unknown>,
    );
    expect(error).toBeInstanceOf(InvalidOptionsError);
    expect(error.message).toMatch(message);
    expect(await total()).toBe(0);
  });
});

describe('a deduplicated add', () => {
  it('tells job:added only when it made a job', async () => {
    const told: string[] = [];
    for (const engine of engines) engine.on('job:added', ({ id }) => told.push(id));
    const { id } = await add(1, 'while-unfinished');
    await add(2, 'while-unfinished');
    await add(3, 'while-unfinished');
    expect(told).toEqual([id]);
  });

  it('answers a handle that waits for the job that stands', async () => {
    await add(1, 'while-unfinished', { delay: '5s' });
    const second = await add(2, 'while-unfinished');
    const done = second.waitUntilFinished();
    await consume();
    expect(await world.passUntil(done)).toBe(1);
  });

  it('may have an id too: the id is looked at first', async () => {
    const queue = queues[0] as Queue<number, number>;
    const deduplication = { key: 'k', mode: 'while-unfinished' } as const;
    await queue.add(1, { jobId: 'a' });
    expect(await queue.add(2, { jobId: 'a', deduplication })).toMatchObject({ created: false, id: 'a', data: 1 });
    expect(await queue.add(3, { jobId: 'b', deduplication })).toMatchObject({ created: true, id: 'b' });
    expect(await queue.add(4, { jobId: 'c', deduplication })).toMatchObject({ created: false, id: 'b', data: 3 });
  });

  it('in bulk answers each item', async () => {
    const queue = queues[0] as Queue<number, number>;
    const deduplication = { key: 'k', mode: 'while-unfinished' } as const;
    const jobs = await queue.addBulk([1, 2, 3].map((data) => ({ data, opts: { deduplication } })));
    expect(jobs.map(({ created }) => created)).toEqual([true, false, false]);
    expect(new Set(jobs.map(({ id }) => id)).size).toBe(1);
  });
});
