import assert from 'node:assert/strict';
import { complete, ids, job, jobs, LEASE_MS, release, retry } from '../build.js';
import { suite } from '../suite.js';

export const leaseCases = suite('lease', (it) => {
  it('[lease] a lease is not taken back before it ends, and is as soon as it ends', async (p, bench) => {
    await p.add('mail', job('a'));
    await p.takeOne('mail', { leaseMs: 5_000 });
    bench.forward(4_999);
    assert.deepEqual(await bench.sweep(['mail']), []);
    assert.equal(await bench.status('mail', 'a'), 'active');
    bench.forward(1);
    assert.deepEqual(ids(await bench.sweep(['mail'])), ['a']);
    assert.equal(await bench.status('mail', 'a'), 'waiting');
  });

  it('[lease] extend renews from the time of the store', async (p, bench) => {
    await p.add('mail', job('a'));
    const held = await p.takeOne('mail', { leaseMs: 5_000 });
    bench.forward(4_000);
    assert.deepEqual(await p.extend('mail', [held], 5_000), ['kept']);
    bench.forward(4_999);
    assert.deepEqual(await bench.sweep(['mail']), []);
    bench.forward(1);
    assert.deepEqual(ids(await bench.sweep(['mail'])), ['a']);
  });

  it('[lease] a job that is renewed again and again never stalls', async (p, bench) => {
    await p.add('mail', job('a'));
    const held = await p.takeOne('mail', { leaseMs: 3_000 });
    for (let beat = 0; beat < 20; beat += 1) {
      bench.forward(2_000);
      assert.deepEqual(await p.extend('mail', [held], 3_000), ['kept']);
      assert.deepEqual(await bench.sweep(), []);
      assert.deepEqual(await bench.process('other').take('mail', 10), []);
    }
    await p.finish('mail', complete(held));
    assert.equal((await bench.stored('mail', 'a')).stalledCount, 0);
  });

  it('[lease] many leases are renewed in one call, and each is answered in order', async (p, bench) => {
    await p.add('mail', ...jobs(4, {}, ''));
    const [kept, done, stopped, alsoKept] = await p.take('mail', 4);
    assert.ok(kept && done && stopped && alsoKept);
    await p.finish('mail', complete(done));
    await p.cancel('mail', stopped.id);
    const unknown = { id: 'nobody', fence: kept.fence };
    assert.deepEqual(await p.extend('mail', [alsoKept, done, unknown, stopped, kept]), [
      'kept',
      'lost',
      'lost',
      'cancelled',
      'kept',
    ]);
    bench.forward(LEASE_MS - 1);
    assert.deepEqual(await bench.sweep(), []);
  });

  it('[lease] one call renews leases of many queues', async (p, bench) => {
    await p.add('mail', job('a'));
    await p.add('sms', job('b'));
    const mail = await p.takeOne('mail');
    const sms = await p.takeOne('sms');
    bench.forward(LEASE_MS - 1);
    const leases = [
      { queue: 'sms', id: 'b', fence: sms.fence, leaseMs: LEASE_MS },
      { queue: 'unknown', id: 'a', fence: mail.fence, leaseMs: LEASE_MS },
      { queue: 'mail', id: 'a', fence: mail.fence, leaseMs: LEASE_MS },
    ];
    assert.deepEqual(await bench.store.extend(leases, bench.at), ['kept', 'lost', 'kept']);
    bench.forward(LEASE_MS - 1);
    assert.deepEqual(await bench.sweep(), []);
  });

  it('[lease] 1 000 leases are renewed in one call', async (p, bench) => {
    await p.add('mail', ...jobs(1_000));
    const held = await p.take('mail', 1_000);
    bench.forward(LEASE_MS - 1);
    const verdicts = await p.extend('mail', held);
    assert.equal(verdicts.length, 1_000);
    assert.ok(verdicts.every((verdict) => verdict === 'kept'));
    bench.forward(LEASE_MS - 1);
    assert.deepEqual(await bench.sweep(), []);
  });

  it('[lease] nothing to renew is answered with nothing', async (_p, bench) => {
    assert.deepEqual(await bench.store.extend([], bench.at), []);
  });

  it('[lease] a lease that ended in any way is lost', async (p, bench) => {
    await p.add('mail', ...jobs(4, {}, ''));
    const held = await p.take('mail', 4);
    const [done, again, handedBack, handedBackLater] = held;
    assert.ok(done && again && handedBack && handedBackLater);
    const outcomes = [complete(done), retry(again, 0), release(handedBack), release(handedBackLater, 1_000)];
    await p.finish('mail', ...outcomes);
    assert.deepEqual(await p.extend('mail', held), ['lost', 'lost', 'lost', 'lost']);
    await bench.counts('mail', { completed: 1, waiting: 2, delayed: 1 });
  });

  it('[lease] past its end and not taken back yet, a lease can still be renewed', async (p, bench) => {
    await p.add('mail', job('a'));
    const held = await p.takeOne('mail');
    bench.forward(LEASE_MS + 10_000);
    assert.deepEqual(await p.extend('mail', [held]), ['kept']);
    assert.deepEqual(await bench.sweep(), []);
  });

  it('[lease] past its end and not taken back yet, a lease can still be settled', async (p, bench) => {
    await p.add('mail', job('a'));
    const held = await p.takeOne('mail');
    bench.forward(LEASE_MS + 10_000);
    await p.finish('mail', complete(held, { result: '1' }));
    assert.equal(await bench.status('mail', 'a'), 'completed');
    assert.deepEqual(await bench.sweep(), []);
  });

  it('[lease] the settle that comes with a claim goes before that claim takes back expired leases', async (p, bench) => {
    await p.add('mail', job('a'));
    const held = await p.takeOne('mail');
    bench.forward(LEASE_MS);
    const reply = await p.settle('mail', [complete(held)], { count: 1 });
    assert.deepEqual(reply.verdicts, ['settled']);
    assert.deepEqual(reply.claim?.jobs, []);
    assert.deepEqual(reply.claim?.swept, []);
  });

  it('[rule 9] nextDueMs counts the next lease that ends', async (p, bench) => {
    const other = bench.process('other');
    await p.add('mail', job('a'), job('b'));
    const held = await p.takeOne('mail', { leaseMs: 9_000 });
    await p.takeOne('mail', { leaseMs: 20_000 });
    bench.forward(1_000);
    assert.equal((await other.claim('mail')).nextDueMs, 8_000);
    await p.extend('mail', [held], 30_000);
    assert.equal((await other.claim('mail')).nextDueMs, 19_000);
  });

  it('[rule 9] waiting for nextDueMs is enough to get a job whose lease ended', async (p, bench) => {
    const other = bench.process('other');
    await p.add('mail', job('a'));
    await p.takeOne('mail', { leaseMs: 7_777 });
    bench.forward(1_111);
    const { nextDueMs } = await other.claim('mail');
    assert.ok(nextDueMs !== undefined);
    bench.forward(nextDueMs);
    assert.deepEqual(ids(await other.take('mail')), ['a']);
  });
});
