import assert from 'node:assert/strict';
import { complete, ids, job, jobs, MAX_ITEMS, MIB } from '../build.js';
import { suite } from '../suite.js';

export const claimCases = suite('claim', (it) => {
  it('[claim] hands out at most as many jobs as asked for', async (p, bench) => {
    await p.add('mail', ...jobs(5));
    assert.deepEqual(ids(await p.take('mail', 2)), ['job-00000', 'job-00001']);
    assert.deepEqual(ids(await p.take('mail', 2)), ['job-00002', 'job-00003']);
    assert.deepEqual(ids(await p.take('mail', 2)), ['job-00004']);
    assert.deepEqual(await p.take('mail', 2), []);
    await bench.counts('mail', { active: 5 });
  });

  it('[claim] a count of 0 hands out nothing', async (p, bench) => {
    await p.add('mail', job('a'));
    assert.deepEqual(await p.take('mail', 0), []);
    assert.deepEqual(await p.take('mail', 0, { alone: true }), []);
    await bench.counts('mail', { waiting: 1 });
  });

  it('[rule 1] a claim hands out at most 1 000 jobs, and the next one goes on', async (p, bench) => {
    const all = jobs(MAX_ITEMS + 100);
    await p.addGroups('mail', [all.slice(0, MAX_ITEMS), all.slice(MAX_ITEMS)]);
    const first = await p.take('mail', 5_000);
    assert.ok(first.length <= MAX_ITEMS, `${first.length} jobs in one reply`);
    const taken = [...first];
    while (taken.length < all.length) {
      const more = await p.take('mail', 5_000);
      assert.ok(more.length > 0, 'the claim stopped before the queue was empty');
      taken.push(...more);
    }
    assert.deepEqual(ids(taken), ids(all));
    await bench.counts('mail', { active: all.length });
  });

  it('[rule 1] a reply is cut at 1 MiB of payload, and the next claim goes on', async (p) => {
    const data = JSON.stringify('x'.repeat(256 * 1024 - 2));
    const all = jobs(10, { data });
    for (const one of all) await p.add('mail', one);
    const taken: string[] = [];
    while (taken.length < all.length) {
      const reply = await p.take('mail', 10);
      assert.ok(reply.length > 0, 'the claim stopped before the queue was empty');
      const bytes = reply.reduce((sum, held) => sum + (held.data?.length ?? 0), 0);
      assert.ok(bytes <= MIB, `${bytes} bytes of payload in one reply`);
      taken.push(...ids(reply));
    }
    assert.deepEqual(taken, ids(all));
  });

  it('[rule 1] a payload above 1 MiB travels alone and does not block the queue', async (p) => {
    await p.add('mail', job('small-1', { data: '1' }));
    await p.add('mail', job('large', { data: JSON.stringify('x'.repeat(MIB + 1_000)) }));
    await p.add('mail', job('small-2', { data: '2' }));
    assert.deepEqual(ids(await p.take('mail', 10)), ['small-1']);
    const [large, ...beside] = await p.take('mail', 10);
    assert.equal(large?.id, 'large');
    assert.equal(large.data?.length, MIB + 1_002);
    assert.deepEqual(beside, []);
    assert.deepEqual(ids(await p.take('mail', 10)), ['small-2']);
  });

  it('[claim] an unknown queue yields nothing', async (p, bench) => {
    const reply = await p.claim('nobody-ever-used-this', 10);
    assert.deepEqual(reply.jobs, []);
    assert.deepEqual(reply.swept, []);
    assert.equal(reply.paused, false);
    assert.equal(reply.suspects, 0);
    assert.equal(reply.nextDueMs, undefined);
    assert.equal(reply.now, bench.now);
  });

  it('[claim] takes jobs of the queue that was asked for and no other', async (p, bench) => {
    await p.add('mail', job('a'));
    await p.add('sms', job('b'));
    assert.deepEqual(ids(await p.take('sms', 10)), ['b']);
    assert.deepEqual(await p.take('sms', 10), []);
    assert.equal(await bench.status('mail', 'a'), 'waiting');
  });

  it('[claim] one call claims from many queues and answers in the order of the requests', async (p, bench) => {
    await p.add('mail', ...jobs(3, {}, 'mail-'));
    await p.add('sms', ...jobs(3, {}, 'sms-'));
    const requests = [p.request('sms', 2), p.request('empty', 5), p.request('mail', 1)];
    const replies = await bench.store.claim(requests, bench.at);
    assert.deepEqual(
      replies.map(({ queue, jobs: taken }) => [queue, ids(taken)]),
      [
        ['sms', ['sms-00000', 'sms-00001']],
        ['empty', []],
        ['mail', ['mail-00000']],
      ],
    );
  });

  it('[claim] no requests are answered with nothing', async (_p, bench) => {
    assert.deepEqual(await bench.store.claim([], bench.at), []);
  });

  it('[claim] makes the job active and records owner, start, attempt and fence', async (p, bench) => {
    await p.add('mail', job('a'));
    bench.forward(1_234);
    const held = await p.takeOne('mail', { owner: 'host-1:42' });
    const stored = await bench.stored('mail', 'a');
    assert.equal(stored.status, 'active');
    assert.equal(stored.owner, 'host-1:42');
    assert.equal(stored.startedAt, bench.now);
    assert.equal(stored.attempt, 1);
    assert.equal(stored.fence, held.fence);
    assert.equal(stored.finishedAt, undefined);
  });

  it('[claim] the job carries what the handler needs', async (p, bench) => {
    const meta = { correlationId: 'c-1', tags: ['x'] };
    await p.add('mail', job('a', { name: 'welcome', data: '{"n":1}', meta, priority: 4 }));
    const born = bench.now;
    bench.forward(777);
    const held = await p.takeOne('mail');
    assert.equal(held.name, 'welcome');
    assert.equal(held.data, '{"n":1}');
    assert.deepEqual(held.meta, meta);
    assert.equal(held.priority, 4);
    assert.equal(held.attempt, 1);
    assert.equal(held.stalledCount, 0);
    assert.equal(held.createdAt, born);
    assert.equal(held.runAt, born);
    assert.equal(held.progress, undefined);
    assert.equal(held.unknownNameSince, undefined);
  });

  it('[claim] the reply carries the store time', async (p, bench) => {
    bench.forward(17);
    assert.equal((await p.claim('mail')).now, bench.now);
  });

  it('[claim] a job that is leased, finished or cancelled is not handed out', async (p, bench) => {
    await p.add('mail', job('leased'), job('done'), job('stopped'));
    const [leased, done] = await p.take('mail', 2);
    assert.ok(leased && done);
    await p.finish('mail', complete(done));
    await p.cancel('mail', 'stopped');
    assert.deepEqual(await bench.process('other').take('mail', 10), []);
    bench.forward(29_000);
    assert.deepEqual(await p.extend('mail', [leased]), ['kept']);
    bench.forward(29_000);
    assert.deepEqual(await bench.process('other').take('mail', 10), []);
  });

  it('[claim] two processes share a queue and never a job', async (p, bench) => {
    await p.add('mail', ...jobs(10));
    const other = bench.process('other');
    const taken: string[] = [];
    for (const one of [p, other, p, other]) taken.push(...ids(await one.take('mail', 3)));
    assert.deepEqual(taken, ids(jobs(10)));
  });
});
