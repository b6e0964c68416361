import assert from 'node:assert/strict';
import type { Bench } from '../bench.js';
import { complete, ids, job, jobs, LEASE_MS, policy, release, retry, sequence } from '../build.js';
import type { ClaimReply } from '../../kernel/ports/job-store.js';
import { wakes } from '../inbox.js';
import type { Process } from '../process.js';
import { suite } from '../suite.js';

const SECOND = { rate: { max: 3, durationMs: 1_000 } };

/** What a store may be late by: 1 % of the span, and the ms in which it counts. */
function slack(durationMs: number): number {
  return durationMs / 100 + 1;
}

/** The largest number of instants in any half-open span of this length. */
function most(times: readonly number[], spanMs: number): number {
  return Math.max(0, ...times.map((from) => times.filter((at) => at >= from && at < from + spanMs).length));
}

async function claimed(p: Process, options: Parameters<Process['claim']>[2], count = 10): Promise<string[]> {
  return ids(await p.take('mail', count, options));
}

/** A claim that the rate denied: nothing is handed out, and the answer says when to come again. */
function denied(reply: ClaimReply | undefined, longestMs: number): number {
  assert.deepEqual(reply?.jobs, []);
  assert.ok(reply.retryAfterMs !== undefined && reply.retryAfterMs > 0, 'nothing says when the rate allows more');
  assert.ok(reply.retryAfterMs <= longestMs + slack(longestMs), `retryAfterMs ${reply.retryAfterMs}`);
  return reply.retryAfterMs;
}

export const limitCases = suite('limits', (it) => {
  it('[limits] maxActive holds over all processes', async (p, bench) => {
    await p.add('mail', ...jobs(10));
    const limits = { maxActive: 3 };
    assert.equal((await claimed(p, { limits }, 2)).length, 2);
    assert.equal((await claimed(bench.process('other'), { limits })).length, 1);
    for (const one of [p, bench.process('other')]) {
      const reply = await one.claim('mail', 10, { limits });
      assert.deepEqual([reply.jobs, reply.paused, reply.retryAfterMs], [[], false, undefined]);
    }
    await bench.counts('mail', { active: 3, waiting: 7 });
  });

  it('[limits] a slot of maxActive is free again after each way in which a lease ends', async (p, bench) => {
    await p.add('mail', ...jobs(9, {}, ''));
    const limits = { maxActive: 1 };
    const next = async (expected: string): Promise<{ id: string; fence: number }> => {
      const held = await p.take('mail', 10, { limits, policy: policy({ maxStalledCount: 9 }) });
      assert.deepEqual(ids(held), [expected]);
      assert.deepEqual(await claimed(p, { limits }), []);
      return held[0] ?? { id: '', fence: 0 };
    };
    await p.finish('mail', complete(await next('00000')));
    await p.finish('mail', retry(await next('00001'), 1_000));
    await p.finish('mail', release(await next('00002'), 1_000));
    await next('00003');
    await p.cancel('mail', '00003');
    await next('00004');
    bench.forward(LEASE_MS);
    assert.equal((await bench.sweep()).length, 1);
    await next('00004');
    bench.forward(LEASE_MS);
    assert.equal((await p.claim('mail', 0)).swept.length, 1);
    await next('00005');
    assert.ok((await p.obliterate('mail', { limit: 100, force: true })) > 0);
    await p.add('mail', job('last'));
    await next('last');
  });

  it('[limits] a claim takes back expired leases before it counts', async (p, bench) => {
    await p.add('mail', job('a'));
    const limits = { maxActive: 1 };
    assert.deepEqual(await claimed(p, { limits }), ['a']);
    bench.forward(LEASE_MS);
    assert.deepEqual(await claimed(bench.process('other'), { limits }), ['a']);
  });

  it('[limits] a settle frees its slots before its claim counts them', async (p) => {
    await p.add('mail', ...jobs(4, {}, ''));
    const limits = { maxActive: 2 };
    const [a, b] = await p.take('mail', 2, { limits });
    assert.ok(a && b);
    const one = await p.settle('mail', [complete(a)], { count: 5, limits });
    assert.deepEqual(ids(one.claim?.jobs ?? []), ['00002']);
  });

  it('[limits] each claim is held to its own limits over the leases of all', async (p, bench) => {
    await p.add('mail', ...jobs(20));
    assert.equal((await claimed(p, { limits: { maxActive: 2 } })).length, 2);
    assert.equal((await claimed(bench.process('other'), { limits: { maxActive: 5 } })).length, 3);
    assert.deepEqual(await claimed(p, { limits: { maxActive: 2 } }), []);
    assert.equal((await claimed(bench.process('free'), {}, 4)).length, 4);
    assert.deepEqual(await claimed(bench.process('other'), { limits: { maxActive: 5 } }), []);
    assert.equal((await claimed(p, { limits: { maxActive: 10 } })).length, 1);
  });

  it('[limits] are of one queue', async (p) => {
    for (const queue of ['mail', 'sms']) await p.add(queue, ...jobs(5));
    const limits = { maxActive: 2, ...SECOND };
    assert.equal((await p.take('mail', 5, { limits })).length, 2);
    assert.equal((await p.take('sms', 5, { limits })).length, 2);
  });

  it('[limits] maxActive counts a suspect like any other', async (p, bench) => {
    const rules = policy({ maxStalledCount: 1, stallBackoff: { delayMs: 0, maxDelayMs: 0 } });
    await p.add('mail', ...jobs(3, {}, ''));
    await p.takeOne('mail', { policy: rules });
    bench.forward(LEASE_MS);
    await bench.sweep();
    const limits = { maxActive: 1 };
    await p.takeOne('mail', { policy: rules });
    assert.deepEqual(await claimed(p, { limits, policy: rules, alone: true }), []);
    assert.deepEqual(await claimed(p, { limits: { maxActive: 2 }, policy: rules, alone: true }), ['00000']);
  });

  it('[limits] rate: at most max leases begin in a span, over all processes, and then it says when', async (p, bench) => {
    await p.add('mail', ...jobs(20));
    assert.equal((await claimed(p, { limits: SECOND }, 2)).length, 2);
    assert.equal((await claimed(bench.process('other'), { limits: SECOND })).length, 1);
    denied(await p.claim('mail', 10, { limits: SECOND }), 1_000);
    bench.forward(999);
    const wait = denied(await p.claim('mail', 10, { limits: SECOND }), 1_000);
    bench.forward(wait);
    assert.equal((await claimed(p, { limits: SECOND })).length, 3);
    await bench.counts('mail', { active: 6, waiting: 14 });
  });

  it('[limits] rate: nobody waits longer than the span and 1 % of it', async (p, bench) => {
    await p.add('mail', ...jobs(30));
    for (const durationMs of [10, 100, 1_000, 60_000]) {
      const limits = { rate: { max: 1, durationMs } };
      bench.forward(60_001 + 601);
      for (let turn = 0; turn < 3; turn += 1) {
        assert.equal((await claimed(p, { limits })).length, 1, `${durationMs} ms, turn ${turn}`);
        bench.forward(Math.ceil(durationMs + slack(durationMs)));
      }
    }
  });

  it('[limits] rate: no sliding span sees more than max, whenever people claim', async (p, bench) => {
    const pick = sequence(5);
    const times: number[] = [];
    const limits = { rate: { max: 7, durationMs: 1_000 } };
    let stock = 0;
    for (let turn = 0; turn < 400; turn += 1) {
      bench.forward(pick(4) === 0 ? pick(700) : pick(40));
      if (stock < 50) {
        await p.add('mail', ...jobs(100, {}, `${turn}-`));
        stock += 100;
      }
      const one = bench.process(`worker-${pick(3)}`);
      const held = await one.take('mail', 1 + pick(5), { limits });
      times.push(...held.map(() => bench.now));
      stock -= held.length;
      if (held.length > 0) await one.finish('mail', ...held.map((job_) => complete(job_)));
    }
    assert.ok(times.length > 100, `only ${times.length} leases began`);
    assert.ok(most(times, 1_000) <= 7, `${most(times, 1_000)} leases began within 1 000 ms`);
  });

  it('[limits] rate: who always waits for retryAfterMs gets a job each time', async (p, bench) => {
    const pick = sequence(9);
    await p.add('mail', ...jobs(200));
    const limits = { rate: { max: 5, durationMs: 1_000 } };
    for (let turn = 0; turn < 60; turn += 1) {
      bench.forward(pick(150));
      const reply = await p.claim('mail', 1 + pick(3), { limits });
      if (reply.jobs.length > 0) continue;
      bench.forward(denied(reply, 1_000));
      assert.ok((await claimed(p, { limits })).length > 0, 'it waited as long as it was told, in vain');
    }
  });

  it('[limits] rate: a lease counts although its job was handed back or has ended', async (p, bench) => {
    await p.add('mail', ...jobs(5));
    for (let turn = 0; turn < 3; turn += 1) {
      await p.finish('mail', release(await p.takeOne('mail', { limits: SECOND })));
    }
    denied(await p.claim('mail', 1, { limits: SECOND }), 1_000);
    await bench.counts('mail', { waiting: 5 });
  });

  it('[limits] rate: a claim that finds nothing counts nothing', async (p) => {
    for (let turn = 0; turn < 5; turn += 1) assert.deepEqual(await claimed(p, { limits: SECOND }), []);
    await p.add('mail', ...jobs(5));
    assert.equal((await claimed(p, { limits: SECOND })).length, 3);
  });

  it('[limits] rate: a resent claim answers the same and counts once', async (p, bench) => {
    await p.add('mail', ...jobs(5));
    const request = p.request('mail', 2, { limits: SECOND });
    const [first] = await bench.store.claim([request], bench.at);
    const [again] = await bench.store.claim([request], bench.at);
    assert.deepEqual(again?.jobs, first?.jobs);
    assert.equal((await claimed(p, { limits: SECOND })).length, 1);
  });

  it('[limits] rate: what is due while it denies is not lost and not handed out', async (p, bench) => {
    await p.add('mail', ...jobs(3), job('due', { delayMs: 100 }));
    assert.equal((await claimed(p, { limits: SECOND })).length, 3);
    bench.forward(100);
    const wait = denied(await p.claim('mail', 10, { limits: SECOND }), 1_000);
    bench.forward(wait);
    assert.deepEqual(await claimed(p, { limits: SECOND }), ['due']);
  });

  it('[limits] rate: claims with rates of different spans are both held to them', async (p, bench) => {
    await p.add('mail', ...jobs(100));
    const slow = { rate: { max: 2, durationMs: 60_000 } };
    let handed = 0;
    for (let turn = 0; turn < 20; turn += 1) {
      handed += (await claimed(p, { limits: SECOND }, 1)).length;
      handed += (await claimed(bench.process('other'), { limits: slow }, 1)).length;
    }
    assert.ok(handed <= 5, `${handed} leases began at once under rates of 3 and 2`);
  });

  it('[limits] rate and maxActive hold together', async (p, bench) => {
    await p.add('mail', ...jobs(10));
    const limits = { maxActive: 2, ...SECOND };
    const held = await p.take('mail', 10, { limits });
    assert.equal(held.length, 2);
    await p.finish('mail', ...held.map((one) => complete(one)));
    assert.equal((await claimed(p, { limits })).length, 1);
    denied(await p.claim('mail', 10, { limits }), 1_000);
    await bench.counts('mail', { completed: 2, active: 1, waiting: 7 });
  });

  it('[limits] many processes that claim at once stay within both', async (p, bench) => {
    await p.add('mail', ...jobs(100));
    const workers = Array.from({ length: 8 }, (_, i) => bench.process(`worker-${i}`));
    const rate = { rate: { max: 5, durationMs: 1_000 } };
    const taken = await Promise.all(workers.map((worker) => worker.take('mail', 3, { limits: rate })));
    assert.equal(taken.flat().length, 5);
    bench.forward(5_000);
    const more = await Promise.all(workers.map((worker) => worker.take('mail', 3, { limits: { maxActive: 12 } })));
    assert.equal(more.flat().length, 7);
  });
});

/** Ends of one lease while jobs wait and a process sleeps because the queue was full. */
const FREEING: readonly (readonly [
  string,
  (p: Process, bench: Bench, held: { id: string; fence: number }) => unknown,
])[] = [
  ['a settle', (p, _bench, held) => p.finish('mail', complete(held))],
  ['a cancel', (p, _bench, held) => p.cancel('mail', held.id)],
  [
    'a sweep',
    (_p, bench) => {
      bench.forward(100);
      return bench.sweep(['mail']);
    },
  ],
];

export const limitSignalCases = suite(
  'limits-signals',
  (it) => {
    for (const [what, end] of FREEING) {
      it(`[rule 9] ${what} that frees a slot of maxActive wakes an idle process when jobs wait`, async (p, bench) => {
        await p.add('mail', ...jobs(3));
        const held = await p.takeOne('mail', { leaseMs: 100 });
        const inbox = await bench.listen('sleeper');
        assert.deepEqual(await bench.process('sleeper').take('mail', 1, { limits: { maxActive: 1 } }), []);
        await inbox.settled();
        assert.equal(inbox.wakes('mail'), 0);
        await end(p, bench, held);
        await inbox.woken('mail');
        assert.equal((await bench.process('sleeper').take('mail', 1, { limits: { maxActive: 1 } })).length, 1);
      });
    }

    it('[rule 9] enable wakes idle processes, as many as there are jobs', async (p, bench) => {
      await p.disable('mail');
      await p.add('mail', ...jobs(2));
      const inboxes = [];
      for (const name of ['one', 'two', 'three']) {
        inboxes.push(await bench.listen(name));
        await bench.process(name).take('mail', 5);
      }
      await p.enable('mail');
      assert.equal(await wakes(inboxes, 2), 2);
    });

    it('[rule 9] adding to a disabled queue wakes nobody', async (p, bench) => {
      await p.disable('mail');
      const inbox = await bench.listen('sleeper');
      await bench.process('sleeper').take('mail', 5);
      await p.add('mail', job('a'));
      await inbox.settled();
      assert.equal(inbox.wakes('mail'), 0);
    });

    for (const queue of ['mail', 'sms']) {
      it(`[rule 9] an idle process of the child's queue is woken when the parents are done: ${queue}`, async (p, bench) => {
        await p.add(queue, job('p'));
        await p.add('mail', job('c', { parents: { refs: [{ queue, id: 'p' }], policy: 'block' } }));
        const held = await p.takeOne(queue);
        const inbox = await bench.listen('sleeper');
        assert.deepEqual(await bench.process('sleeper').take('mail', 5), []);
        await inbox.settled();
        assert.equal(inbox.wakes('mail'), 0);
        await p.finish(queue, complete(held));
        await inbox.woken('mail');
      });
    }

    it('[rule 9] a child whose delay is the next to end wakes an idle process of its queue', async (p, bench) => {
      await p.add('sms', job('p'));
      const parents = { refs: [{ queue: 'sms', id: 'p' }], policy: 'block' as const };
      await p.add('mail', job('c', { delayMs: 500, parents }));
      const inbox = await bench.listen('sleeper');
      assert.equal((await bench.process('sleeper').claim('mail', 5)).nextDueMs, undefined);
      await p.finish('sms', complete(await p.takeOne('sms')));
      await inbox.woken('mail');
      assert.equal((await bench.process('sleeper').claim('mail', 5)).nextDueMs, 500);
    });

    it('[rule 9] a dead letter wakes an idle process of its queue', async (p, bench) => {
      await p.add('mail', job('a'));
      const held = await p.takeOne('mail', { policy: policy({ deadLetter: { queue: 'dead' } }) });
      const inbox = await bench.listen('sleeper');
      assert.deepEqual(await bench.process('sleeper').take('dead', 5), []);
      await p.finish('mail', {
        kind: 'fail',
        id: held.id,
        fence: held.fence,
        error: { name: 'Error', message: 'no' },
      });
      await inbox.woken('dead');
    });
  },
  { needsSignals: true },
);
