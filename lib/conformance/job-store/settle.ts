import assert from 'node:assert/strict';
import { complete, fail, ids, job, jobs, LEASE_MS, release, retry, storedError } from '../build.js';
import { suite } from '../suite.js';

export const settleCases = suite('settle', (it) => {
  it('[settle] complete stores the result and the finish time', async (p, bench) => {
    await p.add('mail', job('a'));
    const held = await p.takeOne('mail');
    bench.forward(250);
    const reply = await p.settle('mail', [complete(held, { result: '{"ok":[]}' })]);
    assert.deepEqual(reply.verdicts, ['settled']);
    assert.equal(reply.now, bench.now);
    assert.equal(reply.claim, undefined);
    const stored = await bench.stored('mail', 'a');
    assert.equal(stored.status, 'completed');
    assert.equal(stored.result, '{"ok":[]}');
    assert.equal(stored.finishedAt, bench.now);
    assert.equal(stored.attempt, 1);
    await bench.counts('mail', { completed: 1 });
  });

  it('[settle] complete without a result leaves it absent', async (p, bench) => {
    await p.add('mail', job('a'));
    await p.finish('mail', complete(await p.takeOne('mail')));
    assert.equal((await bench.stored('mail', 'a')).result, undefined);
  });

  it('[settle] fail stores the error and the finish time', async (p, bench) => {
    await p.add('mail', job('a'));
    const held = await p.takeOne('mail');
    bench.forward(250);
    await p.finish('mail', fail(held, { error: storedError('no', { code: 'E_NO' }) }));
    const stored = await bench.stored('mail', 'a');
    assert.equal(stored.status, 'failed');
    assert.equal(stored.error?.message, 'no');
    assert.equal(stored.error.code, 'E_NO');
    assert.equal(stored.finishedAt, bench.now);
    await bench.counts('mail', { failed: 1 });
  });

  it('[settle] retry delays the job, counts the attempt and keeps its error', async (p, bench) => {
    await p.add('mail', job('a'));
    await p.finish('mail', retry(await p.takeOne('mail'), 5_000, { error: storedError('first') }));
    const stored = await bench.stored('mail', 'a');
    assert.equal(stored.status, 'delayed');
    assert.equal(stored.runAt, bench.now + 5_000);
    assert.equal(stored.attempt, 1);
    assert.equal(stored.error?.message, 'first');
    assert.equal(stored.finishedAt, undefined);
    assert.equal(stored.owner, undefined);
    assert.ok(stored.timeline.some(({ event, attempt }) => event === 'attempt-failed' && attempt === 1));
    bench.forward(4_999);
    assert.deepEqual(await p.take('mail'), []);
    bench.forward(1);
    assert.equal((await p.takeOne('mail')).attempt, 2);
  });

  it('[settle] retry without delay waits at once', async (p, bench) => {
    await p.add('mail', job('a'));
    await p.finish('mail', retry(await p.takeOne('mail'), 0));
    await bench.counts('mail', { waiting: 1 });
    assert.equal((await p.takeOne('mail')).attempt, 2);
  });

  it('[settle] a completed job has no error, whatever its earlier attempts said', async (p, bench) => {
    await p.add('mail', job('a'));
    await p.finish('mail', retry(await p.takeOne('mail'), 0));
    await p.finish('mail', complete(await p.takeOne('mail')));
    const stored = await bench.stored('mail', 'a');
    assert.equal(stored.error, undefined);
    assert.ok(stored.timeline.some(({ event }) => event === 'attempt-failed'));
  });

  it('[settle] attempts are counted over many retries', async (p) => {
    await p.add('mail', job('a'));
    for (let attempt = 1; attempt <= 5; attempt += 1) {
      const held = await p.takeOne('mail');
      assert.equal(held.attempt, attempt);
      await p.finish('mail', retry(held, 0));
    }
  });

  it('[settle] release refunds the attempt', async (p, bench) => {
    await p.add('mail', job('a'));
    await p.finish('mail', retry(await p.takeOne('mail'), 0));
    const held = await p.takeOne('mail');
    assert.equal(held.attempt, 2);
    await p.finish('mail', release(held, 0, 'shutdown'));
    const stored = await bench.stored('mail', 'a');
    assert.equal(stored.status, 'waiting');
    assert.equal(stored.attempt, 1);
    assert.equal(stored.owner, undefined);
    assert.ok(stored.timeline.some(({ event }) => event === 'released'));
    assert.equal((await p.takeOne('mail')).attempt, 2);
  });

  it('[settle] release with a delay keeps the job away for exactly that long', async (p, bench) => {
    await p.add('mail', job('a'));
    await p.finish('mail', release(await p.takeOne('mail'), 2_000, 'condition'));
    const stored = await bench.stored('mail', 'a');
    assert.equal(stored.status, 'delayed');
    assert.equal(stored.attempt, 0);
    assert.equal(stored.runAt, bench.now + 2_000);
    bench.forward(1_999);
    assert.deepEqual(await p.take('mail'), []);
    bench.forward(1);
    assert.equal((await p.takeOne('mail')).attempt, 1);
  });

  it('[settle] the timeline tells each failed attempt and keeps the newest 50 entries', async (p, bench) => {
    await p.add('mail', job('a'));
    const failedAt: number[] = [];
    for (let attempt = 1; attempt <= 60; attempt += 1) {
      bench.forward(1);
      failedAt.push(bench.now);
      await p.finish('mail', retry(await p.takeOne('mail'), 0));
    }
    const { timeline } = await bench.stored('mail', 'a');
    assert.deepEqual(
      timeline.map(({ at, event, attempt }) => [at, event, attempt]),
      failedAt.map((at, i) => [at, 'attempt-failed', i + 1]).slice(10),
    );
  });

  it('[settle] unknownNameSince is the time of the first release in a row for an unknown name', async (p, bench) => {
    await p.add('mail', job('a'));
    await p.finish('mail', release(await p.takeOne('mail'), 5_000, 'unknown-name'));
    const first = bench.now;
    bench.forward(5_000);
    const second = await p.takeOne('mail');
    assert.equal(second.unknownNameSince, first);
    await p.finish('mail', release(second, 5_000, 'unknown-name'));
    bench.forward(5_000);
    assert.equal((await p.takeOne('mail')).unknownNameSince, first);
  });

  it('[settle] an attempt by somebody who knows the name ends the row of unknown names', async (p, bench) => {
    await p.add('mail', job('a'));
    await p.finish('mail', release(await p.takeOne('mail'), 0, 'unknown-name'));
    bench.forward(1_000);
    await p.finish('mail', retry(await p.takeOne('mail'), 0));
    const held = await p.takeOne('mail');
    assert.equal(held.unknownNameSince, undefined);
    await p.finish('mail', release(held, 0, 'unknown-name'));
    assert.equal((await p.takeOne('mail')).unknownNameSince, bench.now);
  });

  it('[rule 3] a second outcome under the same fence is answered already and changes nothing', async (p, bench) => {
    await p.add('mail', ...jobs(4, {}, ''));
    const [done, failed, again, handedBack] = await p.take('mail', 4);
    assert.ok(done && failed && again && handedBack);
    const first = complete(done, { result: '1' });
    await p.finish('mail', first, fail(failed), retry(again, 9_000), release(handedBack, 9_000));
    const { verdicts } = await p.settle('mail', [
      fail(done),
      complete(failed, { result: '2' }),
      complete(again),
      complete(handedBack),
    ]);
    assert.deepEqual(verdicts, ['already', 'already', 'already', 'already']);
    await bench.counts('mail', { completed: 1, failed: 1, delayed: 2 });
    assert.equal((await bench.stored('mail', done.id)).result, '1');
  });

  it('[rule 3] one fence twice in one call settles once', async (p, bench) => {
    await p.add('mail', job('a'));
    const held = await p.takeOne('mail');
    const { verdicts } = await p.settle('mail', [complete(held, { result: '1' }), fail(held)]);
    assert.deepEqual(verdicts, ['settled', 'already']);
    assert.equal((await bench.stored('mail', 'a')).result, '1');
    await bench.counts('mail', { completed: 1 });
  });

  it('[settle] unknown ids in a batch are lost and the rest settles, each verdict in its place', async (p, bench) => {
    await p.add('mail', ...jobs(3, {}, ''));
    const [a, b, c] = await p.take('mail', 3);
    assert.ok(a && b && c);
    const unknown = complete({ id: 'nobody', fence: a.fence });
    const { verdicts } = await p.settle('mail', [complete(a), unknown, fail(b), unknown, retry(c, 1_000)]);
    assert.deepEqual(verdicts, ['settled', 'lost', 'settled', 'lost', 'settled']);
    await bench.counts('mail', { completed: 1, failed: 1, delayed: 1 });
    assert.equal(await bench.get('mail', 'nobody'), undefined);
  });

  it('[settle] an outcome for a queue that nobody used is lost and creates nothing', async (p, bench) => {
    assert.deepEqual((await p.settle('unused', [complete({ id: 'a', fence: 1 })])).verdicts, ['lost']);
    await bench.counts('unused', {});
  });

  it('[settle] 1 000 outcomes settle in one call', async (p, bench) => {
    await p.add('mail', ...jobs(1_000));
    const held = await p.take('mail', 1_000);
    await p.finish('mail', ...held.map((one) => complete(one)));
    await bench.counts('mail', { completed: 1_000 });
  });

  it('[rule 1] a settle claims for the slots that it frees, in the same call', async (p, bench) => {
    await p.add('mail', ...jobs(5, {}, ''));
    const held = await p.take('mail', 2);
    bench.forward(10);
    const reply = await p.settle(
      'mail',
      held.map((one) => complete(one)),
      { count: 2, owner: 'host-2' },
    );
    assert.deepEqual(reply.verdicts, ['settled', 'settled']);
    assert.deepEqual(ids(reply.claim?.jobs ?? []), ['00002', '00003']);
    assert.equal(reply.claim?.queue, 'mail');
    assert.equal(reply.claim.now, bench.now);
    assert.equal((await bench.stored('mail', '00002')).owner, 'host-2');
    await bench.counts('mail', { completed: 2, active: 2, waiting: 1 });
  });

  it('[rule 1] a settle without outcomes claims like a claim', async (p) => {
    await p.add('mail', job('a'));
    const reply = await p.settle('mail', [], { count: 1 });
    assert.deepEqual(reply.verdicts, []);
    assert.deepEqual(ids(reply.claim?.jobs ?? []), ['a']);
  });

  it('[rule 1] what a settle makes ready can be claimed by the same call', async (p) => {
    await p.add('mail', job('a'));
    const held = await p.takeOne('mail');
    const reply = await p.settle('mail', [retry(held, 0)], { count: 5 });
    const [next] = reply.claim?.jobs ?? [];
    assert.equal(next?.id, 'a');
    assert.equal(next.attempt, 2);
    assert.ok(next.fence > held.fence);
  });

  it('[settle] a claim that finds nothing does not undo the settles', async (p, bench) => {
    await p.add('mail', job('a'));
    const reply = await p.settle('mail', [complete(await p.takeOne('mail'))], { count: 5 });
    assert.deepEqual(reply.verdicts, ['settled']);
    assert.deepEqual(reply.claim?.jobs, []);
    await bench.counts('mail', { completed: 1 });
  });

  it('[settle] a claim that the pause refuses does not undo the settles', async (p, bench) => {
    await p.add('mail', ...jobs(2));
    const held = await p.takeOne('mail');
    await p.pause('mail');
    const reply = await p.settle('mail', [complete(held)], { count: 5 });
    assert.deepEqual(reply.verdicts, ['settled']);
    assert.deepEqual(reply.claim?.jobs, []);
    assert.equal(reply.claim?.paused, true);
    await bench.counts('mail', { completed: 1, waiting: 1 });
  });

  it('[settle] a finished job never comes back', async (p, bench) => {
    await p.add('mail', ...jobs(3, {}, ''));
    const [done, failed, expired] = await p.take('mail', 3);
    assert.ok(done && failed && expired);
    await p.finish('mail', complete(done), fail(failed));
    bench.forward(LEASE_MS * 100);
    assert.deepEqual(ids(await bench.sweep()), [expired.id]);
    assert.deepEqual(ids(await p.take('mail', 10)), [expired.id]);
    await bench.counts('mail', { completed: 1, failed: 1, active: 1 });
  });

  it('[rule 7] counts are exact after every transition of a life', async (p, bench) => {
    await p.add('mail', job('a', { delayMs: 10 }));
    await bench.counts('mail', { delayed: 1 });
    bench.forward(10);
    const first = await p.takeOne('mail');
    await bench.counts('mail', { active: 1 });
    await p.finish('mail', retry(first, 10));
    await bench.counts('mail', { delayed: 1 });
    await p.promote('mail', 'a');
    await bench.counts('mail', { waiting: 1 });
    await p.finish('mail', release(await p.takeOne('mail')));
    await bench.counts('mail', { waiting: 1 });
    await p.takeOne('mail');
    bench.forward(LEASE_MS);
    await bench.sweep();
    await bench.counts('mail', { waiting: 1 });
    await p.finish('mail', complete(await p.takeOne('mail')));
    await bench.counts('mail', { completed: 1 });
    await p.remove('mail', 'a');
    await bench.counts('mail', {});
  });
});
