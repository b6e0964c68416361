import assert from 'node:assert/strict';
import type { Bench } from '../bench.js';
import { complete, fail, job, jobs, keeping, KEEP_NONE, LEASE_MS, policy, release, retry } from '../build.js';
import type { ClaimedJob } from '../../kernel/ports/job-store.js';
import type { Process } from '../process.js';
import { suite } from '../suite.js';

/** Adds a job, lets `p` claim it and lose it, and gives it to `other`: the fence of `p` is stale from then on. */
async function loseTo(other: Process, p: Process, bench: Bench): Promise<{ stale: ClaimedJob; current: ClaimedJob }> {
  await p.add('mail', job('a'));
  const stale = await p.takeOne('mail');
  bench.forward(LEASE_MS);
  const current = await other.takeOne('mail');
  assert.equal(current.id, 'a');
  return { stale, current };
}

export const fenceCases = suite('fence', (it) => {
  it('[rule 3] every claim of a job has a larger fence than the one before', async (p, bench) => {
    await p.add('mail', job('a'));
    const first = await p.takeOne('mail');
    await p.finish('mail', retry(first, 0));
    const second = await p.takeOne('mail');
    await p.finish('mail', release(second));
    const third = await p.takeOne('mail');
    bench.forward(LEASE_MS);
    const fourth = await p.takeOne('mail');
    const fences = [first, second, third, fourth].map(({ fence }) => fence);
    for (const [i, fence] of fences.entries()) assert.ok(i === 0 || fence > (fences[i - 1] ?? 0), fences.join());
  });

  it('[rule 3] a fence is a safe integer and at least the store time in microseconds', async (p, bench) => {
    await p.add('mail', ...jobs(3));
    for (const held of await p.take('mail', 3)) {
      assert.ok(Number.isSafeInteger(held.fence), `${held.fence}`);
      assert.ok(held.fence >= bench.now * 1_000, `${held.fence} < ${bench.now * 1_000}`);
    }
  });

  it('[rule 3] jobs of one claim have different fences', async (p) => {
    await p.add('mail', ...jobs(100));
    const fences = (await p.take('mail', 100)).map(({ fence }) => fence);
    assert.equal(new Set(fences).size, 100);
  });

  it('[rule 3] fences grow when the clock of the store steps back', async (p, bench) => {
    await p.add('mail', job('a'));
    const before = await p.takeOne('mail');
    await p.finish('mail', retry(before, 0));
    bench.forward(-3_600_000);
    assert.ok((await p.takeOne('mail')).fence > before.fence);
  });

  it('[rule 3] fences grow over the removal of a job and a new one of its id', async (p) => {
    await p.add('mail', job('a'));
    const before = await p.takeOne('mail');
    await p.finish('mail', complete(before));
    await p.remove('mail', 'a');
    await p.add('mail', job('a'));
    assert.ok((await p.takeOne('mail')).fence > before.fence);
  });

  it('[rule 3] fences grow over removal even when the clock stepped back meanwhile', async (p, bench) => {
    await p.add('mail', job('a'));
    const before = await p.takeOne('mail', { policy: keeping({ completed: KEEP_NONE }) });
    await p.finish('mail', complete(before));
    assert.equal(await bench.get('mail', 'a'), undefined);
    bench.forward(-3_600_000);
    await p.add('mail', job('a'));
    assert.ok((await p.takeOne('mail')).fence > before.fence);
  });

  it('[rule 3] fences grow over obliterate', async (p) => {
    await p.add('mail', job('a'));
    const before = await p.takeOne('mail');
    await p.obliterate('mail', { limit: 10, force: true });
    await p.add('mail', job('a'));
    assert.ok((await p.takeOne('mail')).fence > before.fence);
  });

  it('[rule 3] a stale fence settles nothing', async (p, bench) => {
    const { stale, current } = await loseTo(bench.process('other'), p, bench);
    const then = [{ queue: 'mail', job: job('follow-up') }];
    const outcomes = [
      complete(stale, { result: '"stale"', then }),
      fail(stale, { then }),
      retry(stale, 0),
      release(stale),
    ];
    const { verdicts } = await p.settle('mail', outcomes);
    assert.deepEqual(verdicts, ['lost', 'lost', 'lost', 'lost']);
    await bench.counts('mail', { active: 1 });
    const stored = await bench.stored('mail', 'a');
    assert.equal(stored.owner, 'other');
    assert.equal(stored.fence, current.fence);
    assert.equal(stored.attempt, current.attempt);
    assert.equal(stored.result, undefined);
    assert.equal(stored.error, undefined);
    await bench.process('other').finish('mail', complete(current, { result: '"current"' }));
    assert.equal((await bench.stored('mail', 'a')).result, '"current"');
  });

  it('[rule 3] a stale fence extends nothing, and not the lease of the present owner', async (p, bench) => {
    const { stale, current } = await loseTo(bench.process('other'), p, bench);
    assert.deepEqual(await p.extend('mail', [stale], 3_600_000), ['lost']);
    bench.forward(LEASE_MS);
    assert.deepEqual(
      (await bench.sweep(['mail'])).map(({ fence }) => fence),
      [current.fence],
    );
  });

  it('[rule 3] a stale fence annotates nothing', async (p, bench) => {
    const { stale, current } = await loseTo(bench.process('other'), p, bench);
    const logs = [{ at: bench.now, level: 'info' as const, message: 'stale' }];
    const note = { queue: 'mail', id: 'a', progress: { percent: 99 } };
    await bench.store.annotate([{ ...note, fence: stale.fence, logs }], bench.at);
    const stored = await bench.stored('mail', 'a');
    assert.equal(stored.progress, undefined);
    assert.deepEqual([...stored.logs], []);
    await bench.store.annotate([{ ...note, fence: current.fence }], bench.at);
    assert.equal((await bench.stored('mail', 'a')).progress?.percent, 99);
  });

  it('[rule 3] a note inside a lost outcome is dropped with it', async (p, bench) => {
    const { stale } = await loseTo(bench.process('other'), p, bench);
    await p.settle('mail', [complete(stale, { note: { progress: { percent: 100 } } })]);
    assert.equal((await bench.stored('mail', 'a')).progress, undefined);
  });

  it('[rule 3] a fence that nobody was given settles nothing', async (p, bench) => {
    await p.add('mail', job('a'), job('b'));
    const held = await p.takeOne('mail');
    const guesses = [0, -1, held.fence - 1, held.fence + 1].map((fence) => complete({ id: 'a', fence }));
    const { verdicts } = await p.settle('mail', [...guesses, complete({ id: 'b', fence: 0 })]);
    assert.deepEqual(
      verdicts,
      [...guesses, 'b'].map(() => 'lost'),
    );
    await bench.counts('mail', { active: 1, waiting: 1 });
  });

  it('[rule 3] a fence counts only in its own queue', async (p, bench) => {
    await p.add('mail', job('a'));
    await p.add('sms', job('a'));
    const held = await p.takeOne('mail');
    assert.deepEqual((await p.settle('sms', [complete(held)])).verdicts, ['lost']);
    assert.deepEqual(await p.extend('sms', [held]), ['lost']);
    assert.equal(await bench.status('sms', 'a'), 'waiting');
    await p.finish('mail', complete(held));
  });

  it('[rule 3] after a sweep the former owner settles nothing while the job waits', async (p, bench) => {
    await p.add('mail', job('a'));
    const stale = await p.takeOne('mail');
    bench.forward(LEASE_MS);
    await bench.sweep(['mail']);
    assert.deepEqual((await p.settle('mail', [complete(stale)])).verdicts, ['lost']);
    assert.deepEqual(await p.extend('mail', [stale]), ['lost']);
    assert.equal(await bench.status('mail', 'a'), 'waiting');
  });

  it('[rule 3] after a sweep failed the job, its former owner is told lost, not already', async (p, bench) => {
    await p.add('mail', job('a'));
    const stale = await p.takeOne('mail', { policy: policy({ guaranteedWorker: false }) });
    bench.forward(LEASE_MS);
    await bench.sweep(['mail']);
    assert.deepEqual((await p.settle('mail', [complete(stale, { result: '1' })])).verdicts, ['lost']);
    const stored = await bench.stored('mail', 'a');
    assert.equal(stored.status, 'failed');
    assert.equal(stored.result, undefined);
  });

  it('[rule 3] a frozen owner cannot touch a new job of the same id', async (p, bench) => {
    await p.add('mail', job('a'));
    const frozen = await p.takeOne('mail');
    await p.obliterate('mail', { limit: 10, force: true });
    await p.add('mail', job('a', { data: '"new"' }));
    const other = bench.process('other');
    assert.deepEqual((await p.settle('mail', [complete(frozen)])).verdicts, ['lost']);
    assert.equal(await bench.status('mail', 'a'), 'waiting');
    const held = await other.takeOne('mail');
    assert.deepEqual((await p.settle('mail', [fail(frozen), retry(frozen, 0)])).verdicts, ['lost', 'lost']);
    assert.deepEqual(await p.extend('mail', [frozen]), ['lost']);
    await bench.store.annotate([{ queue: 'mail', id: 'a', fence: frozen.fence, progress: { percent: 50 } }], bench.at);
    const stored = await bench.stored('mail', 'a');
    assert.equal(stored.status, 'active');
    assert.equal(stored.owner, 'other');
    assert.equal(stored.progress, undefined);
    await other.finish('mail', complete(held));
  });
});
