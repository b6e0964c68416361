import assert from 'node:assert/strict';
import { complete, fail, ids, job, jobs, LEASE_MS, retry, storedError } from '../build.js';
import { suite } from '../suite.js';

export const changeCases = suite('change', (it) => {
  it('[remove] deletes a job in every state but a running one', async (p, bench) => {
    await p.add('mail', job('active'), job('completed'), job('failed'));
    const [, completed, failed] = await p.take('mail', 3);
    assert.ok(completed && failed);
    await p.finish('mail', complete(completed), fail(failed));
    await p.add('mail', job('waiting'), job('cancelled'), job('delayed', { delayMs: 1_000 }));
    await p.cancel('mail', 'cancelled');
    for (const id of ['waiting', 'delayed', 'completed', 'failed', 'cancelled']) {
      assert.deepEqual(await p.remove('mail', id), { verdict: 'done' }, id);
      assert.equal(await bench.get('mail', id), undefined, id);
    }
    assert.deepEqual(await p.remove('mail', 'active'), { verdict: 'refused', status: 'active' });
    await bench.counts('mail', { active: 1 });
    bench.forward(1_000);
    assert.deepEqual(await p.take('mail', 10), []);
  });

  it('[remove] an unknown job is unknown', async (p, bench) => {
    await p.add('mail', job('a'));
    assert.deepEqual(await p.remove('mail', 'nobody'), { verdict: 'unknown' });
    assert.deepEqual(await p.remove('unused', 'a'), { verdict: 'unknown' });
    await p.remove('mail', 'a');
    assert.deepEqual(await p.remove('mail', 'a'), { verdict: 'unknown' });
    await bench.counts('mail', {});
  });

  it('[promote] makes a delayed job ready now', async (p, bench) => {
    await p.add('mail', job('a', { delayMs: 60_000 }), job('b', { delayMs: 30_000 }));
    bench.forward(1_000);
    assert.deepEqual(await p.promote('mail', 'a'), { verdict: 'done' });
    const stored = await bench.stored('mail', 'a');
    assert.equal(stored.status, 'waiting');
    assert.equal(stored.runAt, bench.now);
    assert.ok(stored.timeline.some(({ event }) => event === 'promoted'));
    await bench.counts('mail', { waiting: 1, delayed: 1 });
    assert.deepEqual(ids(await p.take('mail', 10)), ['a']);
  });

  it('[promote] a promoted job is not promoted a second time when it was due', async (p, bench) => {
    await p.add('mail', job('a', { delayMs: 1_000 }));
    await p.promote('mail', 'a');
    await p.finish('mail', complete(await p.takeOne('mail')));
    bench.forward(1_000);
    const reply = await p.claim('mail', 10);
    assert.deepEqual(reply.jobs, []);
    assert.equal(reply.nextDueMs, undefined);
    await bench.counts('mail', { completed: 1 });
  });

  it('[promote] a job that waits for its retry can be promoted and keeps its attempts', async (p) => {
    await p.add('mail', job('a'));
    await p.finish('mail', retry(await p.takeOne('mail'), 60_000));
    assert.deepEqual(await p.promote('mail', 'a'), { verdict: 'done' });
    assert.equal((await p.takeOne('mail')).attempt, 2);
  });

  it('[promote] in any other state it is refused, and the answer names the state', async (p) => {
    await p.add('mail', job('done'), job('active'), job('waiting'));
    const [done] = await p.take('mail', 2);
    assert.ok(done);
    await p.finish('mail', complete(done));
    assert.deepEqual(await p.promote('mail', 'done'), { verdict: 'refused', status: 'completed' });
    assert.deepEqual(await p.promote('mail', 'active'), { verdict: 'refused', status: 'active' });
    assert.deepEqual(await p.promote('mail', 'waiting'), { verdict: 'refused', status: 'waiting' });
    assert.deepEqual(await p.promote('mail', 'nobody'), { verdict: 'unknown' });
  });

  it('[changeDelay] moves a delayed job forward and back, counted from now', async (p, bench) => {
    await p.add('mail', job('a', { delayMs: 1_000 }), job('b', { delayMs: 60_000 }));
    bench.forward(500);
    assert.deepEqual(await p.changeDelay('mail', 'a', 10_000), { verdict: 'done' });
    assert.deepEqual(await p.changeDelay('mail', 'b', 2_000), { verdict: 'done' });
    const stored = await bench.stored('mail', 'a');
    assert.equal(stored.runAt, bench.now + 10_000);
    assert.ok(stored.timeline.some(({ event }) => event === 'rescheduled'));
    bench.forward(1_999);
    assert.deepEqual(await p.take('mail', 10), []);
    bench.forward(1);
    assert.deepEqual(ids(await p.take('mail', 10)), ['b']);
    bench.forward(7_999);
    assert.deepEqual(await p.take('mail', 10), []);
    bench.forward(1);
    assert.deepEqual(ids(await p.take('mail', 10)), ['a']);
  });

  it('[changeDelay] delays a waiting job, and 0 makes a delayed one ready', async (p, bench) => {
    await p.add('mail', job('a'), job('b', { delayMs: 60_000 }));
    await p.changeDelay('mail', 'a', 1_000);
    await p.changeDelay('mail', 'b', 0);
    await bench.counts('mail', { waiting: 1, delayed: 1 });
    assert.equal(await bench.status('mail', 'a'), 'delayed');
    assert.deepEqual(ids(await p.take('mail', 10)), ['b']);
    bench.forward(1_000);
    assert.deepEqual(ids(await p.take('mail', 10)), ['a']);
  });

  it('[changeDelay] a running or finished job is refused, an unknown one unknown', async (p, bench) => {
    await p.add('mail', job('done'), job('active'));
    const [done] = await p.take('mail', 2);
    assert.ok(done);
    await p.finish('mail', complete(done));
    assert.deepEqual(await p.changeDelay('mail', 'done', 5), { verdict: 'refused', status: 'completed' });
    assert.deepEqual(await p.changeDelay('mail', 'active', 5), { verdict: 'refused', status: 'active' });
    assert.deepEqual(await p.changeDelay('mail', 'nobody', 5), { verdict: 'unknown' });
    await bench.counts('mail', { completed: 1, active: 1 });
  });

  it('[changePriority] is kept on the record, also on a fifo queue', async (p, bench) => {
    await p.add('mail', job('a', { priority: 1 }));
    assert.deepEqual(await p.changePriority('mail', 'a', 2_097_152), { verdict: 'done' });
    assert.equal((await bench.stored('mail', 'a')).priority, 2_097_152);
    assert.equal((await p.takeOne('mail')).priority, 2_097_152);
  });

  it('[changePriority] outlives a retry, a release and a stall', async (p, bench) => {
    await p.declare('mail', { strategy: 'priority' });
    await p.add('mail', job('a', { priority: 9 }), job('b', { priority: 5 }));
    await p.changePriority('mail', 'a', 1);
    await p.finish('mail', retry(await p.takeOne('mail'), 10));
    bench.forward(10);
    assert.equal((await p.takeOne('mail')).id, 'a');
    bench.forward(LEASE_MS);
    assert.deepEqual(
      (await p.take('mail', 10)).map(({ id, priority }) => [id, priority]),
      [
        ['a', 1],
        ['b', 5],
      ],
    );
  });

  it('[changePriority] a running or finished job is refused, an unknown one unknown', async (p) => {
    await p.add('mail', job('done'), job('active'));
    const [done] = await p.take('mail', 2);
    assert.ok(done);
    await p.finish('mail', complete(done));
    assert.deepEqual(await p.changePriority('mail', 'done', 5), { verdict: 'refused', status: 'completed' });
    assert.deepEqual(await p.changePriority('mail', 'active', 5), { verdict: 'refused', status: 'active' });
    assert.deepEqual(await p.changePriority('mail', 'nobody', 5), { verdict: 'unknown' });
  });

  it('[retry] adds a new job with the payload of the old one, and both name each other', async (p, bench) => {
    const meta = { job: { attempts: 4 }, tags: ['x'], correlationId: 'c-1' };
    await p.add('mail', job('a', { name: 'welcome', data: '{"n":[]}', meta, priority: 6 }));
    const note = { progress: { percent: 80 }, logs: [{ at: 1, level: 'info' as const, message: 'old' }] };
    await p.finish('mail', retry(await p.takeOne('mail'), 0));
    await p.finish('mail', fail(await p.takeOne('mail'), { error: storedError('no'), note }));
    bench.forward(1_000);
    assert.deepEqual(await p.again('mail', 'a', 'a-2'), { verdict: 'done', id: 'a-2' });
    const old = await bench.stored('mail', 'a');
    assert.equal(old.status, 'failed');
    assert.equal(old.retriedById, 'a-2');
    const fresh = await bench.stored('mail', 'a-2');
    assert.equal(fresh.retriedFromId, 'a');
    assert.equal(fresh.retriedById, undefined);
    assert.equal(fresh.status, 'waiting');
    assert.equal(fresh.name, 'welcome');
    assert.equal(fresh.data, '{"n":[]}');
    assert.deepEqual(fresh.meta, meta);
    assert.equal(fresh.priority, 6);
    assert.equal(fresh.attempt, 0);
    assert.equal(fresh.createdAt, bench.now);
    assert.equal(fresh.error, undefined);
    assert.equal(fresh.progress, undefined);
    assert.deepEqual([...fresh.logs], []);
    await bench.counts('mail', { failed: 1, waiting: 1 });
    const held = await p.takeOne('mail');
    assert.equal(held.id, 'a-2');
    assert.equal(held.attempt, 1);
    assert.equal(held.data, '{"n":[]}');
  });

  it('[retry] goes behind what waits', async (p) => {
    await p.add('mail', job('a'), job('b'));
    await p.finish('mail', fail(await p.takeOne('mail')));
    await p.again('mail', 'a', 'a-2');
    assert.deepEqual(ids(await p.take('mail', 10)), ['b', 'a-2']);
  });

  it('[retry] a payload that was undefined stays undefined', async (p) => {
    await p.add('mail', job('a'));
    await p.finish('mail', fail(await p.takeOne('mail')));
    await p.again('mail', 'a', 'a-2');
    assert.equal((await p.takeOne('mail')).data, undefined);
  });

  it('[retry] a second time is refused, and the answer names the job that was made', async (p, bench) => {
    await p.add('mail', job('a'));
    await p.finish('mail', fail(await p.takeOne('mail')));
    await p.again('mail', 'a', 'a-2');
    assert.deepEqual(await p.again('mail', 'a', 'a-3'), { verdict: 'refused', status: 'failed', retriedById: 'a-2' });
    await bench.counts('mail', { failed: 1, waiting: 1 });
    assert.equal(await bench.get('mail', 'a-3'), undefined);
  });

  it('[retry] an id that is taken is refused, and the job that has it stays as it is', async (p, bench) => {
    await p.add('mail', job('a'), job('b', { data: '"b"' }));
    await p.finish('mail', fail(await p.takeOne('mail')));
    assert.equal((await p.again('mail', 'a', 'b')).verdict, 'refused');
    assert.equal((await p.again('mail', 'a', 'a')).verdict, 'refused');
    await bench.counts('mail', { waiting: 1, failed: 1 });
    assert.equal((await bench.stored('mail', 'b')).data, '"b"');
  });

  it('[retry] only from the states that the caller allows', async (p, bench) => {
    await p.add('mail', job('done'), job('active'), job('waiting'));
    const [done] = await p.take('mail', 2);
    assert.ok(done);
    await p.finish('mail', complete(done));
    for (const [id, status] of [
      ['done', 'completed'],
      ['active', 'active'],
      ['waiting', 'waiting'],
    ] as const) {
      const reply = await p.again('mail', id, `${id}-2`, ['failed']);
      assert.equal(reply.verdict, 'refused', id);
      assert.equal(reply.status, status);
      assert.equal(reply.retriedById, undefined);
    }
    assert.deepEqual(await p.again('mail', 'nobody', 'x'), { verdict: 'unknown' });
    await bench.counts('mail', { completed: 1, active: 1, waiting: 1 });
    assert.equal((await p.again('mail', 'done', 'done-2', ['completed', 'failed', 'cancelled'])).verdict, 'done');
    await bench.counts('mail', { completed: 1, active: 1, waiting: 2 });
  });

  it('[obliterate] deletes in bounded steps, spares running jobs and says how many it deleted', async (p, bench) => {
    await p.add('mail', ...jobs(10));
    const [active, done, failed] = await p.take('mail', 3);
    assert.ok(active && done && failed);
    await p.finish('mail', complete(done), fail(failed));
    await p.add('mail', job('delayed', { delayMs: 1_000 }));
    await p.cancel('mail', 'job-00009');
    const deleted: number[] = [];
    for (let step = 0; step < 5; step += 1) deleted.push(await p.obliterate('mail', { limit: 4 }));
    assert.deepEqual(deleted, [4, 4, 2, 0, 0]);
    await bench.counts('mail', { active: 1 });
    await p.finish('mail', complete(active));
    await bench.counts('mail', { completed: 1 });
  });

  it('[obliterate] with force deletes running jobs, too, and their owners are told lost', async (p, bench) => {
    await p.add('mail', ...jobs(3));
    const held = await p.take('mail', 2);
    assert.equal(await p.obliterate('mail', { limit: 10, force: true }), 3);
    await bench.counts('mail', {});
    assert.deepEqual(await p.extend('mail', held), ['lost', 'lost']);
    const { verdicts } = await p.settle(
      'mail',
      held.map((one) => complete(one)),
    );
    assert.deepEqual(verdicts, ['lost', 'lost']);
    await bench.counts('mail', {});
    bench.forward(LEASE_MS);
    assert.deepEqual(await bench.sweep(), []);
  });

  it('[obliterate] leaves other queues alone, and an unknown queue has nothing to delete', async (p, bench) => {
    await p.add('mail', job('a'));
    await p.add('mail:2', job('a'));
    assert.equal(await p.obliterate('unused'), 0);
    assert.equal(await p.obliterate('mail'), 1);
    await bench.counts('mail:2', { waiting: 1 });
  });

  it('[obliterate] the queue can be used at once, ids are free again', async (p, bench) => {
    await p.add('mail', job('a', { data: '1' }), job('b', { delayMs: 10 }));
    await p.obliterate('mail');
    const again = await p.add('mail', job('a', { data: '2' }), job('b'));
    assert.ok(again.every(({ created }) => created));
    bench.forward(10);
    assert.deepEqual(
      (await p.take('mail', 10)).map(({ id, data }) => [id, data]),
      [
        ['a', '2'],
        ['b', undefined],
      ],
    );
  });
});
