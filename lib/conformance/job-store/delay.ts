import assert from 'node:assert/strict';
import { complete, ids, job, jobs } from '../build.js';
import { suite } from '../suite.js';

const HUNDRED_YEARS = 100 * 365 * 24 * 3_600_000;

export const delayCases = suite('delay', (it) => {
  it('[delay] a delayed job is not handed out 1 ms early, and is when it is due', async (p, bench) => {
    await p.add('mail', job('a', { delayMs: 5_000 }));
    await bench.counts('mail', { delayed: 1 });
    bench.forward(4_999);
    assert.deepEqual(await p.take('mail', 10), []);
    assert.equal(await bench.status('mail', 'a'), 'delayed');
    bench.forward(1);
    assert.deepEqual(ids(await p.take('mail', 10)), ['a']);
  });

  it('[delay] a delay of 1 ms is a delay', async (p, bench) => {
    await p.add('mail', job('a', { delayMs: 1 }));
    assert.deepEqual(await p.take('mail', 10), []);
    bench.forward(1);
    assert.deepEqual(ids(await p.take('mail', 10)), ['a']);
  });

  it('[delay] a delay of 0 is none', async (p, bench) => {
    const [added] = await p.add('mail', job('a', { delayMs: 0 }));
    assert.equal(added?.status, 'waiting');
    await bench.counts('mail', { waiting: 1 });
    assert.deepEqual(ids(await p.take('mail')), ['a']);
  });

  it('[delay] an absolute instant wins over a delay', async (p, bench) => {
    const [added] = await p.add('mail', job('a', { delayMs: 1_000, runAt: bench.now + 5_000 }));
    assert.equal(added?.status, 'delayed');
    assert.equal(added.runAt, bench.now + 5_000);
    bench.forward(4_999);
    assert.deepEqual(await p.take('mail'), []);
    bench.forward(1);
    assert.deepEqual(ids(await p.take('mail')), ['a']);
  });

  it('[delay] an instant in the past or present is no delay', async (p, bench) => {
    const added = await p.add(
      'mail',
      job('past', { runAt: bench.now - 1_000, delayMs: 9_000 }),
      job('epoch', { runAt: 0 }),
      job('present', { runAt: bench.now }),
    );
    for (const { id, status, runAt } of added) {
      assert.equal(status, 'waiting', id);
      assert.equal(runAt, bench.now, id);
    }
    assert.deepEqual(ids(await p.take('mail', 10)), ['past', 'epoch', 'present']);
  });

  it('[delay] the handed-out job says when it was due, not when it was picked up', async (p, bench) => {
    await p.add('mail', job('a', { delayMs: 5_000 }));
    const due = bench.now + 5_000;
    bench.forward(8_000);
    assert.equal((await p.takeOne('mail')).runAt, due);
  });

  it('[delay] delays of a hundred years are kept exactly', async (p, bench) => {
    await p.add('mail', job('a', { delayMs: HUNDRED_YEARS }), job('b', { delayMs: HUNDRED_YEARS - 1 }));
    const stored = await bench.stored('mail', 'a');
    assert.equal(stored.runAt, bench.now + HUNDRED_YEARS);
    assert.equal((await p.claim('mail')).nextDueMs, HUNDRED_YEARS - 1);
    bench.forward(HUNDRED_YEARS - 1);
    assert.deepEqual(ids(await p.take('mail', 10)), ['b']);
  });

  it('[delay] only due jobs are promoted', async (p, bench) => {
    await p.add('mail', ...[10, 20, 30, 40].map((delayMs) => job(`in-${delayMs}`, { delayMs })));
    bench.forward(20);
    assert.deepEqual(ids(await p.take('mail', 10)), ['in-10', 'in-20']);
    await bench.counts('mail', { active: 2, delayed: 2 });
    bench.forward(10);
    assert.deepEqual(ids(await p.take('mail', 10)), ['in-30']);
  });

  it('[delay] a due job is handed out once', async (p, bench) => {
    await p.add('mail', ...jobs(5, { delayMs: 10 }));
    bench.forward(10);
    const other = bench.process('other');
    const taken = [...(await p.take('mail', 3)), ...(await other.take('mail', 3)), ...(await p.take('mail', 3))];
    assert.deepEqual(ids(taken), ids(jobs(5)));
  });

  it('[rule 9] nextDueMs counts the next delayed job', async (p, bench) => {
    await p.add('mail', job('later', { delayMs: 9_000 }), job('sooner', { delayMs: 4_000 }));
    bench.forward(1_000);
    assert.equal((await p.claim('mail')).nextDueMs, 3_000);
    bench.forward(3_000);
    assert.deepEqual(ids(await p.take('mail')), ['sooner']);
  });

  it('[rule 9] nextDueMs is the nearer one of a delayed job and the end of a lease', async (p, bench) => {
    const other = bench.process('other');
    await p.add('mail', job('leased'), job('delayed', { delayMs: 4_000 }));
    await p.takeOne('mail', { leaseMs: 9_000 });
    assert.equal((await other.claim('mail')).nextDueMs, 4_000);
    await p.remove('mail', 'delayed');
    assert.equal((await other.claim('mail')).nextDueMs, 9_000);
  });

  it('[rule 9] nextDueMs is absent when nothing can become due', async (p) => {
    assert.equal((await p.claim('mail')).nextDueMs, undefined);
    await p.add('mail', job('a'));
    await p.finish('mail', complete(await p.takeOne('mail')));
    assert.equal((await p.claim('mail')).nextDueMs, undefined);
  });

  it('[rule 9] waiting for nextDueMs is enough, over and over', async (p, bench) => {
    await p.add('mail', ...[3, 1, 4, 1, 5].map((n, i) => job(`job-${i}`, { delayMs: n * 777 })));
    const taken: string[] = [];
    for (let turn = 0; turn < 5; turn += 1) {
      const { nextDueMs } = await p.claim('mail', 0);
      if (nextDueMs === undefined) break;
      bench.forward(nextDueMs);
      const due = await p.take('mail', 10);
      assert.ok(due.length > 0, 'nothing was due after nextDueMs');
      taken.push(...ids(due));
      await p.finish('mail', ...due.map((held) => complete(held)));
    }
    assert.deepEqual(taken, ['job-1', 'job-3', 'job-0', 'job-2', 'job-4']);
  });

  it('[rule 2] a clock that steps back delays a job and loses nothing', async (p, bench) => {
    await p.add('mail', job('a', { delayMs: 1_000 }));
    bench.forward(-60_000);
    assert.deepEqual(await p.take('mail'), []);
    await bench.counts('mail', { delayed: 1 });
    bench.forward(61_000);
    assert.deepEqual(ids(await p.take('mail')), ['a']);
  });
});
