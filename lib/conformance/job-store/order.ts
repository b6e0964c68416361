import assert from 'node:assert/strict';
import { ids, job, jobs, release, retry, sequence } from '../build.js';
import { suite } from '../suite.js';

export const orderCases = suite('order', (it) => {
  it('[rule 5] fifo hands out the oldest first, also within one ms', async (p, bench) => {
    for (const id of ['c', 'a', 'b']) await p.add('mail', job(id));
    bench.forward(1);
    for (const id of ['0', 'z']) await p.add('mail', job(id));
    assert.deepEqual(ids(await p.take('mail', 10)), ['c', 'a', 'b', '0', 'z']);
  });

  it('[rule 5] groups and items of one call keep their order', async (p) => {
    await p.addGroups('mail', [[job('z'), job('y')], [job('x')], [job('w'), job('v')]]);
    assert.deepEqual(ids(await p.take('mail', 10)), ['z', 'y', 'x', 'w', 'v']);
  });

  it('[rule 5] order does not break where counters get another digit or byte', async (p) => {
    const all = jobs(1_100);
    for (let from = 0; from < all.length; from += 100) await p.add('mail', ...all.slice(from, from + 100));
    const taken: string[] = [];
    for (let batch = 0; batch < 11; batch += 1) taken.push(...ids(await p.take('mail', 100)));
    assert.deepEqual(taken, ids(all));
  });

  it('[rule 5] a priority on a fifo queue is kept, ignored for order, and strands nothing', async (p, bench) => {
    await p.declare('mail', { strategy: 'fifo' });
    await p.add('mail', job('a', { priority: 9 }), job('b', { priority: 0 }), job('c', { priority: 2_097_152 }));
    assert.deepEqual(
      (await p.take('mail', 10)).map(({ id, priority }) => [id, priority]),
      [
        ['a', 9],
        ['b', 0],
        ['c', 2_097_152],
      ],
    );
    await bench.counts('mail', { active: 3 });
  });

  it('[rule 5] priority hands out the lowest number first and the oldest among equals', async (p) => {
    await p.declare('mail', { strategy: 'priority' });
    const priorities = [256, 0, 2_097_152, 10, 9, 0, 255, 1, 2_097_151, 100, 9, 65_536, 2, 65_535, 1];
    await p.add('mail', ...priorities.map((priority, i) => job(`${priority}/${i}`, { priority })));
    const expected = priorities
      .map((priority, i) => ({ priority, i }))
      .toSorted((a, b) => a.priority - b.priority || a.i - b.i)
      .map(({ priority, i }) => `${priority}/${i}`);
    const taken: string[] = [];
    for (let batch = 0; batch < 5; batch += 1) taken.push(...ids(await p.take('mail', 3)));
    assert.deepEqual(taken, expected);
  });

  it('[rule 5] a more urgent job overtakes what waits, call by call', async (p) => {
    await p.declare('mail', { strategy: 'priority' });
    await p.add('mail', job('slow', { priority: 5 }));
    await p.add('mail', job('urgent', { priority: 1 }));
    assert.deepEqual(ids(await p.take('mail')), ['urgent']);
    await p.add('mail', job('unset'));
    assert.deepEqual(ids(await p.take('mail', 2)), ['unset', 'slow']);
  });

  it('[rule 5] lifo hands out the newest first', async (p) => {
    await p.declare('mail', { strategy: 'lifo' });
    await p.add('mail', job('a'), job('b'));
    await p.add('mail', job('c'));
    assert.deepEqual(ids(await p.take('mail', 2)), ['c', 'b']);
    await p.add('mail', job('d', { priority: 7 }));
    assert.deepEqual(ids(await p.take('mail', 10)), ['d', 'a']);
  });

  it('[rule 5] a retry without delay goes behind what waits', async (p) => {
    await p.add('mail', ...jobs(3, {}, ''));
    await p.finish('mail', retry(await p.takeOne('mail'), 0));
    assert.deepEqual(ids(await p.take('mail', 10)), ['00001', '00002', '00000']);
  });

  it('[rule 5] a release without delay keeps its place', async (p) => {
    await p.add('mail', ...jobs(4, {}, ''));
    const [first, second] = await p.take('mail', 2);
    assert.ok(first && second);
    await p.finish('mail', release(second), release(first));
    assert.deepEqual(ids(await p.take('mail', 10)), ['00000', '00001', '00002', '00003']);
  });

  it('[rule 5] a release keeps its place among equal priorities', async (p) => {
    await p.declare('mail', { strategy: 'priority' });
    await p.add('mail', job('a', { priority: 1 }), job('b', { priority: 1 }), job('c', { priority: 0 }));
    const held = await p.take('mail', 2);
    assert.deepEqual(ids(held), ['c', 'a']);
    await p.finish('mail', ...held.map((one) => release(one)));
    assert.deepEqual(ids(await p.take('mail', 10)), ['c', 'a', 'b']);
  });

  it('[rule 5] a release on a lifo queue keeps its place', async (p) => {
    await p.declare('mail', { strategy: 'lifo' });
    await p.add('mail', job('a'), job('b'));
    const held = await p.takeOne('mail');
    await p.add('mail', job('c'));
    await p.finish('mail', release(held));
    assert.deepEqual(ids(await p.take('mail', 10)), ['c', 'b', 'a']);
  });

  it('[rule 5] due jobs are promoted in order of when they were due, then of adding', async (p, bench) => {
    await p.add('mail', job('late', { delayMs: 30 }), job('early-1', { delayMs: 10 }), job('early-2', { delayMs: 10 }));
    bench.forward(5);
    await p.add('mail', job('middle', { delayMs: 15 }), job('early-3', { delayMs: 5 }));
    bench.forward(100);
    assert.deepEqual(ids(await p.take('mail', 10)), ['early-1', 'early-2', 'early-3', 'middle', 'late']);
  });

  it('[rule 5] a due job goes behind what was added before the claim that promoted it', async (p, bench) => {
    await p.add('mail', job('delayed', { delayMs: 10 }));
    bench.forward(20);
    await p.add('mail', job('added'));
    bench.forward(20);
    assert.deepEqual(ids(await p.take('mail', 10)), ['added', 'delayed']);
  });

  it('[rule 5] due jobs that a claim had no room for keep their turn', async (p, bench) => {
    await p.add('mail', ...jobs(3, { delayMs: 10 }, 'due-'));
    bench.forward(10);
    assert.deepEqual(ids(await p.take('mail')), ['due-00000']);
    await p.add('mail', job('added'));
    assert.deepEqual(ids(await p.take('mail', 10)), ['due-00001', 'due-00002', 'added']);
  });

  it('[rule 5] a due job takes the place of its priority', async (p, bench) => {
    await p.declare('mail', { strategy: 'priority' });
    await p.add('mail', job('urgent', { priority: 1, delayMs: 10 }), job('slow', { priority: 9, delayMs: 10 }));
    await p.add('mail', job('ready', { priority: 5 }));
    bench.forward(10);
    assert.deepEqual(ids(await p.take('mail', 10)), ['urgent', 'ready', 'slow']);
  });

  it('[rule 5] on a lifo queue a job that became due is the newest', async (p, bench) => {
    await p.declare('mail', { strategy: 'lifo' });
    await p.add('mail', job('delayed', { delayMs: 10 }));
    await p.add('mail', job('added'));
    bench.forward(10);
    assert.deepEqual(ids(await p.take('mail', 10)), ['delayed', 'added']);
  });

  it('[rule 5] a changed priority moves the job and keeps its turn among equals', async (p) => {
    await p.declare('mail', { strategy: 'priority' });
    const given = { a: 5, b: 1, c: 1, d: 5 };
    await p.add('mail', ...Object.entries(given).map(([id, priority]) => job(id, { priority })));
    await p.changePriority('mail', 'a', 1);
    await p.changePriority('mail', 'c', 5);
    assert.deepEqual(ids(await p.take('mail', 10)), ['a', 'b', 'c', 'd']);
  });

  it('[rule 5] a changed priority counts when a delayed job becomes due', async (p, bench) => {
    await p.declare('mail', { strategy: 'priority' });
    await p.add('mail', job('delayed', { priority: 9, delayMs: 10 }), job('ready', { priority: 5 }));
    await p.changePriority('mail', 'delayed', 1);
    bench.forward(10);
    assert.deepEqual(
      (await p.take('mail', 10)).map(({ id, priority }) => [id, priority]),
      [
        ['delayed', 1],
        ['ready', 5],
      ],
    );
  });

  it('[rule 5] a changed priority is ignored for order on a fifo queue', async (p) => {
    await p.add('mail', job('a'), job('b'), job('c'));
    await p.changePriority('mail', 'c', 0);
    await p.changePriority('mail', 'a', 9);
    assert.deepEqual(ids(await p.take('mail', 10)), ['a', 'b', 'c']);
  });

  it('[rule 5] a promoted job goes behind what waits', async (p) => {
    await p.add('mail', job('delayed', { delayMs: 60_000 }), job('a'), job('b'));
    await p.promote('mail', 'delayed');
    assert.deepEqual(ids(await p.take('mail', 10)), ['a', 'b', 'delayed']);
  });

  it('[rule 5] jobs added while the clock stood earlier still go behind', async (p, bench) => {
    await p.add('mail', job('a'));
    bench.forward(-5_000);
    await p.add('mail', job('b'));
    bench.forward(5_000);
    await p.add('mail', job('c'));
    assert.deepEqual(ids(await p.take('mail', 10)), ['a', 'b', 'c']);
  });

  it('[rule 5] priority order holds in a long queue that people change', async (p) => {
    await p.declare('mail', { strategy: 'priority' });
    const pick = sequence(7);
    const waiting = jobs(1_000).map(({ id }, turn) => ({ id, turn, priority: pick(40) }));
    await p.add('mail', ...waiting.map(({ id, priority }) => job(id, { priority })));
    for (let change = 0; change < 200; change += 1) {
      const at = pick(waiting.length);
      const chosen = waiting[at];
      assert.ok(chosen);
      if (change % 2 === 0) {
        chosen.priority = pick(40);
        await p.changePriority('mail', chosen.id, chosen.priority);
      } else {
        waiting.splice(at, 1);
        await p.remove('mail', chosen.id);
      }
    }
    waiting.sort((a, b) => a.priority - b.priority || a.turn - b.turn);
    const taken: string[] = [];
    for (let batch = 0; batch < 10; batch += 1) taken.push(...ids(await p.take('mail', 90)));
    assert.deepEqual(taken, ids(waiting));
  });

  it('[rule 5] due order holds among many delayed jobs that people change', async (p, bench) => {
    const pick = sequence(11);
    const delayed = jobs(1_000).map(({ id }, turn) => ({ id, turn, delayMs: 10 + pick(500) * 10 }));
    await p.add('mail', ...delayed.map(({ id, delayMs }) => job(id, { delayMs })));
    for (let change = 0; change < 200; change += 1) {
      const at = pick(delayed.length);
      const chosen = delayed[at];
      assert.ok(chosen);
      if (change % 2 === 0) {
        // Only a time that is nobody else's: the turn among equals after such a change is not promised.
        chosen.delayMs = 6_000 + change;
        await p.changeDelay('mail', chosen.id, chosen.delayMs);
      } else {
        delayed.splice(at, 1);
        await p.cancel('mail', chosen.id);
      }
    }
    delayed.sort((a, b) => a.delayMs - b.delayMs || a.turn - b.turn);
    assert.deepEqual(ids(await bench.list('mail', 'delayed', 70)).length, delayed.length);
    bench.forward(10_000);
    const taken: string[] = [];
    for (let batch = 0; batch < 10; batch += 1) taken.push(...ids(await p.take('mail', 90)));
    assert.deepEqual(taken, ids(delayed));
  });

  it('[rule 6] many jobs due at once all come, in order', async (p, bench) => {
    const all = jobs(1_500, { delayMs: 1_000 });
    await p.addGroups('mail', [all.slice(0, 750), all.slice(750)]);
    bench.forward(1_000);
    const taken: string[] = [];
    for (let batch = 0; batch < 15; batch += 1) taken.push(...ids(await p.take('mail', 100)));
    assert.deepEqual(taken, ids(all));
    assert.deepEqual(await p.take('mail', 10), []);
  });
});
