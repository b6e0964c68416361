import assert from 'node:assert/strict';
import { complete, ids, job, jobs, keeping, KEEP_NONE, retry } from '../build.js';
import { suite } from '../suite.js';

export const pauseCases = suite('pause', (it) => {
  it('[pause] a paused queue yields nothing, for every process, until resumed', async (p, bench) => {
    await p.add('mail', ...jobs(3));
    assert.equal(await p.pause('mail'), true);
    for (const one of [p, bench.process('other')]) {
      const reply = await one.claim('mail', 10);
      assert.deepEqual(reply.jobs, []);
      assert.equal(reply.paused, true);
    }
    await bench.counts('mail', { waiting: 3 });
    assert.equal(await bench.process('other').resume('mail'), true);
    const reply = await p.claim('mail', 10);
    assert.deepEqual(ids(reply.jobs), ids(jobs(3)));
    assert.equal(reply.paused, false);
  });

  it('[pause] pause and resume are idempotent and say whether they changed anything', async (p) => {
    assert.equal(await p.resume('mail'), false);
    assert.equal(await p.pause('mail'), true);
    assert.equal(await p.pause('mail'), false);
    assert.equal(await p.resume('mail'), true);
    assert.equal(await p.resume('mail'), false);
    assert.equal((await p.claim('mail')).paused, false);
  });

  it('[pause] running jobs go on: they are renewed, noted and settled', async (p, bench) => {
    await p.add('mail', ...jobs(2, {}, ''));
    const [a, b] = await p.take('mail', 2);
    assert.ok(a && b);
    await p.pause('mail');
    assert.deepEqual(await p.extend('mail', [a, b]), ['kept', 'kept']);
    await bench.store.annotate([{ queue: 'mail', id: a.id, fence: a.fence, progress: { percent: 9 } }], bench.at);
    await p.finish('mail', complete(a), retry(b, 0));
    assert.equal((await bench.stored('mail', a.id)).progress?.percent, 9);
    await bench.counts('mail', { completed: 1, waiting: 1 });
    assert.deepEqual(await p.take('mail', 10), []);
  });

  it('[pause] jobs can be added while paused and are handed out in order after', async (p, bench) => {
    await p.add('mail', job('a'));
    await p.pause('mail');
    const [added] = await p.add('mail', job('b'), job('c', { delayMs: 10 }));
    assert.equal(added?.status, 'waiting');
    bench.forward(10);
    assert.deepEqual(await p.take('mail', 10), []);
    await p.resume('mail');
    assert.deepEqual(ids(await p.take('mail', 10)), ['a', 'b', 'c']);
  });

  it('[pause] suspects are not handed out either, nor to a process that runs alone', async (p) => {
    await p.add('mail', job('a'));
    await p.pause('mail');
    assert.deepEqual(await p.take('mail', 10, { alone: true }), []);
  });

  it('[pause] a pause is of one queue', async (p) => {
    await p.add('mail', job('a'));
    await p.add('sms', job('b'));
    await p.pause('mail');
    assert.deepEqual(ids(await p.take('sms')), ['b']);
  });

  it('[pause] in a claim of many queues only the paused one yields nothing', async (p, bench) => {
    await p.add('mail', job('a'));
    await p.add('sms', job('b'));
    await p.pause('mail');
    const replies = await bench.store.claim([p.request('mail', 1), p.request('sms', 1)], bench.at);
    assert.deepEqual(
      replies.map(({ paused, jobs: taken }) => [paused, ids(taken)]),
      [
        [true, []],
        [false, ['b']],
      ],
    );
  });

  it('[pause] a queue can be paused before anything was added', async (p) => {
    await p.pause('mail');
    await p.add('mail', job('a'));
    assert.deepEqual(await p.take('mail'), []);
    await p.resume('mail');
    assert.deepEqual(ids(await p.take('mail')), ['a']);
  });

  it('[pause] a pause outlives an empty queue and obliterate', async (p, bench) => {
    await p.add('mail', job('a'), job('b'));
    await p.finish('mail', complete(await p.takeOne('mail', { policy: keeping({ completed: KEEP_NONE }) })));
    await p.pause('mail');
    await p.obliterate('mail', { limit: 10, force: true });
    await bench.counts('mail', {});
    await p.add('mail', job('c'));
    assert.equal((await p.claim('mail')).paused, true);
    assert.equal(await p.resume('mail'), true);
    assert.deepEqual(ids(await p.take('mail')), ['c']);
  });
});
