import assert from 'node:assert/strict';
import {
  child,
  complete,
  fail,
  ids,
  job,
  jobs,
  keeping,
  KEEP_ALL,
  KEEP_NONE,
  ref,
  type JobKeep,
  type JobRef,
} from '../build.js';
import type { Bench } from '../bench.js';
import type { Process } from '../process.js';
import { suite } from '../suite.js';
import { completeNext } from './parents.js';

const KEEP_NO_COMPLETED = keeping({ completed: KEEP_NONE });

/** Completes the job that waits in the queue, under these rules of retention. */
async function completeUnder(p: Process, queue: string, rules: ReturnType<typeof keeping>): Promise<void> {
  await p.finish(queue, complete(await p.takeOne(queue, { policy: rules })));
}

/** Completes `p` in `mail` under a rule that would remove it, while a job of another queue depends on it. */
async function completedParent(p: Process, rules: ReturnType<typeof keeping>, keep?: JobKeep): Promise<void> {
  await p.add('mail', job('p', keep ? { keep } : {}), job('q'));
  await p.add('mail', child('c', ['p', 'q']));
  await completeUnder(p, 'mail', rules);
}

/** Retention that was put off may come with the end of the dependant or with the next sweeps. */
async function purged(bench: Bench, queue: string, id: string): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) await bench.sweep();
  assert.equal(await bench.get(queue, id), undefined, `"${id}" was not purged after its last dependant ended`);
}

export const parentWaitCases = suite('parents-wait', (it) => {
  it('[parents] a child waits with its delay, and is delayed where that is still ahead', async (p, bench) => {
    await p.add('mail', job('p'));
    const [added] = await p.add('mail', child('c', ['p'], 'block', { delayMs: 5_000 }));
    const due = bench.now + 5_000;
    assert.equal(added?.status, 'waiting-children');
    assert.equal(added.runAt, due);
    bench.forward(1_000);
    await completeNext(p, 'mail', 'p');
    assert.equal(await bench.status('mail', 'c'), 'delayed');
    assert.equal((await bench.stored('mail', 'c')).runAt, due);
    assert.equal((await p.claim('mail')).nextDueMs, 4_000);
    bench.forward(3_999);
    assert.deepEqual(await p.take('mail'), []);
    bench.forward(1);
    assert.deepEqual(ids(await p.take('mail')), ['c']);
  });

  it('[parents] a delay that has passed while the child waited is none', async (p, bench) => {
    await p.add('mail', job('p'), child('c', ['p'], 'block', { delayMs: 1_000 }));
    bench.forward(1_000);
    assert.deepEqual(ids(await p.take('mail', 10)), ['p']);
    assert.equal((await p.claim('mail')).nextDueMs, 30_000);
    bench.forward(1_000);
    await p.finish('mail', complete({ id: 'p', fence: (await bench.stored('mail', 'p')).fence }));
    assert.equal(await bench.status('mail', 'c'), 'waiting');
    assert.deepEqual(ids(await p.take('mail', 10)), ['c']);
  });

  it('[parents] a parent that was done before leaves the delay to count', async (p, bench) => {
    await p.add('mail', job('p'));
    await completeNext(p, 'mail', 'p');
    const [added] = await p.add('mail', child('c', ['p'], 'block', { delayMs: 1_000 }));
    assert.equal(added?.status, 'delayed');
    assert.equal(added.runAt, bench.now + 1_000);
  });

  it('[rule 5] a job whose parents are done goes behind what waits already', async (p) => {
    await p.add('mail', job('p'), child('c', ['p']), job('a'), job('b'));
    await completeNext(p, 'mail', 'p');
    await p.add('mail', job('d'));
    assert.deepEqual(ids(await p.take('mail', 10)), ['a', 'b', 'c', 'd']);
  });

  it('[rule 5] on a lifo queue a job whose parents are done is the newest', async (p) => {
    await p.declare('mail', { strategy: 'lifo' });
    await p.add('mail', job('p'));
    const held = await p.takeOne('mail');
    await p.add('mail', child('c', ['p']), job('a'));
    await p.finish('mail', complete(held));
    assert.deepEqual(ids(await p.take('mail', 10)), ['c', 'a']);
  });

  it('[rule 5] a job whose parents are done takes the place of its priority, changed ones too', async (p) => {
    await p.declare('mail', { strategy: 'priority' });
    await p.add('mail', job('p'));
    await p.add('mail', child('c', ['p'], 'block', { priority: 9 }), child('d', ['p'], 'block', { priority: 2 }));
    await p.add('mail', job('a', { priority: 5 }));
    assert.deepEqual(await p.changePriority('mail', 'c', 1), { verdict: 'done' });
    await completeNext(p, 'mail', 'p');
    assert.deepEqual(ids(await p.take('mail', 10)), ['c', 'd', 'a']);
  });

  it('[parents] waiting children are counted and listed, page by page', async (p, bench) => {
    await p.add('mail', job('p'));
    const all = jobs(25).map(({ id }) => child(id, ['p']));
    await p.add('sms', ...all);
    await bench.counts('sms', { 'waiting-children': 25 });
    const listed = await bench.list('sms', 'waiting-children', 4);
    assert.deepEqual(ids(listed).toSorted(), ids(all));
    assert.ok(listed.every(({ status, parents }) => status === 'waiting-children' && parents?.length === 1));
    const { nextDueMs, suspects } = await p.claim('sms', 10);
    assert.equal(nextDueMs, undefined);
    assert.equal(suspects, 0);
  });

  it('[promote] a job that waits for parents is refused', async (p, bench) => {
    await p.add('mail', job('p'), child('c', ['p'], 'block', { delayMs: 1_000 }));
    assert.deepEqual(await p.promote('mail', 'c'), { verdict: 'refused', status: 'waiting-children' });
    assert.equal(await bench.status('mail', 'c'), 'waiting-children');
  });

  it('[changeDelay] counts for a job that waits for parents, from now, and lets it wait', async (p, bench) => {
    await p.add('mail', job('p'), child('c', ['p'], 'block', { delayMs: 60_000 }), child('d', ['p']));
    bench.forward(1_000);
    assert.deepEqual(await p.changeDelay('mail', 'c', 0), { verdict: 'done' });
    assert.deepEqual(await p.changeDelay('mail', 'd', 10_000), { verdict: 'done' });
    await bench.counts('mail', { waiting: 1, 'waiting-children': 2 });
    await completeNext(p, 'mail', 'p');
    assert.equal(await bench.status('mail', 'c'), 'waiting');
    assert.equal(await bench.status('mail', 'd'), 'delayed');
    assert.equal((await bench.stored('mail', 'd')).runAt, bench.now + 10_000);
  });

  it('[updateData] works for a job that waits for parents', async (p) => {
    await p.add('mail', job('p'), child('c', ['p'], 'block', { data: '1' }));
    assert.deepEqual(await p.updateData('mail', 'c', '2'), { verdict: 'done' });
    await completeNext(p, 'mail', 'p');
    assert.equal((await p.takeOne('mail')).data, '2');
  });

  it('[pause] a paused queue lets its jobs become ready and keeps them', async (p, bench) => {
    await p.add('sms', job('p'));
    await p.add('mail', child('c', [{ queue: 'sms', id: 'p' }]));
    await p.pause('mail');
    await completeNext(p, 'sms', 'p');
    await bench.counts('mail', { waiting: 1 });
    assert.deepEqual(await p.take('mail'), []);
    await p.resume('mail');
    assert.deepEqual(ids(await p.take('mail')), ['c']);
  });

  it('[parents] a child that is added while its parent runs is released by its end', async (p, bench) => {
    await p.add('mail', job('p'));
    const held = await p.takeOne('mail');
    await p.add('sms', child('c', ['p']));
    assert.equal(await bench.status('sms', 'c'), 'waiting-children');
    await p.finish('mail', complete(held));
    assert.deepEqual(ids(await p.take('sms', 10)), ['c']);
  });

  it('[parents] a child of the same queue can be claimed by the very call that completed its parent', async (p) => {
    await p.add('mail', job('p'), child('c', ['p']));
    const reply = await p.settle('mail', [complete(await p.takeOne('mail'))], { count: 5 });
    assert.deepEqual(ids(reply.claim?.jobs ?? []), ['c']);
    assert.deepEqual(reply.claim?.jobs[0]?.parents, [ref('p')]);
  });

  it('[parents] a follow-up job may wait for the job that it follows, and for others', async (p, bench) => {
    await p.add('sms', job('q'));
    await p.add('mail', job('p'));
    const waits = child('next', ['p', { queue: 'sms', id: 'q' }]);
    await p.finish('mail', complete(await p.takeOne('mail'), { then: [{ queue: 'push', job: waits }] }));
    assert.equal(await bench.status('push', 'next'), 'waiting-children');
    await completeNext(p, 'sms', 'q');
    assert.equal(await bench.status('push', 'next'), 'waiting');
  });

  const rules: readonly (readonly [string, ReturnType<typeof keeping>, JobKeep?])[] = [
    ['count 0', KEEP_NO_COMPLETED],
    ['its own rule', keeping({ completed: KEEP_ALL }), { completed: { ...KEEP_NONE, from: 'job' } }],
  ];
  for (const [what, rule, keep] of rules) {
    it(`[rule 7] ${what}: a parent stays while a dependant is unfinished, and goes after`, async (p, bench) => {
      await completedParent(p, rule, keep);
      assert.equal(await bench.status('mail', 'p'), 'completed');
      await p.finish('mail', complete(await p.takeOne('mail')));
      assert.equal(await bench.status('mail', 'p'), 'completed');
      const held = await p.takeOne('mail');
      assert.equal(held.id, 'c');
      assert.equal(await bench.status('mail', 'p'), 'completed');
      await p.finish('mail', complete(held));
      await purged(bench, 'mail', 'p');
    });
  }

  it('[rule 7] a parent stays while a dependant in another queue is unfinished, and goes after', async (p, bench) => {
    await p.add('mail', job('p'));
    await p.add('sms', child('c', ['p']));
    await completeUnder(p, 'mail', KEEP_NO_COMPLETED);
    assert.equal(await bench.status('mail', 'p'), 'completed');
    const held = await p.takeOne('sms');
    await bench.sweep();
    assert.equal(await bench.status('mail', 'p'), 'completed');
    await p.finish('sms', complete(held));
    await purged(bench, 'mail', 'p');
  });

  it('[rule 7] a failed parent stays while a child waits for its retry', async (p, bench) => {
    await p.add('mail', job('p'), child('c', ['p']));
    await p.finish('mail', fail(await p.takeOne('mail', { policy: keeping({ failed: KEEP_NONE }) })));
    assert.equal(await bench.status('mail', 'p'), 'failed');
    bench.forward(1_000_000);
    await bench.sweep();
    assert.equal(await bench.status('mail', 'p'), 'failed');
    await p.cancel('mail', 'c');
    await purged(bench, 'mail', 'p');
  });

  it('[rule 7] count: a parent with an unfinished dependant is passed over, and the rule holds for the others', async (p, bench) => {
    const rule = keeping({ completed: { count: 2, ageMs: null } });
    await completedParent(p, rule);
    await p.cancel('mail', 'q');
    for (const id of ['a', 'b', 'd', 'e', 'f']) {
      bench.forward(1);
      await p.add('mail', job(id));
      await completeUnder(p, 'mail', rule);
    }
    assert.equal(await bench.status('mail', 'p'), 'completed');
    const kept = ids(await bench.list('mail', 'completed'));
    assert.ok(kept.length <= 3, `a rule of 2 kept ${kept.length}: ${kept.join(', ')}`);
    assert.equal(kept[0], 'f');
    await p.cancel('mail', 'c');
    for (const id of ['g', 'h']) {
      bench.forward(1);
      await p.add('mail', job(id));
      await completeUnder(p, 'mail', rule);
    }
    assert.deepEqual(ids(await bench.list('mail', 'completed')), ['h', 'g']);
  });

  it('[rule 7] age: a parent with an unfinished dependant outlives it, and goes after', async (p, bench) => {
    await completedParent(p, keeping({ completed: { count: null, ageMs: 1_000 } }));
    bench.forward(100_000);
    await bench.sweep();
    assert.equal(await bench.status('mail', 'p'), 'completed');
    await p.cancel('mail', 'c');
    await purged(bench, 'mail', 'p');
  });

  it('[rule 7] old jobs are purged although parents stand before them', async (p, bench) => {
    const rule = keeping({ completed: { count: null, ageMs: 1_000 } });
    await p.add('sms', job('open'));
    await p.add('mail', ...jobs(150, {}, 'p-'));
    const open: JobRef = { queue: 'sms', id: 'open' };
    await p.add('push', child('c', [...jobs(150, {}, 'p-').map(({ id }) => ref(id)), open]));
    await p.finish('mail', ...(await p.take('mail', 150, { policy: rule })).map((held) => complete(held)));
    bench.forward(1);
    await p.add('mail', ...jobs(20, {}, 'free-'));
    await p.finish('mail', ...(await p.take('mail', 20, { policy: rule })).map((held) => complete(held)));
    bench.forward(2_000);
    for (let turn = 0; turn < 10; turn += 1) await bench.sweep(['mail'], 50);
    assert.deepEqual(ids(await bench.list('mail', 'completed')).toSorted(), ids(jobs(150, {}, 'p-')));
    await p.cancel('push', 'c');
    for (let turn = 0; turn < 20; turn += 1) await bench.sweep(['mail'], 50);
    await bench.counts('mail', {});
  });

  it('[rule 7] a parent whose child was added after it ended is kept, too', async (p, bench) => {
    await p.add('mail', job('p'), job('open'));
    await completeUnder(p, 'mail', keeping({ completed: { count: null, ageMs: 1_000 } }));
    await p.add('sms', child('c', ['p', 'open']));
    bench.forward(5_000);
    await bench.sweep();
    assert.equal(await bench.status('mail', 'p'), 'completed');
    await p.remove('sms', 'c');
    await purged(bench, 'mail', 'p');
  });
});
