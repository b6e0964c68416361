import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { LeaseNumbers } from '../../lib/backends/postgres/lease-numbers.js';
import { createPostgresBackend, type PostgresBackend } from '../../lib/backends/postgres/index.js';
import { Bench } from '../../lib/conformance/bench.js';
import { complete, fail, job, jobs, release, retry, type Held } from '../../lib/conformance/build.js';
import { Process } from '../../lib/conformance/process.js';
import type { JobNote, NewJob } from '../../lib/kernel/ports/job-store.js';
import { postgresSpace } from '../support/postgres-space.js';

const QUEUE = 'mail';

describe('the numbers of leases', () => {
  it('are kept up to a bound, and the oldest goes first', () => {
    const numbers = new LeaseNumbers();
    for (let fence = 1; fence <= 50_001; fence += 1) numbers.learn(fence, fence * 2, `job${fence}`);
    expect([numbers.of(1, 'job1'), numbers.of(2, 'job2'), numbers.of(50_001, 'job50001')]).toEqual([0, 4, 100_002]);
    numbers.forget([{ fence: 2 }]);
    expect(numbers.of(2, 'job2')).toBe(0);
  });

  it('are told to nobody who takes the fence for that of another job', () => {
    const numbers = new LeaseNumbers();
    numbers.learn(7, 14, 'mine');
    expect([numbers.of(7, 'mine'), numbers.of(7, 'other')]).toEqual([14, 0]);
  });
});

describe('a process that does not know the numbers of leases', () => {
  let claimer: PostgresBackend;
  let other: PostgresBackend;
  const open = async (): Promise<PostgresBackend> => {
    const { url, schema } = await postgresSpace();
    const backend = createPostgresBackend({ postgres: { connectionString: url, schema, poolSize: 3 } });
    await backend.open();
    return backend;
  };
  beforeAll(async () => {
    claimer = await open();
    other = await open();
  });
  afterAll(() => Promise.all([claimer.close(), other.close()]));

  it('renews, annotates and ends them, and only under their fences', async () => {
    const processOf = ({ store }: PostgresBackend, name: string): Process =>
      new Process({ store, admin: store.admin, at: {} }, name);
    const mine = processOf(claimer, 'mine');
    const theirs = processOf(other, 'theirs');
    await mine.add(QUEUE, ...jobs(8));
    const held = await mine.take(QUEUE, 8);
    const wrong = held.map((one) => ({ ...one, fence: one.fence + 1_000 }));
    expect(await theirs.extend(QUEUE, held)).toEqual(held.map(() => 'kept'));
    expect(await theirs.extend(QUEUE, wrong)).toEqual(held.map(() => 'lost'));
    const note = ({ id, fence }: { id: string; fence: number }, message: string): JobNote => ({
      ...{ queue: QUEUE, id, fence },
      logs: [{ at: 1, level: 'info', message }],
    });
    await other.store.annotate([...held.map((one) => note(one, one.id)), ...wrong.map((one) => note(one, 'stale'))]);

    const endings = [complete, complete, fail, (one: Held) => retry(one, 0), (one: Held) => release(one)];
    const ended = endings.map((end, i) => end(held[i] as Held));
    const first = await theirs.settle(QUEUE, [...wrong.map((one) => complete(one)), ...ended]);
    expect(first.verdicts).toEqual([...wrong.map(() => 'lost'), ...ended.map(() => 'settled')]);

    // Two fences of one job in one settle: only the one that holds it counts.
    const left = held.slice(ended.length);
    const stale = { ...(left[0] as Held), fence: 1 };
    const last = await mine.settle(QUEUE, [complete(stale), ...left.map((one) => complete(one))]);
    expect(last.verdicts).toEqual(['lost', 'settled', 'settled', 'settled']);
    const { id } = held[7] as Held;
    expect((await claimer.store.admin.get(QUEUE, id))?.logs).toMatchObject([{ message: id }]);
    expect(await claimer.store.admin.counts(QUEUE)).toMatchObject({ waiting: 2, active: 0, completed: 5, failed: 1 });
    expect(await new Bench(claimer.store, claimer.signals).verify(QUEUE)).toMatchObject({ problems: [] });
  });

  it.each([1, 3, 9])('ends the jobs that it names, each %i. one, and none between them', async (step) => {
    const { store } = claimer;
    const mine = new Process({ store, admin: store.admin, at: {} }, `each ${step}`);
    const [queue, beside] = [`each${step}`, `beside${step}`];
    const dropped: Partial<NewJob> = { keep: { completed: { count: 0, ageMs: null, from: 'job' } } };
    // Jobs of two queues, number by number; each second one leaves nothing behind.
    for (let i = 0; i < 40; i += 1) {
      await mine.add(queue, job(`a${i}`, i % 2 === 0 ? {} : dropped));
      await mine.add(beside, job(`b${i}`, dropped));
    }
    const held = await mine.take(queue, 40);
    await mine.take(beside, 20);
    const named = held.filter((_, i) => i % step === 0);
    const ended = await mine.settle(
      queue,
      named.map((one) => complete(one)),
    );
    expect(ended.verdicts).toEqual(named.map(() => 'settled'));
    const found = await Promise.all(held.map(({ id }) => store.admin.get(queue, id)));
    const state = (i: number): string => (i % step > 0 ? 'active' : i % 2 > 0 ? 'gone' : 'completed');
    expect(found.map((stored) => stored?.status ?? 'gone')).toEqual(held.map((_, i) => state(i)));
    expect(await store.admin.counts(beside)).toMatchObject({ active: 20, waiting: 20 });
    const bench = new Bench(store, claimer.signals);
    for (const name of [queue, beside]) expect(await bench.verify(name)).toMatchObject({ problems: [] });
    // Those that were passed over end like the others.
    const rest = held.filter((one) => !named.includes(one)).map((one) => complete(one));
    if (rest.length > 0) expect((await mine.settle(queue, rest)).verdicts).toEqual(rest.map(() => 'settled'));
    expect(await store.admin.counts(queue)).toMatchObject({ active: 0, completed: 20 });
  });
});
