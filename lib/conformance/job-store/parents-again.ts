import assert from 'node:assert/strict';
import type { Bench } from '../bench.js';
import { child, complete, fail, ids, job, jobs, ref, type JobRef } from '../build.js';
import type { Process } from '../process.js';
import { suite } from '../suite.js';
import { completeNext } from './parents.js';

/** Enough levels for any recursion to break. */
const LEVELS = 1_000;
/** Calls that one client may leave unanswered, at most. */
const AT_ONCE = 15;

async function failNext(p: Process, queue: string): Promise<void> {
  await p.finish(queue, fail(await p.takeOne(queue)));
}

async function parentsOf(bench: Bench, queue: string, id: string): Promise<unknown> {
  return (await bench.stored(queue, id)).parents;
}

export const parentAgainCases = suite('parents-again', (it) => {
  it('[retry] of a failed parent inherits the children that it blocks', async (p, bench) => {
    await p.add('mail', job('p'));
    await p.add('mail', child('c', ['p']));
    await p.add('sms', child('d', ['p']));
    await failNext(p, 'mail');
    assert.deepEqual(await p.again('mail', 'p', 'p-2'), { verdict: 'done', id: 'p-2' });
    assert.deepEqual(await parentsOf(bench, 'mail', 'c'), [ref('p-2')]);
    assert.deepEqual(await parentsOf(bench, 'sms', 'd'), [ref('p-2')]);
    const children = (await bench.stored('mail', 'p-2')).children ?? [];
    assert.deepEqual(
      children.toSorted((x, y) => (x.id < y.id ? -1 : 1)),
      [ref('c'), { queue: 'sms', id: 'd' }],
    );
    assert.equal(await bench.status('mail', 'c'), 'waiting-children');
    await completeNext(p, 'mail', 'p-2');
    assert.deepEqual((await p.takeOne('mail')).parents, [ref('p-2')]);
    assert.deepEqual((await p.takeOne('sms')).parents, [ref('p-2')]);
  });

  it('[retry] the retry of a retry inherits them, too', async (p, bench) => {
    await p.add('mail', job('p'), job('q'));
    await p.add('sms', child('c', ['q', 'p']));
    await failNext(p, 'mail');
    await p.again('mail', 'p', 'p-2');
    await completeNext(p, 'mail', 'q');
    await failNext(p, 'mail');
    assert.equal(await bench.status('sms', 'c'), 'waiting-children');
    await p.again('mail', 'p-2', 'p-3');
    await p.cancel('mail', 'p-3');
    assert.equal(await bench.status('sms', 'c'), 'waiting-children');
    assert.equal((await p.again('mail', 'p-3', 'p-4', ['cancelled'])).verdict, 'done');
    assert.deepEqual(await parentsOf(bench, 'sms', 'c'), [ref('q'), ref('p-4')]);
    await completeNext(p, 'mail', 'p-4');
    assert.deepEqual((await p.takeOne('sms')).parents, [ref('q'), ref('p-4')]);
  });

  it('[retry] a resent retry moves the children once', async (p, bench) => {
    await p.add('mail', job('p'), child('c', ['p']));
    await failNext(p, 'mail');
    const call = p.call('mail');
    const as = { newId: 'p-2', from: ['failed' as const] };
    const first = await bench.admin.retry(call, 'mail', 'p', as, bench.at);
    await bench.process('other').cancel('mail', 'p-2');
    await bench.process('other').again('mail', 'p-2', 'p-3', ['cancelled']);
    assert.deepEqual(await bench.admin.retry(call, 'mail', 'p', as, bench.at), first);
    assert.deepEqual(await parentsOf(bench, 'mail', 'c'), [ref('p-3')]);
    await completeNext(p, 'mail', 'p-3');
    assert.equal(await bench.status('mail', 'c'), 'waiting');
  });

  it('[retry] a job that is added after the retry of its parent waits for the last run', async (p, bench) => {
    await p.add('mail', job('p'), job('done'));
    await failNext(p, 'mail');
    await p.again('mail', 'p', 'p-2');
    await p.cancel('mail', 'p-2');
    await p.again('mail', 'p-2', 'p-3', ['cancelled']);
    const [block, strict] = await p.add('sms', child('block', ['p']), child('strict', ['p'], 'cascade-fail'));
    assert.deepEqual([block?.status, strict?.status], ['waiting-children', 'waiting-children']);
    assert.deepEqual(await parentsOf(bench, 'sms', 'block'), [ref('p-3')]);
    await completeNext(p, 'mail', 'done');
    await completeNext(p, 'mail', 'p-3');
    await bench.counts('sms', { waiting: 2 });
    assert.deepEqual((await p.takeOne('sms')).parents, [ref('p-3')]);
  });

  it('[retry] a completed parent counts at once, also while it runs once more', async (p, bench) => {
    await p.add('mail', job('p'));
    await completeNext(p, 'mail', 'p');
    await p.again('mail', 'p', 'p-2', ['completed']);
    const [added] = await p.add('sms', child('c', ['p'], 'cascade-fail'));
    assert.equal(added?.status, 'waiting');
    assert.deepEqual(await parentsOf(bench, 'sms', 'c'), [ref('p')]);
  });

  it('[retry] of a completed parent leaves its children alone', async (p, bench) => {
    await p.add('mail', job('p'), job('q'));
    await p.add('sms', child('ready', ['p']), child('open', ['p', 'q']));
    await completeNext(p, 'mail', 'p');
    assert.equal((await p.again('mail', 'p', 'p-2', ['completed'])).verdict, 'done');
    assert.equal(await bench.status('sms', 'ready'), 'waiting');
    assert.equal(await bench.status('sms', 'open'), 'waiting-children');
    await completeNext(p, 'mail', 'q');
    assert.equal(await bench.status('sms', 'open'), 'waiting');
    await failNext(p, 'mail');
    await bench.counts('sms', { waiting: 2 });
  });

  it('[retry] of a failed parent leaves children alone that did not wait for it any more', async (p, bench) => {
    await p.add('mail', job('p'));
    await p.add('sms', child('strict', ['p'], 'cascade-fail'), child('any', ['p'], 'ignore'));
    await failNext(p, 'mail');
    await p.again('mail', 'p', 'p-2');
    await bench.counts('sms', { waiting: 1, failed: 1 });
    await failNext(p, 'mail');
    await bench.counts('sms', { waiting: 1, failed: 1 });
  });

  it('[retry] of a child waits for the parents that have not finished, and for nothing else', async (p, bench) => {
    await p.add('mail', job('gone'), job('failed'), job('done'), job('open'));
    const parents = ['gone', 'failed', 'done', 'open'];
    await p.add('sms', child('c', parents, 'cascade-fail'), child('d', parents.slice(0, 3), 'cascade-fail'));
    await p.remove('mail', 'gone');
    await failNext(p, 'mail');
    await completeNext(p, 'mail', 'done');
    await bench.counts('sms', { failed: 2 });
    assert.equal((await p.again('sms', 'c', 'c-2')).verdict, 'done');
    assert.equal((await p.again('sms', 'd', 'd-2')).verdict, 'done');
    assert.equal(await bench.status('sms', 'c-2'), 'waiting-children');
    assert.equal(await bench.status('sms', 'd-2'), 'waiting');
    await completeNext(p, 'mail', 'open');
    assert.equal(await bench.status('sms', 'c-2'), 'waiting');
    await bench.counts('sms', { waiting: 2, failed: 2 });
  });

  it('[retry] of a child keeps its policy for the parents that are left', async (p, bench) => {
    await p.add('mail', job('failed'), job('open'));
    await p.add('sms', child('c', ['failed', 'open'], 'cascade-fail'));
    await failNext(p, 'mail');
    await p.again('sms', 'c', 'c-2');
    const { cascaded } = await p.settle('mail', [fail(await p.takeOne('mail'))]);
    assert.deepEqual(ids(cascaded), ['c-2']);
    await bench.counts('sms', { failed: 2 });
  });

  it('[parents] a cascade reaches all descendants, 1 000 levels deep', async (p, bench) => {
    const chain = jobs(LEVELS, {}, '');
    await p.add('mail', job('root'));
    await p.add(
      'mail',
      ...chain.map(({ id }, i) => child(id, [i === 0 ? 'root' : (chain[i - 1]?.id ?? '')], 'cascade-fail')),
    );
    await bench.counts('mail', { waiting: 1, 'waiting-children': LEVELS });
    const { cascaded } = await p.settle('mail', [fail(await p.takeOne('mail'))]);
    await bench.counts('mail', { failed: LEVELS + 1 });
    assert.deepEqual(ids(cascaded).toSorted(), ids(chain));
  });

  it('[parents] a cascade crosses queues, 50 levels deep', async (p, bench) => {
    const at = (level: number): JobRef => ({ queue: `q${level % 3}`, id: `job-${level}` });
    await p.add('q0', job('job-0'));
    for (let level = 1; level <= 50; level += 1) {
      const { queue, id } = at(level);
      await p.add(queue, child(id, [at(level - 1)], 'cascade-fail'));
    }
    const reply = await p.cancel('q0', 'job-0');
    assert.equal(reply.verdict, 'cancelled');
    assert.equal(reply.cascaded.length, 50);
    for (let level = 1; level <= 50; level += 1) {
      assert.equal(await bench.status(at(level).queue, at(level).id), 'failed');
    }
  });

  it('[parents] a chain of 60 levels over three queues runs from end to end', async (p, bench) => {
    const at = (level: number): JobRef => ({ queue: `q${level % 3}`, id: `job-${level}` });
    await p.add('q0', job('job-0'));
    for (let level = 1; level < 60; level += 1) await p.add(at(level).queue, child(at(level).id, [at(level - 1)]));
    for (let level = 0; level < 60; level += 1) await completeNext(p, at(level).queue, at(level).id);
    for (const queue of ['q0', 'q1', 'q2']) await bench.counts(queue, { completed: 20 });
  });

  it('[parents] a job may have 1 000 parents', async (p, bench) => {
    const all = jobs(LEVELS);
    await p.add('mail', ...all);
    const [added] = await p.add('sms', child('c', ids(all)));
    assert.equal(added?.status, 'waiting-children');
    const held = [];
    for (let page = 0; page < 4; page += 1) held.push(...(await p.take('mail', 250)));
    await p.finish('mail', ...held.slice(1).map((one) => complete(one)));
    assert.equal(await bench.status('sms', 'c'), 'waiting-children');
    const [last] = held;
    assert.ok(last);
    await p.finish('mail', complete(last));
    assert.deepEqual((await p.takeOne('sms')).parents, ids(all).map(ref));
  });

  for (const how of ['block', 'cascade-fail'] as const) {
    it(`[parents] a job may have 2 000 children: ${how}`, async (p, bench) => {
      await p.add('mail', job('p'));
      const all = jobs(2 * LEVELS).map(({ id }) => child(id, ['p'], how));
      await p.addGroups('sms', [all.slice(0, LEVELS), all.slice(LEVELS)]);
      await bench.counts('sms', { 'waiting-children': 2 * LEVELS });
      const listed = (await bench.stored('mail', 'p')).children ?? [];
      assert.equal(listed.length, LEVELS);
      const held = await p.takeOne('mail');
      const { cascaded } = await p.settle('mail', [how === 'block' ? complete(held) : fail(held)]);
      assert.equal(cascaded.length, how === 'block' ? 0 : LEVELS);
      await bench.counts('sms', how === 'block' ? { waiting: 2 * LEVELS } : { failed: 2 * LEVELS });
    });
  }

  it('[rule 4] a resent enqueue of linked jobs changes nothing twice', async (p, bench) => {
    await p.add('mail', job('p'));
    const call = p.call('sms');
    const groups = [[child('c', ['p'])], [child('bad', ['nobody'])]];
    const first = await bench.store.enqueue(call, 'sms', groups, bench.at);
    const other = bench.process('other');
    await completeNext(other, 'mail', 'p');
    await completeNext(other, 'sms', 'c');
    await other.add('mail', job('nobody'));
    assert.deepEqual(await bench.store.enqueue(call, 'sms', groups, bench.at), first);
    assert.equal(first[0]?.[0]?.status, 'waiting-children');
    await bench.counts('sms', { completed: 1 });
    assert.deepEqual((await bench.stored('mail', 'p')).children, [{ queue: 'sms', id: 'c' }]);
  });

  it('[rule 4] a resent settle ends a parent once, and reports the same', async (p, bench) => {
    await p.add('mail', job('a'), job('b'));
    await p.add('sms', child('c', ['a']), child('d', ['b'], 'cascade-fail'));
    const [a, b] = await p.take('mail', 2);
    assert.ok(a && b);
    const call = p.call('mail');
    const request = p.settlement('mail', [complete(a), fail(b)]);
    const first = await bench.store.settle(call, request, bench.at);
    await completeNext(bench.process('other'), 'sms', 'c');
    await bench.process('other').again('sms', 'd', 'd-2');
    const again = await bench.store.settle(call, request, bench.at);
    assert.deepEqual(again.verdicts, first.verdicts);
    assert.deepEqual(ids(first.cascaded), ['d']);
    assert.deepEqual(ids(again.cascaded), ['d']);
    await bench.counts('sms', { completed: 1, failed: 1, waiting: 1 });
  });

  it('[rule 4] a resent cancel reports the same and cancels no later job', async (p, bench) => {
    await p.add('mail', job('p'), child('c', ['p'], 'cascade-fail'));
    const call = p.call('mail');
    const first = await bench.admin.cancel(call, 'mail', 'p', 'why', bench.at);
    await bench.process('other').remove('mail', 'p');
    await bench.process('other').add('mail', job('p'));
    assert.deepEqual(await bench.admin.cancel(call, 'mail', 'p', 'why', bench.at), first);
    assert.equal(await bench.status('mail', 'p'), 'waiting');
  });

  for (const queue of ['mail', 'sms']) {
    it(`[parents] an add and the end of its parent at once never strand a job: ${queue}`, async (p, bench) => {
      const [adder, other] = [bench.process('adder'), bench.process('other')];
      for (let round = 0; round < 6; round += 1) {
        await p.add('mail', ...jobs(AT_ONCE, {}, `p-${round}-`));
        const held = await p.take('mail', AT_ONCE);
        await Promise.all(
          held.flatMap((one, i) => {
            const add = adder.add(queue, child(`c-${round}-${i}`, [one.id], i % 3 === 0 ? 'ignore' : 'block'));
            const end = i % 3 === 0 ? other.cancel('mail', one.id) : p.settle('mail', [complete(one)]);
            return i % 2 === 0 ? [add, end] : [end, add];
          }),
        );
        assert.equal((await p.take(queue, 100)).length, AT_ONCE);
      }
      assert.equal((await bench.admin.counts(queue, bench.at)).active, 6 * AT_ONCE);
    });
  }

  it('[parents] parents that settle at once release their child once', async (p, bench) => {
    const queues = ['q0', 'q1', 'q2', 'q3'];
    for (let round = 0; round < 10; round += 1) {
      for (const queue of queues) await p.add(queue, job(`p-${round}`));
      await p.add(
        'mail',
        child(
          `c-${round}`,
          queues.map((queue) => ({ queue, id: `p-${round}` })),
        ),
      );
      const held = await Promise.all(queues.map((queue) => p.takeOne(queue)));
      await Promise.all(queues.map((queue, i) => p.settle(queue, [complete(held[i] ?? { id: '', fence: 0 })])));
      await completeNext(p, 'mail', `c-${round}`);
    }
    await bench.counts('mail', { completed: 10 });
  });

  it('[parents] two chains that cross the same queues in opposite order settle at once', async (p, bench) => {
    await p.add('mail', ...jobs(AT_ONCE, {}, 'a-'));
    await p.add('sms', ...jobs(AT_ONCE, {}, 'b-'));
    for (let i = 0; i < AT_ONCE; i += 1) {
      const n = String(i).padStart(5, '0');
      await p.add('sms', child(`from-mail-${n}`, [`a-${n}`]));
      await p.add('mail', child(`from-sms-${n}`, [{ queue: 'sms', id: `b-${n}` }]));
    }
    const [a, b] = [await p.take('mail', AT_ONCE), await p.take('sms', AT_ONCE)];
    await Promise.all([
      ...a.map((one) => p.settle('mail', [complete(one)])),
      ...b.map((one) => bench.process('other').settle('sms', [complete(one)])),
    ]);
    for (const queue of ['mail', 'sms']) await bench.counts(queue, { completed: AT_ONCE, waiting: AT_ONCE });
  });
});
