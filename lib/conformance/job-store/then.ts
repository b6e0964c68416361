import assert from 'node:assert/strict';
import { complete, fail, ids, job, keeping, KEEP_NONE, LEASE_MS, storedError } from '../build.js';
import { suite } from '../suite.js';

export const thenCases = suite('then', (it) => {
  it('[rule 7] complete creates its follow-up jobs, in its own queue and in others', async (p, bench) => {
    await p.add('mail', job('a'));
    const then = [
      { queue: 'mail', job: job('next', { data: '1' }) },
      { queue: 'audit', job: job('entry', { data: '2', priority: 3 }) },
      { queue: 'audit', job: job('later', { delayMs: 1_000 }) },
    ];
    await p.finish('mail', complete(await p.takeOne('mail'), { then }));
    await bench.counts('mail', { completed: 1, waiting: 1 });
    await bench.counts('audit', { waiting: 1, delayed: 1 });
    assert.equal((await bench.stored('mail', 'next')).data, '1');
    const entry = await bench.stored('audit', 'entry');
    assert.equal(entry.data, '2');
    assert.equal(entry.priority, 3);
    assert.equal(entry.createdAt, bench.now);
    assert.equal((await bench.stored('audit', 'later')).runAt, bench.now + 1_000);
    assert.deepEqual(ids(await p.take('audit', 10)), ['entry']);
  });

  it('[rule 7] fail creates its dead letter with it', async (p, bench) => {
    await p.add('mail', job('a'));
    const then = [{ queue: 'dead', job: job('a', { data: '"copy"' }) }];
    await p.finish('mail', fail(await p.takeOne('mail'), { error: storedError('no'), then }));
    assert.equal(await bench.status('mail', 'a'), 'failed');
    assert.equal((await bench.stored('dead', 'a')).data, '"copy"');
  });

  it('[rule 7] a follow-up job in the same queue can be claimed by the same call', async (p) => {
    await p.add('mail', job('a'));
    const then = [{ queue: 'mail', job: job('next') }];
    const reply = await p.settle('mail', [complete(await p.takeOne('mail'), { then })], { count: 5 });
    assert.deepEqual(ids(reply.claim?.jobs ?? []), ['next']);
  });

  it('[rule 7] a follow-up id that exists leaves the job that stands and settles all the same', async (p, bench) => {
    await p.add('audit', job('entry', { data: '"old"' }));
    await p.add('mail', job('a'));
    const then = [
      { queue: 'audit', job: job('entry', { data: '"new"' }) },
      { queue: 'audit', job: job('fresh') },
    ];
    await p.finish('mail', complete(await p.takeOne('mail'), { then }));
    assert.equal((await bench.stored('audit', 'entry')).data, '"old"');
    await bench.counts('audit', { waiting: 2 });
  });

  it('[rule 7] a job that is removed as it finishes still creates its follow-up jobs', async (p, bench) => {
    await p.add('mail', job('a'));
    const held = await p.takeOne('mail', { policy: keeping({ completed: KEEP_NONE }) });
    await p.finish('mail', complete(held, { then: [{ queue: 'mail', job: job('a', { data: '"again"' }) }] }));
    assert.equal((await bench.stored('mail', 'a')).data, '"again"');
    await bench.counts('mail', { waiting: 1 });
  });

  it('[rule 3] a lost outcome creates no follow-up jobs', async (p, bench) => {
    await p.add('mail', job('a'), job('b'));
    const [expired, stopped] = await p.take('mail', 2);
    assert.ok(expired && stopped);
    await p.cancel('mail', stopped.id);
    bench.forward(LEASE_MS);
    await bench.sweep();
    const then = [{ queue: 'audit', job: job('entry') }];
    const { verdicts } = await p.settle('mail', [complete(expired, { then }), fail(stopped, { then })]);
    assert.deepEqual(verdicts, ['lost', 'lost']);
    await bench.counts('audit', {});
  });

  it('[rule 3] an outcome that settled already creates no second follow-up', async (p, bench) => {
    await p.add('mail', job('a'));
    const held = await p.takeOne('mail');
    await p.finish('mail', complete(held, { then: [{ queue: 'audit', job: job('one') }] }));
    await p.settle('mail', [complete(held, { then: [{ queue: 'audit', job: job('two') }] })]);
    assert.deepEqual(ids(await bench.list('audit', 'waiting')), ['one']);
  });
});
