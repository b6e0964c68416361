import assert from 'node:assert/strict';
import type { Bench } from '../bench.js';
import { complete, ids, job, jobs, keeping, KEEP_NONE, LEASE_MS } from '../build.js';
import type { ClaimedJob } from '../../kernel/ports/job-store.js';
import type { Process } from '../process.js';
import { suite } from '../suite.js';

const CLAIMERS = 8;
const JOBS = 2_000;
const BATCH = 25;

function processes(bench: Bench, count: number): Process[] {
  return Array.from({ length: count }, (_, i) => bench.process(`worker-${i}`));
}

async function addAll(p: Process, count: number): Promise<void> {
  const all = jobs(count);
  for (let from = 0; from < count; from += 500) await p.add('mail', ...all.slice(from, from + 500));
}

export const raceCases = suite('race', (it) => {
  it('[rule 3] 8 concurrent claimers never share one of 2 000 jobs, and leave none', async (p, bench) => {
    await addAll(p, JOBS);
    const taken = await Promise.all(
      processes(bench, CLAIMERS).map(async (worker) => {
        const mine: string[] = [];
        let held = await worker.take('mail', BATCH);
        while (held.length > 0 && mine.length < JOBS) {
          mine.push(...ids(held));
          held = await worker.take('mail', BATCH);
        }
        return mine;
      }),
    );
    const all = taken.flat();
    assert.equal(all.length, JOBS);
    assert.equal(new Set(all).size, JOBS);
    await bench.counts('mail', { active: JOBS });
  });

  it('[rule 3] 8 concurrent workers that settle and claim in one call finish each job once', async (p, bench) => {
    await addAll(p, JOBS);
    const finished = await Promise.all(
      processes(bench, CLAIMERS).map(async (worker) => {
        const mine: string[] = [];
        let held = await worker.take('mail', BATCH);
        while (held.length > 0 && mine.length < JOBS) {
          const outcomes = held.map((one) => complete(one));
          const reply = await worker.settle('mail', outcomes, { count: BATCH });
          assert.ok(reply.verdicts.every((verdict) => verdict === 'settled'));
          mine.push(...ids(held));
          held = reply.claim?.jobs ?? [];
        }
        return mine;
      }),
    );
    const all = finished.flat();
    assert.equal(all.length, JOBS);
    assert.equal(new Set(all).size, JOBS);
    await bench.counts('mail', { completed: JOBS });
  });

  it('[insert] 50 concurrent adds of one id by many processes create one job', async (_p, bench) => {
    const results = await Promise.all(
      processes(bench, 50).map((process, i) => process.add('mail', job('same', { data: `${i}` }))),
    );
    const answers = results.flat();
    assert.equal(answers.filter(({ created }) => created).length, 1);
    assert.ok(answers.every(({ id }) => id === 'same'));
    await bench.counts('mail', { waiting: 1 });
    const winner = answers.findIndex(({ created }) => created);
    assert.equal((await bench.stored('mail', 'same')).data, `${winner}`);
  });

  it('[insert] concurrent groups with common ids in opposite order all end, each id once', async (_p, bench) => {
    const group = jobs(50);
    const results = await Promise.all(
      processes(bench, 8).map((process, i) => process.add('mail', ...(i % 2 === 0 ? group : [...group].reverse()))),
    );
    assert.equal(results.flat().filter(({ created }) => created).length, 50);
    await bench.counts('mail', { waiting: 50 });
  });

  it('[insert] a group becomes visible all at once', async (_p, bench) => {
    const size = 100;
    let adding = 10;
    const writers = processes(bench, 10).map(async (process, i) => {
      await process.add('mail', ...jobs(size, {}, `group-${i}-`)).finally(() => (adding -= 1));
    });
    const watch = async (): Promise<void> => {
      while (adding > 0) {
        const { waiting } = await bench.admin.counts('mail', bench.at);
        assert.equal(waiting % size, 0, `${waiting} jobs were visible`);
      }
    };
    await Promise.all([...writers, watch()]);
    await bench.counts('mail', { waiting: 10 * size });
  });

  it('[insert] one process never finds part of a group', async (p, bench) => {
    const size = 20;
    const [writer] = processes(bench, 1);
    assert.ok(writer);
    let writing = true;
    const write = async (): Promise<void> => {
      for (let i = 0; i < 10; i += 1) await writer.add('mail', ...jobs(size, {}, `group-${i}-`));
    };
    const read = async (): Promise<void> => {
      while (writing) assert.equal((await p.take('mail', 1_000)).length % size, 0);
    };
    await Promise.all([write().finally(() => (writing = false)), read()]);
    await p.take('mail', 1_000);
    await bench.counts('mail', { active: 10 * size });
  });

  it('[rule 4] a claim that is sent twice at once takes one batch', async (p, bench) => {
    await p.add('mail', ...jobs(20));
    const request = p.request('mail', 5);
    const replies = await Promise.all([1, 2, 3, 4].map(() => bench.store.claim([request], bench.at)));
    const [first] = replies;
    for (const reply of replies) assert.deepEqual(reply[0]?.jobs, first?.[0]?.jobs);
    await bench.counts('mail', { active: 5, waiting: 15 });
  });

  it('[rule 4] an enqueue that is sent twice at once adds once', async (p, bench) => {
    const call = p.call('mail');
    const group = jobs(10, { idGiven: false });
    const replies = await Promise.all([1, 2, 3].map(() => bench.store.enqueue(call, 'mail', [group], bench.at)));
    for (const reply of replies) assert.ok(reply[0]?.every(({ created }) => created));
    await bench.counts('mail', { waiting: 10 });
  });

  it('[rule 3] of a settle and a cancel at once exactly one wins, and both learn which', async (p, bench) => {
    await p.add('mail', ...jobs(50));
    const held = await p.take('mail', 50);
    const admin = bench.process('admin');
    const results = await Promise.all(
      held.map((one, i) => {
        const settle = (): ReturnType<Process['settle']> => p.settle('mail', [complete(one)]);
        const cancel = (): ReturnType<Process['cancel']> => admin.cancel('mail', one.id);
        return i % 2 === 0
          ? Promise.all([settle(), cancel()])
          : Promise.all([cancel(), settle()]).then(([stopped, settled]) => [settled, stopped] as const);
      }),
    );
    let completed = 0;
    for (const [{ verdicts }, { verdict }] of results) {
      assert.ok(verdicts[0] === 'settled' ? verdict === 'finished' : verdicts[0] === 'lost' && verdict === 'cancelled');
      if (verdicts[0] === 'settled') completed += 1;
    }
    const counts = await bench.admin.counts('mail', bench.at);
    assert.equal(counts.completed, completed);
    assert.equal(counts.cancelled, 50 - completed);
    assert.equal(counts.active, 0);
  });

  it('[stall] concurrent sweeps and claims take each expired lease back once', async (p, bench) => {
    await p.add('mail', ...jobs(100));
    await p.take('mail', 100);
    bench.forward(LEASE_MS);
    const swept = await Promise.all([
      ...Array.from({ length: 4 }, () => bench.sweep(['mail'], 40)),
      ...processes(bench, 4).map(async (worker) => (await worker.claim('mail', 0)).swept),
    ]);
    const all = ids(swept.flat());
    assert.equal(all.length, 100);
    assert.equal(new Set(all).size, 100);
    for (const stored of await bench.list('mail', 'waiting')) assert.equal(stored.stalledCount, 1);
    await bench.counts('mail', { waiting: 100 });
  });

  it('[delay] concurrent claims promote and hand out each due job once', async (p, bench) => {
    await p.add('mail', ...jobs(200, { delayMs: 1_000 }));
    bench.forward(1_000);
    const taken: ClaimedJob[] = [];
    // One claimer may promote what the others then have to wait for: each asks until it finds nothing.
    const work = async (worker: Process): Promise<void> => {
      for (let held = await worker.take('mail', 50); held.length > 0; held = await worker.take('mail', 50)) {
        taken.push(...held);
      }
    };
    while (taken.length < 200) {
      const before = taken.length;
      await Promise.all(processes(bench, CLAIMERS).map(work));
      assert.ok(taken.length > before, `${taken.length} of 200 due jobs were handed out`);
    }
    assert.equal(new Set(ids(taken)).size, 200);
    await bench.counts('mail', { active: 200 });
  });

  it('[remove] removals beside claims leave no trace of a job', async (p, bench) => {
    await p.add('mail', ...jobs(200));
    const admin = bench.process('admin');
    const rules = keeping({ completed: KEEP_NONE });
    const work = async (worker: Process): Promise<number> => {
      let done = 0;
      let held = await worker.take('mail', 5, { policy: rules });
      while (held.length > 0 && done < 200) {
        for (const one of held) assert.ok(one.name === 'default' && one.attempt === 1);
        await worker.finish('mail', ...held.map((one) => complete(one)));
        done += held.length;
        held = await worker.take('mail', 5, { policy: rules });
      }
      return done;
    };
    const removing = jobs(200)
      .filter((_, i) => i % 3 === 0)
      .map(async ({ id }) => ((await admin.remove('mail', id)).verdict === 'done' ? 1 : 0));
    const counts = await Promise.all([...processes(bench, 4).map(work), ...removing]);
    assert.equal(
      counts.reduce((sum, n) => sum + n, 0),
      200,
    );
    await bench.counts('mail', {});
  });
});
