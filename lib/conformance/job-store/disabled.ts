import assert from 'node:assert/strict';
import { refused, type Bench } from '../bench.js';
import { child, complete, fail, ids, job, jobs, keyed, LEASE_MS, policy, retry, type Held } from '../build.js';
import type { Process } from '../process.js';
import { suite } from '../suite.js';

/** A disabled queue that holds `a`, `b` and `c`, oldest first. */
async function holding(p: Process, bench: Bench): Promise<void> {
  await p.disable('mail');
  await p.add('mail', job('a'), job('b'));
  await p.add('mail', job('c'));
  await bench.counts('mail', { paused: 3 });
}

export const disabledCases = suite('disabled', (it) => {
  it('[disable] says whether it changed anything, and so does enable', async (p) => {
    assert.deepEqual(await p.enable('mail'), { changed: false, more: false });
    assert.equal(await p.disable('mail'), true);
    assert.equal(await p.disable('mail'), false);
    assert.deepEqual(await p.enable('mail'), { changed: true, more: false });
    assert.deepEqual(await p.enable('mail'), { changed: false, more: false });
  });

  it('[disable] of a queue that nobody declared records it, with what holds by default', async (p, bench) => {
    await p.disable('mail');
    assert.deepEqual(
      { ...(await bench.admin.record('mail', bench.at)) },
      {
        name: 'mail',
        strategy: 'fifo',
        paused: false,
        disabled: true,
        disabledBehavior: 'hold',
        maxHeldJobs: 10_000,
        version: 0,
      },
    );
    assert.deepEqual(await bench.admin.queues({ limit: 10 }, bench.at), ['mail']);
  });

  it('[disable] a queue yields nothing to any process until it is enabled', async (p, bench) => {
    await p.add('mail', ...jobs(3));
    await p.disable('mail');
    for (const one of [p, bench.process('other')]) {
      const reply = await one.claim('mail', 10, { alone: true });
      assert.deepEqual([reply.jobs, reply.paused], [[], true]);
    }
    await bench.counts('mail', { waiting: 3 });
    await bench.process('other').enable('mail');
    const reply = await p.claim('mail', 10);
    assert.deepEqual([ids(reply.jobs), reply.paused], [ids(jobs(3)), false]);
  });

  it('[disable] running jobs finish, and those that wait go on waiting', async (p, bench) => {
    await p.add('mail', ...jobs(3, {}, ''));
    const [a, b] = await p.take('mail', 2);
    assert.ok(a && b);
    await p.disable('mail');
    assert.deepEqual(await p.extend('mail', [a, b]), ['kept', 'kept']);
    const reply = await p.settle('mail', [complete(a), retry(b, 0)], { count: 5 });
    assert.deepEqual([reply.verdicts, reply.claim?.jobs, reply.claim?.paused], [['settled', 'settled'], [], true]);
    await bench.counts('mail', { completed: 1, waiting: 2 });
  });

  it('[disable] expired leases are taken back all the same', async (p, bench) => {
    await p.add('mail', job('a'));
    await p.takeOne('mail');
    await p.disable('mail');
    bench.forward(LEASE_MS);
    assert.deepEqual(ids((await p.claim('mail', 1)).swept), ['a']);
    await bench.counts('mail', { waiting: 1 });
  });

  it('[disable] pause and disable are two switches', async (p) => {
    await p.add('mail', job('a'));
    await p.pause('mail');
    await p.disable('mail');
    await p.resume('mail');
    assert.equal((await p.claim('mail')).paused, true);
    await p.pause('mail');
    await p.enable('mail');
    assert.equal((await p.claim('mail')).paused, true);
    await p.resume('mail');
    assert.deepEqual(ids(await p.take('mail')), ['a']);
  });

  it('[disable] is of one queue', async (p, bench) => {
    await p.disable('mail');
    const [held] = await p.add('mail', job('a'));
    const [free] = await p.add('sms', job('a'));
    assert.deepEqual([held?.status, free?.status], ['paused', 'waiting']);
    assert.deepEqual(ids(await p.take('sms')), ['a']);
    await bench.counts('mail', { paused: 1 });
  });

  it('[disable] hold: new jobs are kept as paused, and are listed and counted', async (p, bench) => {
    await p.disable('mail');
    const added = await p.add('mail', job('a', { data: '1' }), job('b', { delayMs: 1_000 }));
    assert.deepEqual(
      added.map(({ created, status }) => [created, status]),
      [
        [true, 'paused'],
        [true, 'paused'],
      ],
    );
    await bench.counts('mail', { paused: 2 });
    assert.deepEqual(ids(await bench.list('mail', 'paused', 1)), ['a', 'b']);
    const stored = await bench.stored('mail', 'a');
    assert.equal(stored.data, '1');
    assert.equal(stored.status, 'paused');
    const [again] = await p.add('mail', job('a'));
    assert.deepEqual([again?.created, again?.status], [false, 'paused']);
    bench.forward(5_000);
    assert.deepEqual(await p.take('mail', 10), []);
    await bench.counts('mail', { paused: 2 });
  });

  it('[disable] hold: beyond the limit a group is refused whole, and nothing is dropped silently', async (p, bench) => {
    await p.declare('mail', { maxHeldJobs: 3 });
    await p.disable('mail');
    const results = await p.addGroups('mail', [jobs(2, {}, 'a-'), jobs(2, {}, 'b-'), jobs(1, {}, 'c-')]);
    assert.deepEqual(
      results.flat().map(({ created, refused: why }) => why ?? created),
      [true, true, { why: 'held-full', limit: 3 }, { why: 'held-full', limit: 3 }, true],
    );
    await bench.counts('mail', { paused: 3 });
    const [full] = await p.add('mail', job('d'));
    assert.deepEqual(full?.refused, { why: 'held-full', limit: 3 });
    const [again] = await p.add('mail', job('a-00000'));
    assert.deepEqual([again?.refused, again?.created], [undefined, false]);
    await p.remove('mail', 'a-00000');
    assert.equal((await p.add('mail', job('d')))[0]?.created, true);
    await bench.counts('mail', { paused: 3 });
  });

  it('[disable] hold: only new jobs count against the limit', async (p, bench) => {
    await p.declare('mail', { maxHeldJobs: 2 });
    await p.add('mail', ...jobs(5));
    await p.disable('mail');
    const [group] = await p.addGroups('mail', [[job('job-00001'), job('x'), job('y'), job('x')]]);
    assert.deepEqual(
      group?.map(({ created }) => created),
      [false, true, true, false],
    );
    await bench.counts('mail', { waiting: 5, paused: 2 });
  });

  it('[disable] skip: new jobs are dropped and said to be, those that exist are named', async (p, bench) => {
    await p.declare('mail', { disabledBehavior: 'skip' });
    await p.add('mail', job('a'));
    await p.disable('mail');
    const [old, fresh] = await p.add('mail', job('a'), job('b'));
    assert.deepEqual([old?.created, old?.skipped, old?.status], [false, undefined, 'waiting']);
    assert.deepEqual([fresh?.created, fresh?.skipped, fresh?.refused], [false, true, undefined]);
    assert.equal(await bench.get('mail', 'b'), undefined);
    await bench.counts('mail', { waiting: 1 });
    await p.enable('mail');
    assert.equal((await p.add('mail', job('b')))[0]?.created, true);
  });

  it('[disable] skip: a dropped job holds no deduplication key', async (p) => {
    await p.declare('mail', { disabledBehavior: 'skip' });
    await p.disable('mail');
    const [dropped] = await p.add('mail', keyed('a', 'throttle', { ttlMs: 60_000 }));
    assert.equal(dropped?.skipped, true);
    await p.enable('mail');
    assert.deepEqual((await p.add('mail', keyed('b', 'throttle', { ttlMs: 60_000 })))[0]?.id, 'b');
  });

  it('[disable] reject: a group with a new job is refused whole, others are answered', async (p, bench) => {
    await p.declare('mail', { disabledBehavior: 'reject' });
    await p.add('mail', job('a'));
    await p.disable('mail');
    const results = await p.addGroups('mail', [[job('a')], [job('a'), job('b')], [job('c')]]);
    assert.deepEqual(
      results.map((group) => group.map(({ created, refused: why }) => why ?? created)),
      [[false], [{ why: 'disabled' }, { why: 'disabled' }], [{ why: 'disabled' }]],
    );
    await bench.counts('mail', { waiting: 1 });
  });

  it('[disable] an unknown parent is refused before the queue is asked', async (p, bench) => {
    await p.declare('mail', { disabledBehavior: 'reject' });
    await p.disable('mail');
    const [added] = await p.add('mail', child('c', ['nobody']));
    assert.equal(added?.refused?.why, 'unknown-parent');
    await bench.counts('mail', {});
  });

  it('[declare] records what a disabled queue does, a later declaration changes it, one that is silent does not', async (p, bench) => {
    await p.declare('mail', { disabledBehavior: 'skip', maxHeldJobs: 7 });
    const { disabledBehavior, maxHeldJobs } = await bench.process('other').declare('mail', {});
    assert.deepEqual([disabledBehavior, maxHeldJobs], ['skip', 7]);
    await p.disable('mail');
    const later = await p.declare('mail', { disabledBehavior: 'hold' });
    assert.deepEqual([later.disabled, later.disabledBehavior, later.maxHeldJobs], [true, 'hold', 7]);
    const [added] = await p.add('mail', job('a'));
    assert.equal(added?.status, 'paused');
  });

  it('[enable] lets held jobs go: delay, priority, order and parents are kept', async (p, bench) => {
    await p.declare('mail', { strategy: 'priority' });
    await p.add('sms', job('p'));
    await p.disable('mail');
    await p.add('mail', job('slow', { priority: 9 }), job('fast', { priority: 1 }), job('late', { delayMs: 60_000 }));
    await p.add('mail', job('soon', { delayMs: 1_000, priority: 5 }));
    await p.add('mail', child('c', [{ queue: 'sms', id: 'p' }]), job('slow-2', { priority: 9 }));
    const due = bench.now + 60_000;
    bench.forward(5_000);
    assert.deepEqual(await p.enable('mail'), { changed: true, more: false });
    await bench.counts('mail', { waiting: 4, delayed: 1, 'waiting-children': 1 });
    assert.equal((await bench.stored('mail', 'late')).runAt, due);
    assert.deepEqual(ids(await p.take('mail', 10)), ['fast', 'soon', 'slow', 'slow-2']);
  });

  it('[enable] lets go in pages, oldest first, and says whether more are left', async (p, bench) => {
    await p.disable('mail');
    await p.add('mail', ...jobs(5));
    assert.deepEqual(await p.enable('mail', 2), { changed: true, more: true });
    await bench.counts('mail', { waiting: 2, paused: 3 });
    assert.deepEqual(ids(await bench.list('mail', 'waiting')), ['job-00000', 'job-00001']);
    assert.deepEqual(await p.enable('mail', 2), { changed: false, more: true });
    assert.deepEqual(await p.enable('mail', 2), { changed: false, more: false });
    assert.deepEqual(ids(await p.take('mail', 10)), ids(jobs(5)));
  });

  it('[enable] claims and sweeps let go of what is left', async (p, bench) => {
    await p.disable('mail');
    const all = jobs(450);
    await p.add('mail', ...all);
    await p.enable('mail', 1);
    const taken: string[] = [];
    for (let turn = 0; turn < 20 && taken.length < 200; turn += 1) taken.push(...ids(await p.take('mail', 50)));
    for (let turn = 0, more = true; turn < 20 && more; turn += 1) ({ more } = await bench.sweepAll(['mail'], 60));
    await bench.counts('mail', { active: taken.length, waiting: 450 - taken.length });
    for (let turn = 0; turn < 20 && taken.length < 450; turn += 1) taken.push(...ids(await p.take('mail', 50)));
    assert.deepEqual(taken, ids(all));
  });

  it('[enable] a claim that left held jobs asks to be called again', async (p, bench) => {
    await p.disable('mail');
    await p.addGroups('mail', [jobs(700, { delayMs: 60_000 }, 'a-'), jobs(1, {}, 'b-')]);
    await p.enable('mail', 1);
    let reply = await p.claim('mail', 1);
    for (let turn = 0; turn < 50 && reply.jobs.length === 0; turn += 1) {
      assert.ok(reply.nextDueMs !== undefined && reply.nextDueMs <= 60_000, 'nothing says when to come back');
      if (reply.nextDueMs > 0) break;
      reply = await p.claim('mail', 1);
    }
    assert.deepEqual(ids(reply.jobs), ['b-00000']);
    await bench.counts('mail', { delayed: 700, active: 1 });
  });

  it('[enable] on a paused queue the jobs become waiting and stay', async (p, bench) => {
    await holding(p, bench);
    await p.pause('mail');
    await p.enable('mail');
    await bench.counts('mail', { waiting: 3 });
    assert.deepEqual(await p.take('mail', 10), []);
    await p.resume('mail');
    assert.deepEqual(ids(await p.take('mail', 10)), ['a', 'b', 'c']);
  });

  it('[enable] jobs that waited before go before those that were held', async (p) => {
    await p.add('mail', job('old'));
    await p.disable('mail');
    await p.add('mail', job('held'));
    await p.enable('mail');
    await p.add('mail', job('new'));
    assert.deepEqual(ids(await p.take('mail', 10)), ['old', 'held', 'new']);
  });

  it('[disable] a held job learns of its parents: done, and failed by each policy', async (p, bench) => {
    await p.add('sms', job('done'), job('failed'));
    await p.disable('mail');
    const at = (id: string): { queue: string; id: string } => ({ queue: 'sms', id });
    await p.add('mail', child('ready', [at('done')]), child('block', [at('failed')]));
    await p.add('mail', child('any', [at('failed')], 'ignore'), child('strict', [at('failed')], 'cascade-fail'));
    const [done, failed] = await p.take('sms', 2);
    assert.ok(done && failed);
    const { cascaded } = await p.settle('sms', [complete(done), fail(failed)]);
    assert.deepEqual(ids(cascaded), ['strict']);
    assert.equal((await bench.stored('mail', 'strict')).error?.code, 'PARENT_FAILED');
    await bench.counts('mail', { paused: 3, failed: 1 });
    await p.enable('mail');
    await bench.counts('mail', { waiting: 2, 'waiting-children': 1, failed: 1 });
    assert.deepEqual(ids(await p.take('mail', 10)), ['ready', 'any']);
  });

  it('[disable] jobs that waited for parents become ready and are not handed out', async (p, bench) => {
    await p.add('sms', job('p'));
    await p.add('mail', child('c', [{ queue: 'sms', id: 'p' }]));
    await p.disable('mail');
    await p.finish('sms', complete(await p.takeOne('sms')));
    await bench.counts('mail', { waiting: 1 });
    assert.deepEqual(await p.take('mail', 10), []);
    await p.enable('mail');
    assert.deepEqual(ids(await p.take('mail', 10)), ['c']);
  });

  for (const disabledBehavior of ['hold', 'skip', 'reject'] as const) {
    it(`[disable] ${disabledBehavior}: follow-up jobs, dead letters and retries are held, beyond the limit too`, async (p, bench) => {
      const rules = policy({ deadLetter: { queue: 'mail' } });
      await p.add('mail', job('failed'));
      await p.finish('mail', fail(await p.takeOne('mail')));
      await p.declare('mail', { disabledBehavior, maxHeldJobs: 0 });
      await p.disable('mail');
      await p.add('sms', job('done'), job('dead'));
      const [done, dead] = await p.take('sms', 2, { policy: rules });
      assert.ok(done && dead);
      await p.finish('sms', complete(done, { then: [{ queue: 'mail', job: job('next') }] }), fail(dead));
      assert.equal((await p.again('mail', 'failed', 'failed-2')).verdict, 'done');
      await bench.counts('mail', { failed: 1, paused: 3 });
      await p.enable('mail');
      await bench.counts('mail', { failed: 1, waiting: 3 });
      assert.equal((await p.take('mail', 10)).length, 3);
    });
  }

  it('[disable] held jobs can be changed, cancelled and removed, and not promoted', async (p, bench) => {
    await holding(p, bench);
    await p.add('mail', job('d', { delayMs: 60_000 }));
    assert.deepEqual(await p.updateData('mail', 'a', '"new"'), { verdict: 'done' });
    assert.deepEqual(await p.changeDelay('mail', 'a', 5_000), { verdict: 'done' });
    assert.deepEqual(await p.changeDelay('mail', 'd', 0), { verdict: 'done' });
    assert.deepEqual(await p.changePriority('mail', 'd', 4), { verdict: 'done' });
    assert.deepEqual(await p.promote('mail', 'a'), { verdict: 'refused', status: 'paused' });
    await bench.counts('mail', { paused: 4 });
    const reply = await p.cancel('mail', 'b', 'why');
    assert.deepEqual([reply.verdict, reply.verdict === 'cancelled' && reply.from], ['cancelled', 'paused']);
    assert.equal((await bench.stored('mail', 'b')).reason, 'why');
    assert.equal((await p.remove('mail', 'c')).verdict, 'done');
    await bench.counts('mail', { paused: 2, cancelled: 1 });
    await p.enable('mail');
    await bench.counts('mail', { waiting: 1, delayed: 1, cancelled: 1 });
    const held = await p.takeOne('mail');
    assert.deepEqual([held.id, held.priority], ['d', 4]);
    bench.forward(5_000);
    assert.equal((await p.takeOne('mail')).data, '"new"');
  });

  it('[disable] held jobs are obliterated like others', async (p, bench) => {
    await holding(p, bench);
    assert.equal(await p.obliterate('mail', { limit: 2 }), 2);
    assert.equal(await p.obliterate('mail'), 1);
    await bench.counts('mail', {});
    assert.equal((await p.claim('mail')).paused, true);
  });

  it('[disable] jobs of deduplication that are held stand for their key', async (p, bench) => {
    await p.disable('mail');
    await p.add('mail', keyed('a', 'replace', { data: '1' }));
    assert.equal((await p.add('mail', keyed('b', 'replace', { data: '2' })))[0]?.id, 'a');
    await bench.counts('mail', { paused: 1 });
    await p.enable('mail');
    assert.equal((await p.takeOne('mail')).data, '2');
  });

  it('[rule 4] resent calls to disable and enable change nothing twice', async (p, bench) => {
    const off = p.call('mail');
    assert.equal(await bench.admin.disable(off, 'mail', bench.at), true);
    const other = bench.process('other');
    await other.add('mail', ...jobs(3));
    const on = p.call('mail');
    const first = await bench.admin.enable(on, 'mail', 1, bench.at);
    assert.deepEqual(first, { changed: true, more: true });
    assert.equal(await bench.admin.disable(off, 'mail', bench.at), true);
    assert.equal((await bench.admin.record('mail', bench.at))?.disabled, false);
    assert.deepEqual(await bench.admin.enable(on, 'mail', 1, bench.at), first);
    await bench.counts('mail', { waiting: 1, paused: 2 });
    p.answered('mail', off);
    p.answered('mail', on);
    // The next call tells the store what was answered.
    await p.add('mail', job('next'));
    await refused('CALL_REFUSED', bench.admin.disable(off, 'mail', bench.at));
  });

  it('[disable] a job that was handed out before settles as its fence says, whatever the switch', async (p, bench) => {
    await p.add('mail', job('a'));
    const held: Held = await p.takeOne('mail');
    await p.disable('mail');
    await p.enable('mail');
    await p.disable('mail');
    await p.finish('mail', complete(held));
    await bench.counts('mail', { completed: 1 });
  });
});
