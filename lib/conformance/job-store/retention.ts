import assert from 'node:assert/strict';
import type { Bench } from '../bench.js';
import {
  complete,
  fail,
  ids,
  job,
  jobs,
  keeping,
  KEEP_ALL,
  KEEP_NONE,
  LEASE_MS,
  policy,
  type ConsumerKeep,
  type JobKeep,
} from '../build.js';
import type { Process } from '../process.js';
import { suite } from '../suite.js';

/** Runs one job to completion 1 ms after the one before, so that "newest" is never a tie. */
async function run(
  p: Process,
  bench: Bench,
  id: string,
  consumer: Partial<ConsumerKeep>,
  keep?: JobKeep,
): Promise<void> {
  bench.forward(1);
  await p.add('mail', job(id, keep ? { keep } : {}));
  await p.finish('mail', complete(await p.takeOne('mail', { policy: keeping(consumer) })));
}

export const retentionCases = suite('retention', (it) => {
  it('[rule 7] count: the newest finished jobs stay', async (p, bench) => {
    for (const id of ['a', 'b', 'c', 'd', 'e']) await run(p, bench, id, { completed: { count: 3, ageMs: null } });
    assert.deepEqual(ids(await bench.list('mail', 'completed')), ['e', 'd', 'c']);
    await bench.counts('mail', { completed: 3 });
    assert.equal(await bench.get('mail', 'a'), undefined);
  });

  it('[rule 7] count holds for a whole batch that settles at once', async (p, bench) => {
    await p.add('mail', ...jobs(20));
    const held = await p.take('mail', 20, { policy: keeping({ completed: { count: 5, ageMs: null } }) });
    await p.finish('mail', ...held.map((one) => complete(one)));
    await bench.counts('mail', { completed: 5 });
    assert.equal((await bench.list('mail', 'completed')).length, 5);
  });

  it('[rule 7] count 0 removes a job as it finishes, and its id is free', async (p, bench) => {
    await run(p, bench, 'a', { completed: KEEP_NONE });
    assert.equal(await bench.get('mail', 'a'), undefined);
    await bench.counts('mail', {});
    assert.equal((await p.add('mail', job('a')))[0]?.created, true);
  });

  it('[rule 7] a rule without bounds keeps everything', async (p, bench) => {
    for (let i = 0; i < 30; i += 1) await run(p, bench, `job-${i}`, { completed: KEEP_ALL });
    bench.forward(10 * 365 * 24 * 3_600_000);
    await bench.sweep();
    await bench.counts('mail', { completed: 30 });
  });

  it('[rule 7] age: a settle removes what is too old, and no earlier', async (p, bench) => {
    const consumer = { completed: { count: null, ageMs: 60_000 } };
    await run(p, bench, 'old', consumer);
    bench.forward(59_998);
    await run(p, bench, 'young', consumer);
    await bench.counts('mail', { completed: 2 });
    bench.forward(1);
    await run(p, bench, 'new', consumer);
    assert.deepEqual(ids(await bench.list('mail', 'completed')), ['new', 'young']);
  });

  it('[rule 7] age: a sweep removes what got too old while the queue rested, and no earlier', async (p, bench) => {
    const consumer = { completed: { count: null, ageMs: 60_000 } };
    await run(p, bench, 'a', consumer);
    bench.forward(30_000);
    await run(p, bench, 'b', consumer);
    bench.forward(29_998);
    await bench.sweep();
    await bench.counts('mail', { completed: 2 });
    bench.forward(2);
    await bench.sweep();
    assert.deepEqual(ids(await bench.list('mail', 'completed')), ['b']);
    bench.forward(60_000);
    await bench.sweep(['mail']);
    await bench.counts('mail', {});
  });

  it('[rule 6] a sweep removes at most `limit` old jobs, and later ones go on', async (p, bench) => {
    const rule = { count: null, ageMs: 1_000 };
    await p.add('mail', ...jobs(10));
    const held = await p.take('mail', 10, { policy: keeping({ completed: rule, failed: rule }) });
    await p.finish('mail', ...held.map((one, i) => (i < 4 ? complete(one) : fail(one))));
    bench.forward(1_001);
    await bench.sweep(['mail'], 5);
    const { completed, failed } = await bench.admin.counts('mail', bench.at);
    assert.ok(completed + failed >= 5, `one sweep of at most 5 left ${completed + failed} of 10`);
    for (let i = 0; i < 10; i += 1) await bench.sweep(['mail'], 5);
    await bench.counts('mail', {});
  });

  it('[rule 7] count and age hold together', async (p, bench) => {
    const consumer = { completed: { count: 2, ageMs: 60_000 } };
    for (const id of ['a', 'b', 'c']) await run(p, bench, id, consumer);
    assert.deepEqual(ids(await bench.list('mail', 'completed')), ['c', 'b']);
    bench.forward(60_001);
    await run(p, bench, 'd', consumer);
    assert.deepEqual(ids(await bench.list('mail', 'completed')), ['d']);
  });

  it('[rule 7] completed and failed jobs have their own rules', async (p, bench) => {
    const rules = policy({
      keep: { defaults: { completed: { count: 1, ageMs: null }, failed: { count: 2, ageMs: null } } },
    });
    for (let i = 0; i < 4; i += 1) {
      bench.forward(1);
      await p.add('mail', job(`done-${i}`), job(`failed-${i}`));
      const [done, failed] = await p.take('mail', 2, { policy: rules });
      assert.ok(done && failed);
      await p.finish('mail', complete(done), fail(failed));
    }
    assert.deepEqual(ids(await bench.list('mail', 'completed')), ['done-3']);
    assert.deepEqual(ids(await bench.list('mail', 'failed')), ['failed-3', 'failed-2']);
    await bench.counts('mail', { completed: 1, failed: 2 });
  });

  it("[rule 7] a job's own rule wins over its consumer's: removed", async (p, bench) => {
    await run(p, bench, 'a', { completed: KEEP_ALL }, { completed: { ...KEEP_NONE, from: 'job' } });
    assert.equal(await bench.get('mail', 'a'), undefined);
  });

  it("[rule 7] a job's own rule wins over its consumer's: kept", async (p, bench) => {
    await run(p, bench, 'a', { completed: KEEP_NONE }, { completed: { ...KEEP_ALL, from: 'job' } });
    assert.equal(await bench.status('mail', 'a'), 'completed');
  });

  it("[rule 7] the consumer's rule wins over the producer's", async (p, bench) => {
    await run(p, bench, 'kept', { completed: KEEP_ALL }, { completed: { ...KEEP_NONE, from: 'producer' } });
    assert.equal(await bench.status('mail', 'kept'), 'completed');
    await run(p, bench, 'gone', { completed: KEEP_NONE }, { completed: { ...KEEP_ALL, from: 'producer' } });
    assert.equal(await bench.get('mail', 'gone'), undefined);
  });

  it("[rule 7] the producer's rule wins over the defaults", async (p, bench) => {
    await run(p, bench, 'a', {}, { completed: { ...KEEP_NONE, from: 'producer' } });
    assert.equal(await bench.get('mail', 'a'), undefined);
  });

  it('[rule 7] the defaults of the consumer hold where nobody says anything', async (p, bench) => {
    await run(p, bench, 'a', { defaults: { completed: KEEP_NONE, failed: KEEP_ALL } });
    assert.equal(await bench.get('mail', 'a'), undefined);
  });

  it('[rule 7] a job that is removed as it finishes takes no other with it', async (p, bench) => {
    await run(p, bench, 'kept', { completed: KEEP_ALL });
    await run(p, bench, 'gone', { completed: KEEP_NONE });
    assert.deepEqual(ids(await bench.list('mail', 'completed')), ['kept']);
    bench.forward(1_000_000);
    await bench.sweep();
    await bench.counts('mail', { completed: 1 });
  });

  it('[rule 7] retention never touches a job that has not finished', async (p, bench) => {
    const consumer = { completed: { count: 1, ageMs: 1_000 }, failed: { count: 1, ageMs: 1_000 } };
    await p.add('mail', job('active'));
    const active = await p.takeOne('mail', { leaseMs: 10_000_000, policy: keeping(consumer) });
    await p.add('mail', job('delayed', { delayMs: 20_000_000 }));
    for (const id of ['a', 'b', 'c']) await run(p, bench, id, consumer);
    await p.add('mail', job('waiting'));
    bench.forward(1_000_000);
    for (let i = 0; i < 3; i += 1) await bench.sweep();
    await bench.counts('mail', { waiting: 1, delayed: 1, active: 1 });
    await p.finish('mail', complete(active));
    await bench.counts('mail', { waiting: 1, delayed: 1, completed: 1 });
    assert.deepEqual(ids(await p.take('mail', 10)), ['waiting']);
  });

  it('[rule 7] a job that fails by crashing follows the rule for failed ones', async (p, bench) => {
    const rules = policy({ guaranteedWorker: false, keep: { defaults: { completed: KEEP_ALL, failed: KEEP_NONE } } });
    await p.add('mail', job('a'));
    await p.takeOne('mail', { policy: rules });
    bench.forward(LEASE_MS);
    const [swept] = await bench.sweep();
    assert.equal(swept?.to, 'failed');
    assert.equal(await bench.get('mail', 'a'), undefined);
    await bench.counts('mail', {});
  });

  it('[rule 7] the tombstone of a cancelled job stays even where failed jobs are removed at once', async (p, bench) => {
    const keep: JobKeep = { failed: { ...KEEP_NONE, from: 'job' } };
    await p.add('mail', job('waiting', { keep, delayMs: 1_000 }), job('active', { keep }));
    await p.takeOne('mail', { policy: keeping({ failed: KEEP_NONE }) });
    await p.cancel('mail', 'active');
    await p.cancel('mail', 'waiting');
    await bench.counts('mail', { cancelled: 2 });
    assert.equal(await bench.status('mail', 'active'), 'cancelled');
  });

  it('[rule 7] tombstones of cancelled jobs follow the count for failed ones', async (p, bench) => {
    const keep: JobKeep = { failed: { count: 2, ageMs: null, from: 'job' } };
    for (const id of ['a', 'b', 'c', 'd']) {
      bench.forward(1);
      await p.add('mail', job(id, { keep }));
      await p.cancel('mail', id);
    }
    assert.deepEqual(ids(await bench.list('mail', 'cancelled')), ['d', 'c']);
    await bench.counts('mail', { cancelled: 2 });
  });
});
