import { beforeEach, describe, expect, it } from '@jest/globals';
import {
  InvalidOptionsError,
  InvalidPayloadError,
  OqronEngine,
  PayloadTooLargeError,
  type JobOptions,
  type Queue,
} from 'oqronkit';
import { createMemoryBackend, VirtualClock } from 'oqronkit/testing';
import { failureOf } from '../support/until.js';
import { wrapBackend, type StoreOperation } from '../support/wrapped-backend.js';

let clock: VirtualClock;
let calls: StoreOperation[];
let queue: Queue<unknown>;

/** A publisher that is not started: the store is called only by what the test does. */
beforeEach(() => {
  clock = new VirtualClock();
  calls = [];
  const backend = wrapBackend(createMemoryBackend({ clock }), (operation, _args, run) => {
    calls.push(operation);
    return run();
  });
  queue = new OqronEngine({ logger: false }, { clock, backend }).queue<unknown>({ name: 'mail' });
});

function circular(): object {
  const value: { self?: unknown } = {};
  value.self = value;
  return value;
}

const KIB = 1024;
const PAYLOADS: [string, unknown, new (...args: never[]) => Error, RegExp][] = [
  ['a BigInt', { n: 1n }, InvalidPayloadError, /BigInt/],
  ['a cycle', circular(), InvalidPayloadError, /circular/],
  ['a function', { run: () => 1 }, InvalidPayloadError, /\$\.run \(a function\)/],
  ['a symbol', Symbol('x'), InvalidPayloadError, /a symbol/],
  ['a Map', new Map(), InvalidPayloadError, /a Map/],
  ['more than 256 KiB', 'x'.repeat(256 * KIB - 1), PayloadTooLargeError, /has 262145 bytes, the limit is 262144/],
  ['more than 256 KiB in UTF-8', '漢'.repeat(90_000), PayloadTooLargeError, /has 270002 bytes/],
];

const OPTIONS: [unknown, RegExp][] = [
  [{ jobId: '' }, /jobId: jobId is empty/],
  [{ jobId: 'a\nb' }, /control characters/],
  [{ jobId: 'x'.repeat(257) }, /257 bytes/],
  [{ jobId: '\ud800' }, /surrogate/],
  [{ jobId: 7 }, /not a string/],
  [{ priority: -1 }, /priority: expected a whole number from 0 to 2097152/],
  [{ priority: 2_097_153 }, /priority/],
  [{ delay: -1 }, /delay: expected ms/],
  [{ delay: 'soon' }, /delay: expected ms .* got "soon"/],
  [{ delay: Number.NaN }, /delay/],
  [{ attempts: -1 }, /attempts/],
  [{ attempts: 1.5 }, /attempts/],
  [{ backoff: { type: 'linear', delay: 1 } }, /backoff\.type/],
  [{ timeout: 0 }, /timeout/],
  [{ priorty: 5 }, /unknown option "priorty", did you mean "priority"\?/],
  [null, /expected object/],
  ['urgent', /expected object/],
];

describe('add', () => {
  it.each(PAYLOADS)(
    'what JSON cannot carry, or is too large, is a typed error at `add`, before any I/O: %s',
    async (_title, payload, type, message) => {
      const error = await failureOf(queue.add(payload));
      expect(error).toBeInstanceOf(type);
      expect(error.message).toMatch(message);
      expect(error.message).toContain('Queue.add (queue "mail")');
      await clock.settle();
      expect(calls).toEqual([]);
    },
  );

  it.each(OPTIONS)('invalid values throw before any I/O: %j', async (options, message) => {
    const error = await failureOf(queue.add({}, options as JobOptions));
    expect(error).toBeInstanceOf(InvalidOptionsError);
    expect(error.message).toMatch(message);
    expect(error.message).toContain('Queue.add (queue "mail")');
    await clock.settle();
    expect(calls).toEqual([]);
  });

  it.each(['', 'two words', 'ü', 'x'.repeat(129), 'a\u0000'])('refuses the job name %j', async (name) => {
    expect(await failureOf(queue.add(name, {}, {}))).toBeInstanceOf(InvalidOptionsError);
    await clock.settle();
    expect(calls).toEqual([]);
  });

  it('takes a payload of just 256 KiB, and ids at their limit', async () => {
    const payload = 'x'.repeat(256 * KIB - 2);
    const id = '🚀'.repeat(64);
    expect((await queue.add(payload)).created).toBe(true);
    expect((await queue.add({}, { jobId: id })).id).toBe(id);
  });

  it('fails a bad one among 500 at once alone, and the 499 land in one call', async () => {
    const outcomes = await Promise.allSettled(
      Array.from({ length: 500 }, (_, n) => queue.add(n === 250 ? circular() : { n })),
    );
    expect(outcomes.flatMap(({ status }, n) => (status === 'rejected' ? [n] : []))).toEqual([250]);
    expect(await queue.count('waiting')).toBe(499);
    expect(calls.filter((operation) => operation === 'enqueue')).toHaveLength(1);
  });

  it('the caller may mutate the object afterwards: the job keeps what it was at the call', async () => {
    const payload = { to: 'ada', lines: ['one'] };
    const adding = queue.add(payload);
    payload.to = 'bob';
    payload.lines.push('two');
    const { id } = await adding;
    expect((await queue.getJob(id))?.data).toEqual({ to: 'ada', lines: ['one'] });
  });

  it('takes ids and names that would trip over an ordinary object', async () => {
    for (const jobId of ['__proto__', 'constructor', '0', ':', 'toString']) {
      const { id, created } = await queue.add({ jobId }, { jobId });
      expect([id, created]).toEqual([jobId, true]);
      expect((await queue.getJob(jobId))?.data).toEqual({ jobId });
      expect((await queue.add({}, { jobId })).created).toBe(false);
    }
    expect((await queue.add('__proto__', 1)).name).toBe('__proto__');
    expect(await queue.count()).toBe(6);
  });

  it('tells a name from a payload by what follows it', async () => {
    expect(await queue.add('just text')).toMatchObject({ name: 'default', data: 'just text' });
    expect(await queue.add('welcome', { to: 'ada' })).toMatchObject({ name: 'welcome', data: { to: 'ada' } });
    expect(await queue.add('welcome', undefined, { priority: 3 })).toMatchObject({ name: 'welcome', priority: 3 });
  });
});

describe('addBulk', () => {
  it('answers in the order of its items', async () => {
    const jobs = await queue.addBulk(
      Array.from({ length: 2_500 }, (_, n) => ({ data: { n }, opts: { jobId: `job ${n % 2_000}` } })),
    );
    expect(jobs.map(({ id }) => id)).toEqual(Array.from({ length: 2_500 }, (_, n) => `job ${n % 2_000}`));
    expect(jobs.map(({ created }) => created)).toEqual(Array.from({ length: 2_500 }, (_, n) => n < 2_000));
    expect(jobs[2_100]?.data).toEqual({ n: 100 });
  });

  it('keeps the order of the items in the queue, over several chunks', async () => {
    await queue.addBulk(Array.from({ length: 2_500 }, (_, n) => ({ data: n })));
    const data: unknown[] = [];
    for (let cursor: string | undefined, first = true; first || cursor !== undefined; first = false) {
      const page = await queue.getJobs({ status: 'waiting', limit: 1_000, ...(cursor ? { cursor } : {}) });
      data.push(...page.jobs.map((job) => job.data));
      ({ cursor } = page);
    }
    expect(data).toEqual(Array.from({ length: 2_500 }, (_, n) => n));
  });

  it.each<[string, object, RegExp]>([
    ['payload', { data: { n: 1n } }, /item 1_?700: .*BigInt/],
    ['option', { data: 1, opts: { delay: -1 } }, /item 1_?700: delay/],
    ['name', { data: 1, name: 'two words' }, /item 1_?700: "two words" is not a name/],
  ])('sends nothing at all when one item has a bad %s, and says which', async (_title, bad, message) => {
    const items = Array.from({ length: 2_000 }, (_, n) => (n === 1_700 ? (bad as { data: unknown }) : { data: n }));
    const error = await failureOf(queue.addBulk(items));
    expect(error.message).toMatch(message);
    await clock.settle();
    expect(calls).toEqual([]);
    expect(await queue.count()).toBe(0);
  });

  it('says which item is too large', async () => {
    const error = await failureOf(queue.addBulk([{ data: 1 }, { data: 'x'.repeat(300 * KIB) }]));
    expect(error).toBeInstanceOf(PayloadTooLargeError);
    expect(error.message).toMatch(/item 1/);
  });

  it('adds nothing for an empty list, and asks the store nothing', async () => {
    expect(await queue.addBulk([])).toEqual([]);
    expect(calls).toEqual([]);
  });

  it('takes names, and finds a second item of the same id as the first', async () => {
    const jobs = await queue.addBulk([
      { name: 'welcome', data: 'a', opts: { jobId: 'x', priority: 4 } },
      { name: 'reset', data: 'b', opts: { jobId: 'x' } },
    ]);
    expect(jobs).toMatchObject([
      { id: 'x', created: true, name: 'welcome', data: 'a', priority: 4 },
      { id: 'x', created: false, name: 'welcome', data: 'a', priority: 4 },
    ]);
  });

  it('takes more items than may wait to be sent at once', async () => {
    const jobs = await queue.addBulk(Array.from({ length: 110_000 }, () => ({ data: 1 })));
    expect(jobs).toHaveLength(110_000);
    expect(await queue.count('waiting')).toBe(110_000);
  });

  it('cuts its calls at 1 000 items and 1 MiB', async () => {
    await queue.addBulk(Array.from({ length: 1_001 }, () => ({ data: 1 })));
    expect(calls).toEqual(['enqueue', 'enqueue']);
    await queue.addBulk(Array.from({ length: 9 }, () => ({ data: 'x'.repeat(250 * KIB) })));
    expect(calls).toHaveLength(5);
  });
});

describe('reading', () => {
  it.each<[object, RegExp]>([
    [{ status: 'gone' }, /status: expected one of waiting, delayed/],
    [{ status: 'waiting', limit: 0 }, /limit: expected a whole number from 1 to 1000/],
    [{ status: 'waiting', limit: 1_001 }, /limit/],
    [{ status: 'waiting', limit: 1.5 }, /limit/],
    [{ status: 'waiting', limit: 10, cursor: 'nonsense' }, /cursor/],
  ])('refuses %j', async (request, message) => {
    const error = await failureOf(queue.getJobs(request as { status: 'waiting' }));
    expect(error).toBeInstanceOf(InvalidOptionsError);
    expect(error.message).toMatch(message);
  });

  it('answers undefined for an id that nobody added', async () => {
    expect(await queue.getJob('nobody')).toBeUndefined();
    expect(await queue.getJob('__proto__')).toBeUndefined();
  });
});
