import assert from 'node:assert/strict';
import type { Bench } from '../bench.js';
import { child, complete, fail, ids, job, jobs, ref, release, retry, type JobRef } from '../build.js';
import type { Process } from '../process.js';
import { suite } from '../suite.js';

const OTHER: JobRef = { queue: 'sms', id: 'p' };

/** Claims one job of the queue, which must be this one, and completes it. */
export async function completeNext(p: Process, queue: string, id: string): Promise<void> {
  const held = await p.takeOne(queue);
  assert.equal(held.id, id);
  await p.finish(queue, complete(held));
}

/** Claims one job of the queue, which must be this one, and fails it. */
async function failNext(p: Process, queue: string, id: string): Promise<void> {
  const held = await p.takeOne(queue);
  assert.equal(held.id, id);
  await p.finish(queue, fail(held));
}

/** Three jobs of `sms` that have completed, failed and been cancelled. */
async function ended(p: Process, bench: Bench): Promise<void> {
  await p.add('sms', job('completed'), job('failed'), job('cancelled'));
  await completeNext(p, 'sms', 'completed');
  await failNext(p, 'sms', 'failed');
  await p.cancel('sms', 'cancelled');
  await bench.counts('sms', { completed: 1, failed: 1, cancelled: 1 });
}

export const parentCases = suite('parents', (it) => {
  for (const queue of ['mail', 'sms']) {
    const where = queue === 'mail' ? 'the same queue' : 'another queue';

    it(`[parents] a job waits until its parent in ${where} has completed`, async (p, bench) => {
      await p.add(queue, job('p'));
      const [added] = await p.add('mail', child('c', [{ queue, id: 'p' }]));
      assert.equal(added?.created, true);
      assert.equal(added.status, 'waiting-children');
      const held = await p.takeOne(queue);
      assert.equal(held.id, 'p');
      assert.deepEqual(await p.take('mail', 10), []);
      assert.equal(await bench.status('mail', 'c'), 'waiting-children');
      await p.finish(queue, complete(held));
      assert.equal(await bench.status('mail', 'c'), 'waiting');
      assert.deepEqual(ids(await p.take('mail', 10)), ['c']);
    });

    it(`[parents] block: the child of a parent in ${where} that failed goes on waiting`, async (p, bench) => {
      await p.add(queue, job('p'));
      await p.add('mail', child('c', [{ queue, id: 'p' }], 'block'));
      const reply = await p.settle(queue, [fail(await p.takeOne(queue))]);
      assert.deepEqual(reply.cascaded, []);
      assert.equal(await bench.status('mail', 'c'), 'waiting-children');
      assert.deepEqual(await p.take('mail', 10), []);
    });

    it(`[parents] cascade-fail: the child of a parent in ${where} that failed fails at once`, async (p, bench) => {
      await p.add(queue, job('p'));
      await p.add('mail', child('c', [{ queue, id: 'p' }], 'cascade-fail', { name: 'welcome' }));
      bench.forward(50);
      const { cascaded } = await p.settle(queue, [fail(await p.takeOne(queue))]);
      const stored = await bench.stored('mail', 'c');
      assert.equal(stored.status, 'failed');
      assert.equal(stored.error?.code, 'PARENT_FAILED');
      assert.equal(stored.finishedAt, bench.now);
      assert.equal(stored.attempt, 0);
      assert.deepEqual(cascaded, [{ queue: 'mail', id: 'c', name: 'welcome', error: stored.error }]);
      assert.deepEqual(await p.take('mail', 10), []);
    });

    it(`[parents] ignore: the child of a parent in ${where} that failed runs`, async (p, bench) => {
      await p.add(queue, job('p'));
      await p.add('mail', child('c', [{ queue, id: 'p' }], 'ignore'));
      const reply = await p.settle(queue, [fail(await p.takeOne(queue))]);
      assert.deepEqual(reply.cascaded, []);
      assert.equal(await bench.status('mail', 'c'), 'waiting');
      assert.deepEqual(ids(await p.take('mail', 10)), ['c']);
    });
  }

  it('[parents] an attempt that will be repeated or was handed back ends no parent', async (p, bench) => {
    await p.add('mail', job('p'));
    await p.add('sms', child('c', ['p'], 'cascade-fail'));
    await p.finish('mail', retry(await p.takeOne('mail'), 0));
    await p.finish('mail', release(await p.takeOne('mail')));
    assert.equal(await bench.status('sms', 'c'), 'waiting-children');
    await completeNext(p, 'mail', 'p');
    assert.equal(await bench.status('sms', 'c'), 'waiting');
  });

  it('[parents] a job waits for the last of its parents', async (p, bench) => {
    await p.add('mail', job('a'), job('b'));
    await p.add('sms', job('c'));
    await p.add('push', child('child', ['a', 'b', { queue: 'sms', id: 'c' }]));
    await completeNext(p, 'mail', 'a');
    await completeNext(p, 'sms', 'c');
    assert.equal(await bench.status('push', 'child'), 'waiting-children');
    await completeNext(p, 'mail', 'b');
    assert.equal(await bench.status('push', 'child'), 'waiting');
    await bench.counts('push', { waiting: 1 });
  });

  it('[parents] cascade-fail does not wait for the other parents, and they go on', async (p, bench) => {
    await p.add('mail', job('a'), job('b'));
    await p.add('mail', child('c', ['a', 'b'], 'cascade-fail'));
    await failNext(p, 'mail', 'a');
    assert.equal(await bench.status('mail', 'c'), 'failed');
    await completeNext(p, 'mail', 'b');
    await bench.counts('mail', { completed: 1, failed: 2 });
    assert.deepEqual(await p.take('mail', 10), []);
  });

  it('[parents] a parent that fails after another one did changes nothing more', async (p, bench) => {
    await p.add('mail', job('a'), job('b'));
    await p.add('mail', child('c', ['a', 'b'], 'cascade-fail'));
    await failNext(p, 'mail', 'a');
    const before = await bench.stored('mail', 'c');
    bench.forward(100);
    const { cascaded } = await p.settle('mail', [fail(await p.takeOne('mail'))]);
    assert.deepEqual(cascaded, []);
    const after = await bench.stored('mail', 'c');
    assert.deepEqual([after.status, after.finishedAt, after.error], [before.status, before.finishedAt, before.error]);
  });

  it('[parents] parents that settle in one call all count, whatever their outcomes', async (p, bench) => {
    await p.add('mail', ...jobs(3, {}, ''));
    const all = ['00000', '00001', '00002'];
    await p.add('sms', child('done', all.slice(0, 2)), child('mixed', all), child('any', all, 'ignore'));
    await p.add('sms', child('strict', all, 'cascade-fail'));
    const [a, b, c] = await p.take('mail', 3);
    assert.ok(a && b && c);
    const { cascaded } = await p.settle('mail', [complete(a), complete(b), fail(c)]);
    assert.deepEqual(ids(cascaded), ['strict']);
    await bench.counts('sms', { waiting: 2, 'waiting-children': 1, failed: 1 });
    assert.deepEqual(ids(await p.take('sms', 10)).toSorted(), ['any', 'done']);
  });

  it('[parents] an unknown parent refuses the whole group, and nothing of it is added', async (p, bench) => {
    await p.add('mail', job('p'));
    const parent = { queue: 'mail', id: 'nobody' };
    const [bad, good] = await p.addGroups('mail', [
      [job('a'), child('b', ['p', 'nobody']), job('c')],
      [job('d'), child('e', ['p'])],
    ]);
    assert.deepEqual(
      bad?.map(({ created, refused }) => [created, refused]),
      [1, 2, 3].map(() => [false, { why: 'unknown-parent', parent }]),
    );
    assert.deepEqual(
      good?.map(({ id, created, refused }) => [id, created, refused]),
      [
        ['d', true, undefined],
        ['e', true, undefined],
      ],
    );
    for (const id of ['a', 'b', 'c']) assert.equal(await bench.get('mail', id), undefined, id);
    await bench.counts('mail', { waiting: 2, 'waiting-children': 1 });
    assert.deepEqual([...((await bench.stored('mail', 'p')).children ?? [])], [ref('e')]);
  });

  it('[parents] a parent in a queue that nobody used is unknown, and the queue stays unknown', async (p, bench) => {
    const [added] = await p.add('mail', child('c', [OTHER]));
    assert.deepEqual(added?.refused, { why: 'unknown-parent', parent: OTHER });
    assert.equal(await bench.admin.record('sms', bench.at), undefined);
    await bench.counts('mail', {});
  });

  it('[parents] a job is no parent of its own', async (p, bench) => {
    const [added] = await p.add('mail', child('c', ['c']));
    assert.deepEqual(added?.refused, { why: 'unknown-parent', parent: ref('c') });
    await bench.counts('mail', {});
    assert.equal((await p.add('mail', job('c')))[0]?.created, true);
  });

  it('[parents] the same id in another queue is another job', async (p, bench) => {
    await p.add('mail', job('a'));
    await p.add('sms', child('a', ['a']));
    assert.equal(await bench.status('sms', 'a'), 'waiting-children');
    await completeNext(p, 'mail', 'a');
    assert.equal(await bench.status('sms', 'a'), 'waiting');
  });

  it('[parents] one of the same group may be a parent when it stands before, and not when it stands after', async (p, bench) => {
    const [good, bad] = await p.addGroups('mail', [
      [job('a'), child('b', ['a']), child('c', ['b', 'a'])],
      [child('y', ['x']), job('x')],
    ]);
    assert.deepEqual(
      good?.map(({ created, status }) => [created, status]),
      [
        [true, 'waiting'],
        [true, 'waiting-children'],
        [true, 'waiting-children'],
      ],
    );
    assert.ok(bad?.every(({ created, refused }) => !created && refused?.why === 'unknown-parent'));
    for (const id of ['a', 'b', 'c']) await completeNext(p, 'mail', id);
    await bench.counts('mail', { completed: 3 });
  });

  it('[parents] a group of an earlier place in the call may hold the parent', async (p, bench) => {
    await p.addGroups('mail', [[job('a')], [child('b', ['a'])]]);
    await bench.counts('mail', { waiting: 1, 'waiting-children': 1 });
  });

  it('[parents] a job that exists is not linked by a second add, and its parents are not asked for', async (p, bench) => {
    await p.add('mail', job('a'), job('p'));
    const [again] = await p.add('mail', child('a', ['p', 'nobody']));
    assert.equal(again?.created, false);
    assert.equal(again.refused, undefined);
    assert.equal(again.status, 'waiting');
    assert.equal((await bench.stored('mail', 'a')).parents, undefined);
    assert.deepEqual([...((await bench.stored('mail', 'p')).children ?? [])], []);
  });

  it('[parents] a parent that has completed counts at once', async (p, bench) => {
    await ended(p, bench);
    for (const how of ['block', 'cascade-fail', 'ignore'] as const) {
      const [added] = await p.add('mail', child(how, [{ queue: 'sms', id: 'completed' }], how));
      assert.equal(added?.status, 'waiting', how);
    }
    assert.deepEqual(ids(await p.take('mail', 10)), ['block', 'cascade-fail', 'ignore']);
  });

  for (const id of ['failed', 'cancelled']) {
    it(`[parents] a parent that has ${id === 'failed' ? id : 'been cancelled'} before counts by the policy`, async (p, bench) => {
      await ended(p, bench);
      const added = [];
      for (const how of ['block', 'cascade-fail', 'ignore'] as const) {
        added.push(...(await p.add('mail', child(how, [{ queue: 'sms', id }], how))));
      }
      assert.deepEqual(
        added.map(({ created, status }) => [created, status]),
        [
          [true, 'waiting-children'],
          [true, 'failed'],
          [true, 'waiting'],
        ],
      );
      const stored = await bench.stored('mail', 'cascade-fail');
      assert.equal(stored.error?.code, 'PARENT_FAILED');
      assert.equal(stored.finishedAt, bench.now);
      await bench.counts('mail', { waiting: 1, 'waiting-children': 1, failed: 1 });
      assert.deepEqual(ids(await p.take('mail', 10)), ['ignore']);
    });
  }

  it('[parents] a job that is added as failed fails its own dependants, in the same group too', async (p, bench) => {
    await ended(p, bench);
    const added = await p.add(
      'mail',
      child('a', [{ queue: 'sms', id: 'failed' }], 'cascade-fail'),
      child('b', ['a'], 'cascade-fail'),
      child('c', ['b'], 'ignore'),
      child('d', ['b'], 'block'),
    );
    assert.deepEqual(
      added.map(({ status }) => status),
      ['failed', 'failed', 'waiting', 'waiting-children'],
    );
    await bench.counts('mail', { failed: 2, waiting: 1, 'waiting-children': 1 });
  });

  it('[parents] some parents done before, some to come', async (p, bench) => {
    await ended(p, bench);
    await p.add('mail', job('p'));
    await p.add('mail', child('c', [{ queue: 'sms', id: 'completed' }, 'p']));
    await p.add('mail', child('d', [{ queue: 'sms', id: 'failed' }, 'p'], 'ignore'));
    await bench.counts('mail', { waiting: 1, 'waiting-children': 2 });
    await completeNext(p, 'mail', 'p');
    assert.deepEqual(ids(await p.take('mail', 10)).toSorted(), ['c', 'd']);
  });

  it('[parents] the child of a diamond runs once', async (p, bench) => {
    await p.add('mail', job('top'), child('left', ['top']), child('right', ['top']));
    await p.add('sms', child('bottom', ['left', 'right']));
    await completeNext(p, 'mail', 'top');
    const sides = await p.take('mail', 10);
    assert.deepEqual(ids(sides).toSorted(), ['left', 'right']);
    assert.deepEqual(await p.take('sms', 10), []);
    await p.finish('mail', ...sides.map((side) => complete(side)));
    await bench.counts('sms', { waiting: 1 });
    await completeNext(p, 'sms', 'bottom');
    assert.deepEqual(await p.take('sms', 10), []);
    await bench.counts('sms', { completed: 1 });
  });

  it('[parents] the bottom of a diamond fails once when its top fails', async (p, bench) => {
    await p.add('mail', job('top'));
    for (const side of ['left', 'right']) await p.add('mail', child(side, ['top'], 'cascade-fail'));
    await p.add('sms', child('bottom', ['left', 'right'], 'cascade-fail'));
    const { cascaded } = await p.settle('mail', [fail(await p.takeOne('mail'))]);
    assert.deepEqual(ids(cascaded).toSorted(), ['bottom', 'left', 'right']);
    await bench.counts('mail', { failed: 3 });
    await bench.counts('sms', { failed: 1 });
  });

  it('[parents] a claim names the parents in the order of the links', async (p) => {
    await p.add('mail', job('b'), job('a'));
    await p.add('sms', job('p'));
    const refs = ['a', OTHER, 'b'].map(ref);
    await p.add('mail', child('c', refs), job('alone'));
    for (const id of ['b', 'a']) await completeNext(p, 'mail', id);
    await completeNext(p, 'sms', 'p');
    const [alone, held] = await p.take('mail', 2);
    assert.equal(alone?.id, 'alone');
    assert.equal(alone.parents, undefined);
    assert.deepEqual(held?.parents, refs);
    await p.finish('mail', retry(held, 0));
    assert.deepEqual((await p.takeOne('mail')).parents, refs);
  });

  it('[parents] a resent claim names the parents, too', async (p, bench) => {
    await p.add('mail', job('p'), child('c', ['p']));
    await completeNext(p, 'mail', 'p');
    const request = p.request('mail', 1);
    const [first] = await bench.store.claim([request], bench.at);
    const [again] = await bench.store.claim([request], bench.at);
    assert.deepEqual(first?.jobs[0]?.parents, [ref('p')]);
    assert.deepEqual(again?.jobs, first?.jobs);
  });

  it('[parents] the records of parent and child name each other', async (p, bench) => {
    await p.add('sms', job('p'));
    await p.add('mail', job('a'), child('b', ['a', OTHER]), child('c', [OTHER, 'b']));
    const parents = async (id: string): Promise<unknown> => (await bench.stored('mail', id)).parents;
    assert.equal(await parents('a'), undefined);
    assert.deepEqual(await parents('b'), [ref('a'), OTHER]);
    assert.deepEqual(await parents('c'), [OTHER, ref('b')]);
    const children = (await bench.stored('sms', 'p')).children ?? [];
    assert.deepEqual(
      children.toSorted((x, y) => (x.id < y.id ? -1 : 1)),
      [ref('b'), ref('c')],
    );
    assert.deepEqual((await bench.stored('mail', 'a')).children, [ref('b')]);
    await completeNext(p, 'mail', 'a');
    await completeNext(p, 'sms', 'p');
    assert.deepEqual(await parents('b'), [ref('a'), OTHER]);
    assert.deepEqual((await bench.stored('mail', 'a')).children, [ref('b')]);
    assert.deepEqual(ids(await bench.list('mail', 'waiting')), ['b']);
    assert.deepEqual((await bench.list('mail', 'waiting'))[0]?.parents, [ref('a'), OTHER]);
  });
});
