import assert from 'node:assert/strict';
import type { CallId, EnqueueResult, NewJob } from '../../kernel/ports/job-store.js';
import { refused, type Bench } from '../bench.js';
import { complete, fail, ids, job, jobs, keeping, KEEP_NONE, LEASE_MS, release, retry } from '../build.js';
import { suite } from '../suite.js';

/** A reply is kept at least this long (ms). */
const KEPT_MS = 60_000;
/** Calls that a client may leave unanswered. */
const WINDOW = 16;

/** Adds one job under the given call. */
async function send(bench: Bench, call: CallId, queue: string, input: NewJob): Promise<EnqueueResult> {
  const [group] = await bench.store.enqueue(call, queue, [[input]], bench.at);
  const [added] = group ?? [];
  assert.ok(added, 'enqueue answered nothing');
  return added;
}

export const resendCases = suite('resend', (it) => {
  it('[rule 4] a resent enqueue answers the same and adds nothing', async (p, bench) => {
    const call = p.call('mail');
    const groups = [[job('a', { data: '1' }), job('b', { delayMs: 1_000 })], [job('a')]];
    const first = await bench.store.enqueue(call, 'mail', groups, bench.at);
    bench.forward(5_000);
    assert.deepEqual(await bench.store.enqueue(call, 'mail', groups, bench.at), first);
    assert.equal(first[0]?.[0]?.created, true);
    await bench.counts('mail', { waiting: 1, delayed: 1 });
  });

  it('[rule 4] a job that finished and was removed before the resend is not added again', async (p, bench) => {
    const call = p.call('mail');
    const first = await bench.store.enqueue(call, 'mail', [[job('a')]], bench.at);
    const other = bench.process('other');
    await other.finish('mail', complete(await other.takeOne('mail', { policy: keeping({ completed: KEEP_NONE }) })));
    assert.equal(await bench.get('mail', 'a'), undefined);
    bench.forward(1_000);
    assert.deepEqual(await bench.store.enqueue(call, 'mail', [[job('a')]], bench.at), first);
    await bench.counts('mail', {});
    assert.deepEqual(await p.take('mail', 10), []);
  });

  it('[rule 4] a resent claim answers the same leases with their payloads and takes no more', async (p, bench) => {
    await p.add('mail', ...jobs(5, { data: '{"n":[]}', meta: { tags: ['x'] } }));
    const request = p.request('mail', 2);
    const [first] = await bench.store.claim([request], bench.at);
    bench.forward(1_000);
    const [again] = await bench.store.claim([request], bench.at);
    assert.deepEqual(again?.jobs, first?.jobs);
    assert.deepEqual(ids(again?.jobs ?? []), ['job-00000', 'job-00001']);
    assert.equal(again?.jobs[0]?.data, '{"n":[]}');
    assert.equal(again.jobs[0].attempt, 1);
    await bench.counts('mail', { active: 2, waiting: 3 });
  });

  it('[rule 4] a resent claim that got nothing gets nothing, whatever was added meanwhile', async (p, bench) => {
    const request = p.request('mail', 2);
    await bench.store.claim([request], bench.at);
    await bench.process('other').add('mail', job('a'));
    const [again] = await bench.store.claim([request], bench.at);
    assert.deepEqual(again?.jobs, []);
    await bench.counts('mail', { waiting: 1 });
  });

  it('[rule 4] a resent claim leaves out leases that no longer hold', async (p, bench) => {
    await p.add('mail', ...jobs(6, {}, ''));
    const request = p.request('mail', 6, { leaseMs: 50_000 });
    const [first] = await bench.store.claim([request], bench.at);
    const [done, again, stopped, handedBack, retaken, kept] = first?.jobs ?? [];
    assert.ok(done && again && stopped && handedBack && retaken && kept);
    const outcomes = [complete(done), retry(again, 0), release(handedBack), retry(retaken, 1_000)];
    await p.finish('mail', ...outcomes);
    await p.cancel('mail', stopped.id);
    bench.forward(1_000);
    const other = bench.process('other');
    assert.equal((await other.take('mail', 10)).length, 3);
    const [resent] = await bench.store.claim([request], bench.at);
    assert.deepEqual(
      resent?.jobs.map(({ id, fence }) => [id, fence]),
      [[kept.id, kept.fence]],
    );
  });

  it('[rule 4] a resent claim leaves out leases that expired and were taken back', async (p, bench) => {
    await p.add('mail', job('a'));
    const request = p.request('mail', 1);
    await bench.store.claim([request], bench.at);
    bench.forward(LEASE_MS);
    await bench.sweep();
    const [resent] = await bench.store.claim([request], bench.at);
    assert.deepEqual(resent?.jobs, []);
    await bench.counts('mail', { waiting: 1 });
  });

  it('[rule 4] a resent claim does not renew its leases', async (p, bench) => {
    await p.add('mail', job('a'));
    const request = p.request('mail', 1);
    await bench.store.claim([request], bench.at);
    bench.forward(LEASE_MS - 1);
    await bench.store.claim([request], bench.at);
    bench.forward(1);
    assert.deepEqual(ids(await bench.sweep()), ['a']);
  });

  it('[rule 4] a resent settle answers the same verdicts and changes nothing', async (p, bench) => {
    await p.add('mail', ...jobs(3, {}, ''));
    const [a, b, c] = await p.take('mail', 3);
    assert.ok(a && b && c);
    const call = p.call('mail');
    const stale = { id: c.id, fence: c.fence - 1 };
    const then = [{ queue: 'audit', job: job('entry') }];
    const request = p.settlement('mail', [complete(a, { result: '1', then }), retry(b, 0), complete(stale)]);
    const first = await bench.store.settle(call, request, bench.at);
    assert.deepEqual(first.verdicts, ['settled', 'settled', 'lost']);
    bench.forward(100);
    await p.remove('audit', 'entry');
    const second = await p.takeOne('mail');
    assert.equal(second.id, b.id);
    const again = await bench.store.settle(call, request, bench.at);
    assert.deepEqual(again.verdicts, first.verdicts);
    assert.equal(again.now, first.now);
    await bench.counts('mail', { completed: 1, active: 2 });
    await bench.counts('audit', {});
    assert.equal((await bench.stored('mail', b.id)).fence, second.fence);
  });

  it('[rule 4] a resent settle with a claim answers both and takes no second batch', async (p, bench) => {
    await p.add('mail', ...jobs(6, { data: '"x"' }, ''));
    const held = await p.take('mail', 2);
    const call = p.call('mail');
    const request = p.settlement(
      'mail',
      held.map((one) => complete(one)),
      { count: 2 },
    );
    const first = await bench.store.settle(call, request, bench.at);
    const again = await bench.store.settle(call, request, bench.at);
    assert.deepEqual(again.verdicts, ['settled', 'settled']);
    assert.deepEqual(ids(first.claim?.jobs ?? []), ['00002', '00003']);
    assert.deepEqual(again.claim?.jobs, first.claim?.jobs);
    await bench.counts('mail', { completed: 2, active: 2, waiting: 2 });
  });

  it('[rule 4] a resent settle leaves out of its claim what no longer holds', async (p, bench) => {
    await p.add('mail', ...jobs(3, {}, ''));
    const call = p.call('mail');
    const request = p.settlement('mail', [complete(await p.takeOne('mail'))], { count: 2 });
    const first = await bench.store.settle(call, request, bench.at);
    const [gone, kept] = first.claim?.jobs ?? [];
    assert.ok(gone && kept);
    await p.finish('mail', fail(gone));
    const again = await bench.store.settle(call, request, bench.at);
    assert.deepEqual(ids(again.claim?.jobs ?? []), [kept.id]);
  });

  it('[rule 4] resent admin mutations answer the same and change nothing', async (p, bench) => {
    await p.add('mail', ...['stop', 'drop', 'pull', 'move', 'rank'].map((id) => job(id, { delayMs: 60_000 })));
    const { admin, at } = bench;
    const steps: ((call: CallId) => Promise<unknown>)[] = [
      (call) => admin.cancel(call, 'mail', 'stop', 'why', at),
      (call) => admin.remove(call, 'mail', 'drop', at),
      (call) => admin.promote(call, 'mail', 'pull', at),
      (call) => admin.changeDelay(call, 'mail', 'move', 0, at),
      (call) => admin.changePriority(call, 'mail', 'rank', 3, at),
      (call) => admin.retry(call, 'mail', 'stop', { newId: 'stop-2', from: ['cancelled'] }, at),
      (call) => admin.pause(call, 'mail', at),
      (call) => admin.resume(call, 'mail', at),
      (call) => admin.declare(call, 'mail', { strategy: 'fifo' }, at),
    ];
    for (const [i, step] of steps.entries()) {
      const call = p.call('mail');
      const first = await step(call);
      assert.deepEqual(await step(call), first, `step ${i}`);
    }
    await bench.counts('mail', { waiting: 3, delayed: 1, cancelled: 1 });
    assert.deepEqual(ids(await p.take('mail', 10)), ['pull', 'move', 'stop-2']);
  });

  it('[rule 4] a resent removal does not remove a later job of the same id', async (p, bench) => {
    await p.add('mail', job('a'));
    const call = p.call('mail');
    await bench.admin.remove(call, 'mail', 'a', bench.at);
    await bench.process('other').add('mail', job('a', { data: '"new"' }));
    assert.deepEqual(await bench.admin.remove(call, 'mail', 'a', bench.at), { verdict: 'done' });
    assert.equal((await bench.stored('mail', 'a')).data, '"new"');
  });

  it('[rule 4] a resent pause does not undo a resume that came between', async (p, bench) => {
    const call = p.call('mail');
    assert.equal(await bench.admin.pause(call, 'mail', bench.at), true);
    await bench.process('other').resume('mail');
    assert.equal(await bench.admin.pause(call, 'mail', bench.at), true);
    assert.equal((await p.claim('mail')).paused, false);
  });

  it('[rule 4] a resent obliterate answers the same number and deletes no more', async (p, bench) => {
    await p.add('mail', ...jobs(5));
    const call = p.call('mail');
    const first = await bench.admin.obliterate(call, 'mail', { limit: 3 }, bench.at);
    assert.equal(first, 3);
    assert.equal(await bench.admin.obliterate(call, 'mail', { limit: 3 }, bench.at), 3);
    await bench.counts('mail', { waiting: 2 });
  });

  it('[rule 4] a call that was confirmed is refused and runs nothing', async (p, bench) => {
    const first = p.call('mail');
    await bench.store.enqueue(first, 'mail', [[job('a')]], bench.at);
    p.answered('mail', first);
    await p.add('mail', job('b'));
    const late = [[job('late')]];
    await refused('CALL_REFUSED', bench.store.enqueue(first, 'mail', late, bench.at));
    await refused('CALL_REFUSED', bench.store.claim([{ ...p.request('mail', 1), call: first }], bench.at));
    await refused('CALL_REFUSED', bench.store.settle(first, p.settlement('mail', [], { count: 1 }), bench.at));
    await refused('CALL_REFUSED', bench.admin.pause(first, 'mail', bench.at));
    await bench.counts('mail', { waiting: 2 });
    assert.equal((await p.claim('mail')).paused, false);
  });

  it('[rule 4] a call that confirms itself is refused', async (_p, bench) => {
    const call = { client: 'odd', n: 1, acked: 1 };
    await refused('CALL_REFUSED', bench.store.enqueue(call, 'mail', [[job('a')]], bench.at));
    await bench.counts('mail', {});
  });

  it('[rule 4] what was confirmed stays confirmed when a call with an older number arrives late', async (_p, bench) => {
    const call = (n: number, acked: number): CallId => ({ client: 'c', n, acked });
    await bench.store.enqueue(call(1, 0), 'mail', [[job('a')]], bench.at);
    await bench.store.enqueue(call(4, 2), 'mail', [[job('d')]], bench.at);
    await bench.store.enqueue(call(3, 0), 'mail', [[job('c')]], bench.at);
    await refused('CALL_REFUSED', bench.store.enqueue(call(2, 1), 'mail', [[job('b')]], bench.at));
    await refused('CALL_REFUSED', bench.store.enqueue(call(1, 0), 'mail', [[job('x')]], bench.at));
    await bench.counts('mail', { waiting: 3 });
  });

  it('[rule 4] calls that arrive out of order all run, once each', async (_p, bench) => {
    const add = (n: number): Promise<unknown> =>
      bench.store.enqueue({ client: 'c', n, acked: 0 }, 'mail', [[job(`job-${n}`)]], bench.at);
    for (const n of [3, 1, 2, 3, 2, 1]) await add(n);
    assert.deepEqual(ids(await bench.list('mail', 'waiting')), ['job-3', 'job-1', 'job-2']);
  });

  it('[rule 4] 16 unanswered calls can all be sent again, in any order', async (p, bench) => {
    await p.add('mail', ...jobs(WINDOW));
    const requests = Array.from({ length: WINDOW }, () => p.request('mail', 1));
    const first: unknown[] = [];
    for (const request of requests) first.push((await bench.store.claim([request], bench.at))[0]?.jobs);
    bench.forward(LEASE_MS - 1);
    for (let i = WINDOW - 1; i >= 0; i -= 1) {
      const request = requests[i];
      assert.ok(request);
      assert.deepEqual((await bench.store.claim([request], bench.at))[0]?.jobs, first[i]);
    }
    await bench.counts('mail', { active: WINDOW });
  });

  it('[rule 4] a reply is kept for 60 s', async (p, bench) => {
    const call = p.call('mail');
    await bench.store.enqueue(call, 'mail', [[job('a')]], bench.at);
    const other = bench.process('other');
    await other.remove('mail', 'a');
    bench.forward(KEPT_MS - 1);
    // Other clients' calls in between are when a store cleans up.
    await other.add('mail', job('b'));
    const again = await send(bench, call, 'mail', job('a'));
    assert.equal(again.created, true);
    await bench.counts('mail', { waiting: 1 });
  });

  it('[rule 4] the 60 s are counted from the call, however old its client is', async (p, bench) => {
    await p.add('mail', job('a'));
    bench.forward(50_000);
    const call = p.call('mail');
    await send(bench, call, 'mail', job('b'));
    const other = bench.process('other');
    await other.remove('mail', 'b');
    bench.forward(KEPT_MS - 1);
    await other.add('mail', job('c'));
    assert.equal((await send(bench, call, 'mail', job('b'))).created, true);
    await bench.counts('mail', { waiting: 2 });
  });

  it('[rule 4] clients do not disturb each other', async (_p, bench) => {
    const call = (client: string, n: number, acked = 0): CallId => ({ client, n, acked });
    await bench.store.enqueue(call('one', 1), 'mail', [[job('a')]], bench.at);
    await bench.store.enqueue(call('two', 1), 'mail', [[job('b')]], bench.at);
    await bench.store.enqueue(call('one', 2, 1), 'mail', [[job('c')]], bench.at);
    const again = await send(bench, call('two', 1), 'mail', job('b'));
    assert.equal(again.id, 'b');
    await refused('CALL_REFUSED', bench.store.enqueue(call('one', 1), 'mail', [[job('a')]], bench.at));
    await bench.counts('mail', { waiting: 3 });
  });

  it('[rule 4] the same number on another queue is another call', async (_p, bench) => {
    const call = { client: 'c', n: 1, acked: 0 };
    for (const queue of ['mail', 'sms']) {
      const added = await send(bench, call, queue, job('a'));
      assert.equal(added.created, true, queue);
    }
    await bench.counts('mail', { waiting: 1 });
    await bench.counts('sms', { waiting: 1 });
    // Confirming it on one queue confirms nothing on the other.
    await bench.store.enqueue({ client: 'c', n: 2, acked: 1 }, 'mail', [[job('b')]], bench.at);
    await bench.store.enqueue(call, 'sms', [[job('a')]], bench.at);
    await refused('CALL_REFUSED', bench.store.enqueue(call, 'mail', [[job('a')]], bench.at));
  });

  it('[rule 4] a claim of many queues is resent queue by queue', async (p, bench) => {
    await p.add('mail', ...jobs(2));
    await p.add('sms', ...jobs(2));
    const requests = [p.request('mail', 1), p.request('sms', 1)];
    const first = await bench.store.claim(requests, bench.at);
    const again = await bench.store.claim([...requests].reverse(), bench.at);
    assert.deepEqual(
      again.map(({ queue, jobs: held }) => [queue, held]),
      [...first].reverse().map(({ queue, jobs: held }) => [queue, held]),
    );
    await bench.counts('mail', { active: 1, waiting: 1 });
    await bench.counts('sms', { active: 1, waiting: 1 });
  });
});
