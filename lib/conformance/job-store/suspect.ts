import assert from 'node:assert/strict';
import type { Bench } from '../bench.js';
import { complete, ids, job, jobs, LEASE_MS, policy, release, retry } from '../build.js';
import type { Process } from '../process.js';
import { suite } from '../suite.js';

/** One stall puts a job at its cap. */
const STRICT = policy({ maxStalledCount: 1, stallBackoff: { delayMs: 0, maxDelayMs: 0 } });

/** Lets the first `count` waiting jobs stall together, so that each stands at its cap. */
async function makeSuspects(p: Process, bench: Bench, count: number): Promise<void> {
  await p.take('mail', count, { policy: STRICT });
  bench.forward(LEASE_MS);
  assert.equal((await bench.sweep(['mail'])).length, count);
}

export const suspectCases = suite('suspect', (it) => {
  it('[suspect] a job at its stall cap is passed over by a process that runs others, and counted', async (p, bench) => {
    await p.add('mail', ...jobs(3, {}, ''));
    await makeSuspects(p, bench, 1);
    const reply = await p.claim('mail', 10, { policy: STRICT });
    assert.deepEqual(ids(reply.jobs), ['00001', '00002']);
    assert.equal(reply.suspects, 1);
    const nothing = await p.claim('mail', 10, { policy: STRICT });
    assert.deepEqual(nothing.jobs, []);
    assert.equal(nothing.suspects, 1);
    await bench.counts('mail', { waiting: 1, active: 2 });
  });

  it('[suspect] a suspect is handed out alone, with nothing beside it', async (p, bench) => {
    await p.add('mail', ...jobs(3, {}, ''));
    await makeSuspects(p, bench, 1);
    const reply = await p.claim('mail', 10, { policy: STRICT, alone: true });
    assert.deepEqual(ids(reply.jobs), ['00000']);
    assert.equal(reply.jobs[0]?.stalledCount, 1);
    assert.equal(reply.suspects, 0);
    await bench.counts('mail', { waiting: 2, active: 1 });
  });

  it('[suspect] two suspects never share a process, and come in their order', async (p, bench) => {
    await p.add('mail', ...jobs(2, {}, ''));
    await makeSuspects(p, bench, 2);
    const first = await p.claim('mail', 10, { policy: STRICT, alone: true });
    assert.deepEqual(ids(first.jobs), ['00000']);
    assert.equal(first.suspects, 1);
    const second = await bench.process('other').claim('mail', 10, { policy: STRICT, alone: true });
    assert.deepEqual(ids(second.jobs), ['00001']);
    assert.equal(second.suspects, 0);
  });

  it('[suspect] on a lifo queue the newest suspect comes first', async (p, bench) => {
    await p.declare('mail', { strategy: 'lifo' });
    await p.add('mail', ...jobs(2, {}, ''));
    await makeSuspects(p, bench, 2);
    const listed = ids(await bench.list('mail', 'waiting'));
    assert.deepEqual(ids(await p.take('mail', 10, { policy: STRICT, alone: true })), ['00001']);
    assert.deepEqual(listed, ['00001', '00000']);
  });

  it('[suspect] a claim for no jobs gets no suspect either', async (p, bench) => {
    await p.add('mail', ...jobs(1, {}, ''));
    await makeSuspects(p, bench, 1);
    const reply = await p.claim('mail', 0, { policy: STRICT, alone: true });
    assert.deepEqual(reply.jobs, []);
    assert.equal(reply.suspects, 1);
  });

  it('[suspect] a process that runs nothing gets ordinary jobs when there is no suspect', async (p) => {
    await p.add('mail', ...jobs(3, {}, ''));
    const reply = await p.claim('mail', 10, { policy: STRICT, alone: true });
    assert.deepEqual(ids(reply.jobs), ['00000', '00001', '00002']);
    assert.equal(reply.suspects, 0);
  });

  it('[suspect] a job below its cap is no suspect', async (p, bench) => {
    const rules = policy({ maxStalledCount: 2, stallBackoff: { delayMs: 0, maxDelayMs: 0 } });
    await p.add('mail', ...jobs(2, {}, ''));
    await p.takeOne('mail', { policy: rules });
    bench.forward(LEASE_MS);
    const below = await p.claim('mail', 1, { policy: rules });
    assert.deepEqual(ids(below.jobs), ['00000']);
    assert.equal(below.suspects, 0);
    bench.forward(LEASE_MS);
    const at = await p.claim('mail', 10, { policy: rules });
    assert.deepEqual(ids(at.jobs), ['00001']);
    assert.equal(at.suspects, 1);
  });

  it('[suspect] a suspect that runs alone can complete', async (p, bench) => {
    await p.add('mail', job('a'));
    await makeSuspects(p, bench, 1);
    await p.finish('mail', complete(await p.takeOne('mail', { policy: STRICT, alone: true })));
    await bench.counts('mail', { completed: 1 });
  });

  it('[suspect] a suspect that was handed back or retried is still a suspect', async (p, bench) => {
    await p.add('mail', job('a'));
    await makeSuspects(p, bench, 1);
    await p.finish('mail', release(await p.takeOne('mail', { policy: STRICT, alone: true })));
    assert.deepEqual(await p.take('mail', 10, { policy: STRICT }), []);
    await p.finish('mail', retry(await p.takeOne('mail', { policy: STRICT, alone: true }), 10));
    bench.forward(10);
    const reply = await p.claim('mail', 10, { policy: STRICT });
    assert.deepEqual(reply.jobs, []);
    assert.equal(reply.suspects, 1);
  });

  it('[suspect] only the poison job passes the cap, its neighbours never do', async (p, bench) => {
    await p.add('mail', ...jobs(5, {}, ''));
    const poison = '00002';
    for (let crash = 0; crash < 20; crash += 1) {
      const held = await p.take('mail', 10, { policy: STRICT, alone: true });
      if (held.length === 0) break;
      if (ids(held).includes(poison)) bench.forward(LEASE_MS);
      else await p.finish('mail', ...held.map((one) => complete(one)));
      await bench.sweep();
    }
    assert.deepEqual(ids(await bench.list('mail', 'failed')), [poison]);
    await bench.counts('mail', { completed: 4, failed: 1 });
  });

  it('[suspect] suspects are waiting jobs: they are listed, counted, cancelled and removed like others', async (p, bench) => {
    await p.add('mail', ...jobs(4, {}, ''));
    await makeSuspects(p, bench, 3);
    await bench.counts('mail', { waiting: 4 });
    assert.deepEqual(ids(await bench.list('mail', 'waiting', 1)).toSorted(), ['00000', '00001', '00002', '00003']);
    assert.equal((await p.cancel('mail', '00000')).verdict, 'cancelled');
    assert.equal((await p.remove('mail', '00001')).verdict, 'done');
    assert.equal((await p.claim('mail', 0, { policy: STRICT })).suspects, 1);
    await bench.counts('mail', { waiting: 2, cancelled: 1 });
  });

  it('[suspect] a settle can claim alone, too', async (p, bench) => {
    await p.add('mail', ...jobs(3, {}, ''));
    await makeSuspects(p, bench, 1);
    const held = await p.takeOne('mail', { policy: STRICT });
    const reply = await p.settle('mail', [complete(held)], { count: 5, policy: STRICT, alone: true });
    assert.deepEqual(ids(reply.claim?.jobs ?? []), ['00000']);
  });
});
