import assert from 'node:assert/strict';
import type { FindReply } from '../../kernel/ports/job-admin.js';
import { refused, type Bench } from '../bench.js';
import { complete, fail, ids, job, jobs, release, sequence, type JobStatus, type StoredJob } from '../build.js';
import type { Process } from '../process.js';
import { suite } from '../suite.js';

const STATUSES: readonly JobStatus[] = [
  'waiting',
  'delayed',
  'waiting-children',
  'paused',
  'active',
  'completed',
  'failed',
  'cancelled',
];

/** Finishes the jobs one by one, 1 ms apart. */
async function completeAll(p: Process, bench: Bench, count: number, prefix: string): Promise<string[]> {
  const all = jobs(count, {}, prefix);
  await p.add('mail', ...all);
  for (const held of await p.take('mail', count)) {
    bench.forward(1);
    await p.finish('mail', complete(held));
  }
  return ids(all);
}

/** What a walk lists after its first page, which must not be the last one. */
async function rest(bench: Bench, first: FindReply, status: JobStatus, limit: number): Promise<StoredJob[]> {
  assert.ok(first.cursor !== undefined, 'the first page has no cursor');
  return bench.list('mail', status, limit, first.cursor);
}

export const readCases = suite('read', (it) => {
  it('[read] the store says what it can promise', async (_p, bench) => {
    const { backend, transactions, fenced, durability } = bench.store.capabilities;
    assert.match(backend, /^[a-z][a-z0-9-]*$/);
    assert.equal(typeof transactions, 'boolean');
    assert.equal(typeof fenced, 'boolean');
    assert.ok(['none', 'process', 'server', 'power', 'unknown'].includes(durability), durability);
  });

  it('[read] an unknown job is undefined', async (p, bench) => {
    await p.add('mail', job('a'));
    assert.equal(await bench.get('mail', 'nobody'), undefined);
    assert.equal(await bench.get('unused', 'a'), undefined);
    for (const id of ['__proto__', 'constructor', 'toString', '']) assert.equal(await bench.get('mail', id), undefined);
  });

  it('[read] an unknown queue is empty everywhere', async (_p, bench) => {
    await bench.counts('unused', {});
    for (const status of STATUSES) {
      const reply = await bench.find({ queue: 'unused', status, limit: 10 });
      assert.deepEqual(reply.jobs, []);
      assert.equal(reply.cursor, undefined);
    }
  });

  it('[read] reading changes nothing', async (p, bench) => {
    await p.add('mail', job('a'), job('b', { delayMs: 10 }));
    bench.forward(10);
    const before = await bench.stored('mail', 'a');
    for (const status of STATUSES) await bench.find({ queue: 'mail', status, limit: 10 });
    await bench.counts('mail', { waiting: 1, delayed: 1 });
    assert.deepEqual(await bench.stored('mail', 'a'), before);
  });

  it('[read] waiting jobs are listed in the order of claiming: fifo', async (p, bench) => {
    await p.add('mail', ...['c', 'a', 'b'].map((id, i) => job(id, { priority: 9 - i })));
    const listed = ids(await bench.list('mail', 'waiting'));
    assert.deepEqual(listed, ids(await p.take('mail', 10)));
  });

  it('[read] waiting jobs are listed in the order of claiming: priority', async (p, bench) => {
    await p.declare('mail', { strategy: 'priority' });
    await p.add('mail', ...[5, 0, 300, 5, 1].map((priority, i) => job(`${i}`, { priority })));
    const listed = ids(await bench.list('mail', 'waiting', 2));
    assert.deepEqual(listed, ['1', '4', '0', '3', '2']);
    assert.deepEqual(ids(await p.take('mail', 10)), listed);
  });

  it('[read] waiting jobs are listed in the order of claiming: lifo', async (p, bench) => {
    await p.declare('mail', { strategy: 'lifo' });
    await p.add('mail', ...jobs(5, {}, ''));
    const listed = ids(await bench.list('mail', 'waiting', 2));
    assert.deepEqual(listed, ['00004', '00003', '00002', '00001', '00000']);
    assert.deepEqual(ids(await p.take('mail', 10)), listed);
  });

  it('[read] delayed jobs are listed by due time', async (p, bench) => {
    await p.add('mail', ...[30, 10, 20].map((delayMs) => job(`in-${delayMs}`, { delayMs })));
    bench.forward(5);
    await p.add('mail', job('in-12', { delayMs: 7 }));
    assert.deepEqual(ids(await bench.list('mail', 'delayed', 3)), ['in-10', 'in-12', 'in-20', 'in-30']);
  });

  it('[read] active jobs are listed by the end of their lease', async (p, bench) => {
    await p.add('mail', ...jobs(3, {}, ''));
    await p.takeOne('mail', { leaseMs: 20_000 });
    const soon = await p.takeOne('mail', { leaseMs: 10_000 });
    await p.takeOne('mail', { leaseMs: 15_000 });
    assert.deepEqual(ids(await bench.list('mail', 'active', 2)), ['00001', '00002', '00000']);
    await p.extend('mail', [soon], 30_000);
    assert.deepEqual(ids(await bench.list('mail', 'active', 2)), ['00002', '00000', '00001']);
  });

  it('[read] finished jobs are listed newest first', async (p, bench) => {
    for (const status of ['completed', 'failed', 'cancelled'] as const) {
      await p.add('mail', ...jobs(5, {}, `${status}-`));
      for (const held of await p.take('mail', 5)) {
        bench.forward(1);
        if (status === 'cancelled') await p.cancel('mail', held.id);
        else await p.finish('mail', status === 'completed' ? complete(held) : fail(held));
      }
      const expected = ids(jobs(5, {}, `${status}-`)).reverse();
      assert.deepEqual(ids(await bench.list('mail', status, 2)), expected);
    }
  });

  it('[read] pages hold at most `limit` jobs, are complete and have no doubles', async (p, bench) => {
    const all = jobs(57);
    await p.add('mail', ...all);
    for (const limit of [1, 2, 7, 19, 56, 57, 58, 1_000]) {
      assert.deepEqual(ids(await bench.list('mail', 'waiting', limit)), ids(all), `limit ${limit}`);
    }
  });

  it('[read] many jobs that finished in the same ms are all listed, page by page', async (p, bench) => {
    await p.add('mail', ...jobs(57));
    const held = await p.take('mail', 57);
    await p.finish('mail', ...held.map((one) => complete(one)));
    assert.deepEqual(ids(await bench.list('mail', 'completed', 10)).toSorted(), ids(jobs(57)));
  });

  it('[read] many jobs that are due in the same ms are all listed, page by page', async (p, bench) => {
    await p.add('mail', ...jobs(57, { delayMs: 1_000 }));
    assert.deepEqual(ids(await bench.list('mail', 'delayed', 10)).toSorted(), ids(jobs(57)));
  });

  it('[read] a list carries the whole record', async (p, bench) => {
    await p.add('mail', job('a', { data: '{"n":[]}', meta: { tags: ['x'] }, priority: 3 }));
    await p.finish('mail', complete(await p.takeOne('mail'), { result: '"r"' }));
    assert.deepEqual(await bench.list('mail', 'completed'), [await bench.stored('mail', 'a')]);
  });

  it('[read] removing jobs during a walk neither skips nor doubles the ones that stay', async (p, bench) => {
    const all = await completeAll(p, bench, 30, 'job-');
    const newest = [...all].reverse();
    const first = await bench.find({ queue: 'mail', status: 'completed', limit: 10 });
    const seen = ids(first.jobs);
    assert.deepEqual(seen, newest.slice(0, 10));
    // Some that were listed, the very one at the cursor, and some that were not listed yet.
    const removed = [0, 4, 9, 10, 15, 29].map((i) => newest[i] ?? '');
    for (const id of removed) await p.remove('mail', id);
    seen.push(...ids(await rest(bench, first, 'completed', 4)));
    assert.deepEqual(seen, [...newest.slice(0, 10), ...newest.slice(10).filter((id) => !removed.includes(id))]);
  });

  it('[read] jobs that finish during a walk do not shift the pages', async (p, bench) => {
    const old = (await completeAll(p, bench, 20, 'old-')).reverse();
    const first = await bench.find({ queue: 'mail', status: 'completed', limit: 8 });
    await completeAll(p, bench, 7, 'new-');
    const seen = ids(first.jobs);
    seen.push(...ids(await rest(bench, first, 'completed', 8)));
    assert.deepEqual(seen, old);
  });

  it('[read] claims during a walk of waiting jobs do not shift the pages', async (p, bench) => {
    await p.add('mail', ...jobs(30));
    const first = await bench.find({ queue: 'mail', status: 'waiting', limit: 10 });
    await p.take('mail', 15);
    const seen = ids(first.jobs);
    seen.push(...ids(await rest(bench, first, 'waiting', 4)));
    const all = ids(jobs(30));
    assert.deepEqual(seen, [...all.slice(0, 10), ...all.slice(15)]);
  });

  it('[read] a cursor that no page gave is refused', async (p, bench) => {
    await p.add('mail', ...jobs(3));
    for (const cursor of ['garbage', '{}', '%%%', '1', '-1:-1:-1', "' or 1=1 --"]) {
      await refused('INVALID_OPTIONS', bench.find({ queue: 'mail', status: 'waiting', limit: 10, cursor }));
    }
  });

  it('[read] a cursor works for lists of awkward ids', async (p, bench) => {
    const awkward = ['a:b', 'b|c', 'c,d', '0', '{"x":1}', '日本語', '🎈', '%2F', 'a b', '__proto__'];
    await p.add('mail', ...awkward.map((id) => job(id, { delayMs: 1_000 })));
    assert.deepEqual(ids(await bench.list('mail', 'delayed', 1)).toSorted(), awkward.toSorted());
    bench.forward(1_000);
    for (const held of await p.take('mail', 100)) await p.finish('mail', complete(held));
    assert.deepEqual(ids(await bench.list('mail', 'completed', 1)).toSorted(), awkward.toSorted());
  });

  it('[rule 7] counts equal the lists after a long mixed run', async (p, bench) => {
    const pick = sequence(42);
    for (let step = 0; step < 300; step += 1) {
      bench.forward(pick(2_000));
      const id = `job-${pick(60)}`;
      const action = pick(10);
      if (action < 4) await p.add('mail', job(id, { delayMs: pick(3) * 1_000 }));
      else if (action === 4) await p.cancel('mail', id);
      else if (action === 5) await p.remove('mail', id);
      else if (action === 6) await p.promote('mail', id);
      else {
        const held = await p.take('mail', 1 + pick(3), { leaseMs: 3_000 });
        const outcomes = held.map((one, i) => [complete(one), fail(one), release(one, 500)][(step + i) % 3]);
        const chosen = outcomes.filter((outcome) => outcome !== undefined);
        if (action < 9) await p.settle('mail', chosen);
      }
    }
    const lists = await Promise.all(STATUSES.map((status) => bench.list('mail', status, 7)));
    await bench.counts('mail', Object.fromEntries(STATUSES.map((status, i) => [status, lists[i]?.length ?? 0])));
    const listed = lists.flat();
    assert.equal(new Set(ids(listed)).size, listed.length, 'a job stands in two lists');
    for (const [i, status] of STATUSES.entries()) {
      for (const stored of lists[i] ?? []) assert.equal(stored.status, status, stored.id);
    }
  });

  it('[read] a queue is recorded once somebody declared it, added to it or paused it, not when it is asked for work', async (p, bench) => {
    const record = async (queue: string): Promise<unknown> => {
      const found = await bench.admin.record(queue, bench.at);
      return found && { name: found.name, strategy: found.strategy, paused: found.paused };
    };
    await p.take('asked', 10);
    await bench.counts('asked', {});
    assert.equal(await record('asked'), undefined);
    assert.equal(await record('never-named'), undefined);
    assert.deepEqual(await bench.admin.queues({ limit: 10 }, bench.at), []);
    await p.add('added', job('a'));
    assert.deepEqual(await record('added'), { name: 'added', strategy: 'fifo', paused: false });
    await p.declare('declared', { strategy: 'lifo' });
    await p.pause('declared');
    assert.deepEqual(await record('declared'), { name: 'declared', strategy: 'lifo', paused: true });
    await p.pause('halted');
    assert.deepEqual(await record('halted'), { name: 'halted', strategy: 'fifo', paused: true });
    await p.remove('added', 'a');
    await p.obliterate('declared');
    assert.deepEqual(await bench.admin.queues({ limit: 10 }, bench.at), ['added', 'declared', 'halted']);
  });

  it('[read] recorded queues are listed by name, page by page', async (p, bench) => {
    assert.deepEqual(await bench.admin.queues({ limit: 10 }, bench.at), []);
    for (const queue of ['q3', 'q1', 'q5', 'q2']) await p.declare(queue, { strategy: 'fifo' });
    await p.add('q4', job('a'));
    assert.deepEqual(await bench.admin.queues({ limit: 10 }, bench.at), ['q1', 'q2', 'q3', 'q4', 'q5']);
    assert.deepEqual(await bench.admin.queues({ limit: 2 }, bench.at), ['q1', 'q2']);
    assert.deepEqual(await bench.admin.queues({ limit: 2, after: 'q2' }, bench.at), ['q3', 'q4']);
    assert.deepEqual(await bench.admin.queues({ limit: 2, after: 'q4' }, bench.at), ['q5']);
    assert.deepEqual(await bench.admin.queues({ limit: 2, after: 'q5' }, bench.at), []);
  });
});
