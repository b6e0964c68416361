import assert from 'node:assert/strict';
import type { Bench } from '../bench.js';
import { complete, ids, job, jobs, LEASE_MS, policy, retry } from '../build.js';
import type { SweptJob } from '../../kernel/ports/job-store.js';
import type { Process } from '../process.js';
import { suite } from '../suite.js';

/** Enough stalls for every case, so that nobody becomes a suspect. */
const PATIENT = policy({ maxStalledCount: 10, stallBackoff: { delayMs: 1_000, maxDelayMs: 3_000 } });

/** Claims one job and lets its lease end. */
async function stallOne(p: Process, bench: Bench, rules = PATIENT): Promise<SweptJob> {
  await p.takeOne('mail', { policy: rules });
  bench.forward(LEASE_MS);
  const [swept] = await bench.sweep(['mail']);
  assert.ok(swept, 'the expired lease was not taken back');
  return swept;
}

export const stallCases = suite('stall', (it) => {
  it('[stall] the sweep says which job, which fence, whose, and what became of it', async (p, bench) => {
    await p.add('mail', job('a'));
    const held = await p.takeOne('mail', { owner: 'host-1' });
    bench.forward(LEASE_MS);
    const [swept, ...more] = await bench.sweep(['mail']);
    assert.deepEqual(more, []);
    assert.equal(swept?.queue, 'mail');
    assert.equal(swept.id, 'a');
    assert.equal(swept.fence, held.fence);
    assert.equal(swept.owner, 'host-1');
    assert.equal(swept.to, 'stalled');
    assert.equal(swept.stalledCount, 1);
    assert.equal(swept.error, undefined);
    assert.deepEqual(await bench.sweep(['mail']), []);
  });

  it('[stall] a stall is counted, refunds the attempt and stands in the timeline', async (p, bench) => {
    await p.add('mail', job('a'));
    await p.finish('mail', retry(await p.takeOne('mail'), 0));
    await stallOne(p, bench);
    const stored = await bench.stored('mail', 'a');
    assert.equal(stored.status, 'waiting');
    assert.equal(stored.attempt, 1);
    assert.equal(stored.stalledCount, 1);
    assert.equal(stored.owner, undefined);
    assert.equal(stored.error?.message, 'try again');
    assert.ok(stored.timeline.some(({ event }) => event === 'stalled'));
    const again = await p.takeOne('mail');
    assert.equal(again.attempt, 2);
    assert.equal(again.stalledCount, 1);
  });

  it('[rule 5] the first stall goes back to its old place at once', async (p, bench) => {
    await p.add('mail', ...jobs(3, {}, ''));
    assert.equal((await stallOne(p, bench)).id, '00000');
    await bench.counts('mail', { waiting: 3 });
    assert.deepEqual(ids(await p.take('mail', 10)), ['00000', '00001', '00002']);
  });

  it('[rule 5] a second stall waits its backoff and then goes behind its peers', async (p, bench) => {
    await p.add('mail', job('a'));
    await stallOne(p, bench);
    await stallOne(p, bench);
    await p.add('mail', job('b'));
    const stored = await bench.stored('mail', 'a');
    assert.equal(stored.status, 'delayed');
    assert.equal(stored.stalledCount, 2);
    assert.equal(stored.runAt, bench.now + 1_000);
    bench.forward(999);
    await p.claim('mail', 0);
    assert.equal(await bench.status('mail', 'a'), 'delayed');
    await p.add('mail', job('c'));
    assert.deepEqual(ids(await p.take('mail')), ['b']);
    bench.forward(1);
    assert.deepEqual(ids(await p.take('mail', 10)), ['c', 'a']);
  });

  it('[stall] later stalls wait twice as long each, up to the cap', async (p, bench) => {
    await p.add('mail', job('a'));
    const delays: number[] = [];
    for (let stall = 1; stall <= 5; stall += 1) {
      const swept = await stallOne(p, bench);
      assert.equal(swept.stalledCount, stall);
      const { runAt } = await bench.stored('mail', 'a');
      delays.push(runAt - bench.now);
      bench.forward(runAt - bench.now);
    }
    assert.deepEqual(delays, [0, 1_000, 2_000, 3_000, 3_000]);
  });

  it('[rule 5] a stall without backoff still goes behind its peers from the second on', async (p, bench) => {
    const rules = policy({ maxStalledCount: 10, stallBackoff: { delayMs: 0, maxDelayMs: 0 } });
    await p.add('mail', ...jobs(2, {}, ''));
    await stallOne(p, bench, rules);
    await stallOne(p, bench, rules);
    await bench.counts('mail', { waiting: 2 });
    assert.deepEqual(ids(await p.take('mail', 10)), ['00001', '00000']);
  });

  it('[stall] past maxStalledCount the job fails, and says so', async (p, bench) => {
    const rules = policy({ maxStalledCount: 1 });
    await p.add('mail', job('a'));
    assert.equal((await stallOne(p, bench, rules)).to, 'stalled');
    const held = await p.takeOne('mail', { policy: rules, alone: true });
    bench.forward(LEASE_MS);
    const [swept] = await bench.sweep(['mail']);
    assert.equal(swept?.to, 'failed');
    assert.equal(swept.fence, held.fence);
    assert.equal(swept.stalledCount, 2);
    assert.equal(swept.error?.code, 'STALLED_TOO_OFTEN');
    const stored = await bench.stored('mail', 'a');
    assert.equal(stored.status, 'failed');
    assert.equal(stored.error?.code, 'STALLED_TOO_OFTEN');
    assert.equal(stored.finishedAt, bench.now);
    assert.equal(stored.stalledCount, 2);
    await bench.counts('mail', { failed: 1 });
  });

  it('[stall] with maxStalledCount 0 the first stall fails the job', async (p, bench) => {
    await p.add('mail', job('a'));
    const swept = await stallOne(p, bench, policy({ maxStalledCount: 0 }));
    assert.equal(swept.to, 'failed');
    assert.equal(swept.error?.code, 'STALLED_TOO_OFTEN');
    await bench.counts('mail', { failed: 1 });
  });

  it('[stall] without guaranteedWorker an expired lease fails the job as crashed', async (p, bench) => {
    await p.add('mail', job('a'));
    const swept = await stallOne(p, bench, policy({ guaranteedWorker: false }));
    assert.equal(swept.to, 'failed');
    assert.equal(swept.error?.code, 'CRASHED');
    const stored = await bench.stored('mail', 'a');
    assert.equal(stored.status, 'failed');
    assert.equal(stored.error?.code, 'CRASHED');
    assert.equal(stored.finishedAt, bench.now);
    assert.deepEqual(await p.take('mail', 10, { alone: true }), []);
    await bench.counts('mail', { failed: 1 });
  });

  it('[stall] without guaranteedWorker renewed leases are left alone', async (p, bench) => {
    await p.add('mail', job('a'));
    const held = await p.takeOne('mail', { policy: policy({ guaranteedWorker: false }) });
    bench.forward(LEASE_MS - 1);
    assert.deepEqual(await p.extend('mail', [held]), ['kept']);
    bench.forward(LEASE_MS - 1);
    assert.deepEqual(await bench.sweep(), []);
    await p.finish('mail', complete(held));
  });

  it('[stall] each lease is judged by the policy under which it was claimed', async (p, bench) => {
    await p.add('mail', ...jobs(4, {}, ''));
    const careless = policy({ guaranteedWorker: false });
    for (const rules of [PATIENT, careless, PATIENT, careless]) await p.takeOne('mail', { policy: rules });
    bench.forward(LEASE_MS);
    const swept = await bench.sweep(['mail']);
    assert.deepEqual(swept.map(({ id, to }) => `${id} ${to}`).toSorted(), [
      '00000 stalled',
      '00001 failed',
      '00002 stalled',
      '00003 failed',
    ]);
  });

  it('[stall] exactly the leases that ended are taken back, whatever others there are', async (p, bench) => {
    await p.add('mail', ...jobs(3, {}, ''));
    for (const leaseMs of [20_000, 5_000, 10_000]) await p.takeOne('mail', { leaseMs });
    bench.forward(10_000);
    assert.deepEqual(ids(await bench.sweep(['mail'])).toSorted(), ['00001', '00002']);
    assert.equal(await bench.status('mail', '00000'), 'active');
    bench.forward(10_000);
    assert.deepEqual(ids((await p.claim('mail', 0)).swept), ['00000']);
  });

  it('[stall] many leases that ended at once are all taken back', async (p, bench) => {
    const all = jobs(1_500);
    await p.addGroups('mail', [all.slice(0, 750), all.slice(750)]);
    await p.take('mail', 1_000);
    await p.take('mail', 1_000);
    bench.forward(LEASE_MS);
    const swept = new Set<string>();
    for (let page = 0; page < 5; page += 1) for (const { id } of await bench.sweep(['mail'])) swept.add(id);
    assert.equal(swept.size, 1_500);
    await bench.counts('mail', { waiting: 1_500 });
  });

  it('[stall] a claim takes back expired leases on its way and hands the jobs out again', async (p, bench) => {
    await p.add('mail', ...jobs(3, {}, ''));
    const first = await p.takeOne('mail');
    bench.forward(LEASE_MS);
    const reply = await bench.process('other').claim('mail', 2);
    assert.deepEqual(ids(reply.swept), ['00000']);
    assert.equal(reply.swept[0]?.owner, 'p');
    assert.equal(reply.swept[0].fence, first.fence);
    assert.deepEqual(ids(reply.jobs), ['00000', '00001']);
    assert.equal(reply.jobs[0]?.stalledCount, 1);
    assert.equal((await bench.stored('mail', '00000')).owner, 'other');
  });

  it('[stall] a claim on a paused queue still takes back expired leases', async (p, bench) => {
    await p.add('mail', job('a'));
    await p.takeOne('mail');
    await p.pause('mail');
    bench.forward(LEASE_MS);
    const reply = await p.claim('mail', 10);
    assert.deepEqual(ids(reply.swept), ['a']);
    assert.deepEqual(reply.jobs, []);
    await bench.counts('mail', { waiting: 1 });
  });

  it('[rule 6] a sweep takes back at most `limit` leases, and the next one goes on', async (p, bench) => {
    await p.add('mail', ...jobs(10));
    await p.take('mail', 10);
    bench.forward(LEASE_MS);
    const swept = new Set<string>();
    for (const expected of [4, 4, 2, 0]) {
      const page = await bench.sweep(['mail'], 4);
      assert.equal(page.length, expected);
      for (const { id } of page) swept.add(id);
    }
    assert.equal(swept.size, 10);
    await bench.counts('mail', { waiting: 10 });
  });

  it('[stall] a sweep touches only the queues that it names', async (p, bench) => {
    await p.add('mail', job('a'));
    await p.add('sms', job('b'));
    await p.takeOne('mail');
    await p.takeOne('sms');
    bench.forward(LEASE_MS);
    assert.deepEqual(ids(await bench.sweep(['sms', 'unknown'])), ['b']);
    assert.equal(await bench.status('mail', 'a'), 'active');
    assert.deepEqual(await bench.sweep([]), []);
  });

  it('[stall] a sweep that names none walks all queues, within its limit', async (p, bench) => {
    const queues = ['one', 'two', 'three'];
    for (const queue of queues) {
      await p.add(queue, ...jobs(3));
      await p.take(queue, 3);
    }
    bench.forward(LEASE_MS);
    let swept = 0;
    for (let page = 0; page < 10 && swept < 9; page += 1) {
      const { length } = await bench.sweep(undefined, 4);
      assert.ok(length <= 4, `${length} leases in a sweep of at most 4`);
      swept += length;
    }
    assert.equal(swept, 9);
    for (const queue of queues) await bench.counts(queue, { waiting: 3 });
  });

  it('[stall] progress, logs and payload outlive a stall', async (p, bench) => {
    await p.add('mail', job('a', { data: '1' }));
    const held = await p.takeOne('mail', { policy: PATIENT });
    const logs = [{ at: bench.now, level: 'info' as const, message: 'one' }];
    await bench.store.annotate(
      [{ queue: 'mail', id: 'a', fence: held.fence, progress: { percent: 70 }, logs }],
      bench.at,
    );
    bench.forward(LEASE_MS);
    const again = await p.takeOne('mail');
    assert.equal(again.data, '1');
    assert.equal(again.progress?.percent, 70);
    assert.equal((await bench.stored('mail', 'a')).logs.length, 1);
  });
});
