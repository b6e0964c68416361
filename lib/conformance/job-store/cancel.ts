import assert from 'node:assert/strict';
import { complete, fail, ids, job, jobs, LEASE_MS, release, retry } from '../build.js';
import { suite } from '../suite.js';

export const cancelCases = suite('cancel', (it) => {
  it('[cancel] a waiting job becomes a tombstone with its reason, and is never handed out', async (p, bench) => {
    await p.add('mail', job('a', { data: '1' }), job('b'));
    bench.forward(500);
    assert.deepEqual(await p.cancel('mail', 'a', 'not needed'), {
      verdict: 'cancelled',
      from: 'waiting',
      cascaded: [],
    });
    const stored = await bench.stored('mail', 'a');
    assert.equal(stored.status, 'cancelled');
    assert.equal(stored.reason, 'not needed');
    assert.equal(stored.finishedAt, bench.now);
    assert.equal(stored.data, '1');
    await bench.counts('mail', { waiting: 1, cancelled: 1 });
    assert.deepEqual(ids(await p.take('mail', 10)), ['b']);
  });

  it('[cancel] a reason that is not given is absent', async (p, bench) => {
    await p.add('mail', job('a'));
    await p.cancel('mail', 'a');
    assert.equal((await bench.stored('mail', 'a')).reason, undefined);
  });

  it('[cancel] a delayed job is never promoted', async (p, bench) => {
    await p.add('mail', job('a', { delayMs: 1_000 }));
    assert.deepEqual(await p.cancel('mail', 'a'), { verdict: 'cancelled', from: 'delayed', cascaded: [] });
    bench.forward(1_000);
    const reply = await p.claim('mail', 10);
    assert.deepEqual(reply.jobs, []);
    assert.equal(reply.nextDueMs, undefined);
    await bench.counts('mail', { cancelled: 1 });
  });

  it('[cancel] of a running job the answer names the owner and its fence', async (p, bench) => {
    await p.add('mail', job('a'));
    const held = await p.takeOne('mail', { owner: 'host-1' });
    assert.deepEqual(await bench.process('admin').cancel('mail', 'a', 'stop'), {
      verdict: 'cancelled',
      from: 'active',
      owner: 'host-1',
      fence: held.fence,
      cascaded: [],
    });
    await bench.counts('mail', { cancelled: 1 });
  });

  it('[cancel] the owner of a cancelled job learns it from extend, and settles nothing', async (p, bench) => {
    await p.add('mail', ...jobs(4, {}, ''));
    const held = await p.take('mail', 4);
    for (const { id } of held) await p.cancel('mail', id, 'stop');
    assert.deepEqual(await p.extend('mail', held), ['cancelled', 'cancelled', 'cancelled', 'cancelled']);
    const [a, b, c, d] = held;
    assert.ok(a && b && c && d);
    const { verdicts } = await p.settle('mail', [complete(a, { result: '1' }), fail(b), retry(c, 0), release(d)]);
    assert.deepEqual(verdicts, ['lost', 'lost', 'lost', 'lost']);
    await bench.counts('mail', { cancelled: 4 });
    for (const { id } of held) {
      const stored = await bench.stored('mail', id);
      assert.equal(stored.status, 'cancelled');
      assert.equal(stored.reason, 'stop');
      assert.equal(stored.result, undefined);
    }
    assert.deepEqual(await p.take('mail', 10), []);
  });

  it('[cancel] the lease of a cancelled job does not stall it later', async (p, bench) => {
    await p.add('mail', job('a'));
    await p.takeOne('mail');
    await p.cancel('mail', 'a');
    bench.forward(LEASE_MS * 2);
    assert.deepEqual(await bench.sweep(), []);
    const reply = await p.claim('mail', 10);
    assert.deepEqual(reply.swept, []);
    assert.deepEqual(reply.jobs, []);
    assert.equal(reply.nextDueMs, undefined);
  });

  it('[cancel] an earlier owner of a cancelled job is told that its lease is lost', async (p, bench) => {
    await p.add('mail', job('a'));
    const stale = await p.takeOne('mail');
    bench.forward(LEASE_MS);
    await bench.process('other').takeOne('mail');
    await p.cancel('mail', 'a');
    assert.deepEqual(await p.extend('mail', [stale]), ['lost']);
  });

  it('[cancel] a job between two attempts can be cancelled', async (p, bench) => {
    await p.add('mail', job('a'));
    await p.finish('mail', retry(await p.takeOne('mail'), 1_000));
    assert.deepEqual(await p.cancel('mail', 'a'), { verdict: 'cancelled', from: 'delayed', cascaded: [] });
    const stored = await bench.stored('mail', 'a');
    assert.equal(stored.attempt, 1);
    assert.equal(stored.error?.message, 'try again');
  });

  it('[cancel] an unknown job is a no-op that says so', async (p, bench) => {
    await p.add('mail', job('a'));
    assert.deepEqual(await p.cancel('mail', 'nobody', 'x'), { verdict: 'unknown' });
    assert.deepEqual(await p.cancel('unused', 'a', 'x'), { verdict: 'unknown' });
    assert.equal(await bench.get('mail', 'nobody'), undefined);
    await bench.counts('mail', { waiting: 1 });
  });

  it('[cancel] a finished job stays as it is, and the answer says what it is', async (p, bench) => {
    await p.add('mail', ...jobs(3, {}, ''));
    const [done, failed] = await p.take('mail', 2);
    assert.ok(done && failed);
    await p.finish('mail', complete(done, { result: '1' }), fail(failed));
    await p.cancel('mail', '00002', 'first');
    const before = await Promise.all(['00000', '00001', '00002'].map((id) => bench.stored('mail', id)));
    bench.forward(1_000);
    assert.deepEqual(await p.cancel('mail', '00000', 'x'), { verdict: 'finished', status: 'completed' });
    assert.deepEqual(await p.cancel('mail', '00001', 'x'), { verdict: 'finished', status: 'failed' });
    assert.deepEqual(await p.cancel('mail', '00002', 'x'), { verdict: 'finished', status: 'cancelled' });
    assert.deepEqual(await Promise.all(['00000', '00001', '00002'].map((id) => bench.stored('mail', id))), before);
    await bench.counts('mail', { completed: 1, failed: 1, cancelled: 1 });
  });

  it('[cancel] a job can be cancelled while its queue is paused', async (p, bench) => {
    await p.add('mail', job('a'));
    await p.pause('mail');
    assert.equal((await p.cancel('mail', 'a')).verdict, 'cancelled');
    await p.resume('mail');
    assert.deepEqual(await p.take('mail'), []);
    await bench.counts('mail', { cancelled: 1 });
  });

  it('[cancel] the id of a tombstone is taken until the tombstone is removed', async (p) => {
    await p.add('mail', job('a'));
    await p.cancel('mail', 'a');
    const [taken] = await p.add('mail', job('a'));
    assert.equal(taken?.created, false);
    assert.equal(taken.status, 'cancelled');
    await p.remove('mail', 'a');
    assert.equal((await p.add('mail', job('a')))[0]?.created, true);
  });
});
