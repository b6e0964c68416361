import { afterAll, describe, expect, it } from '@jest/globals';
import type { PostgresBackend } from '../../lib/backends/postgres/index.js';
import { createPostgresBackend } from '../../lib/backends/postgres/index.js';
import { Bench } from '../../lib/conformance/bench.js';
import { Process } from '../../lib/conformance/process.js';
import { child, complete, fail, job, keyed, policy, release, retry, sequence } from '../../lib/conformance/build.js';
import type { ParentFailurePolicy } from '../../lib/kernel/ports/job-store.js';
import { postgresSpace } from '../support/postgres-space.js';

const QUEUES = ['a', 'b', 'c'];
const POLICIES: readonly ParentFailurePolicy[] = ['block', 'cascade-fail', 'ignore'];
const IDS = 150;
const ROUNDS = Number(process.env['OQRON_ROUNDS'] ?? 120);
const PROCESSES = 6;

const open: PostgresBackend[] = [];
afterAll(() => Promise.all(open.map((backend) => backend.close())));

async function backendOf(environment: string): Promise<PostgresBackend> {
  const { url, schema } = await postgresSpace();
  const backend = createPostgresBackend({ postgres: { connectionString: url, schema, poolSize: 3 }, environment });
  open.push(backend);
  await backend.open();
  return backend;
}

/** One process that does whatever people, producers and workers do, on the same few jobs as all others. */
async function meddle({ store }: PostgresBackend, number: number): Promise<void> {
  // No time is set: claims use what they remember, as in production.
  const p = new Process({ store, admin: store.admin, at: {} }, `process-${number}`);
  const pick = sequence(4_711 + number);
  const rules = policy({ deadLetter: { queue: 'dead' }, maxStalledCount: 1_000 });
  const queueOf = (): string => QUEUES[pick(QUEUES.length)] ?? 'a';
  const idOf = (): string => `job-${pick(IDS)}`;
  for (let round = 0; round < ROUNDS; round += 1) {
    const queue = queueOf();
    const id = idOf();
    switch (pick(16)) {
      case 0:
      case 1: {
        const parents = [...new Set([idOf(), idOf(), idOf()])].map((parent) => ({ queue: queueOf(), id: parent }));
        const known = (await store.admin.locate(parents.map((one) => one.id))).map((queues) => new Set(queues));
        const refs = parents.filter((one, i) => known[i]?.has(one.queue) && one.id !== id);
        if (refs.length > 0) await p.add(queue, child(id, refs, POLICIES[pick(3)]));
        break;
      }
      case 2:
        await p.add(queue, keyed(id, 'keep-last', { key: `k-${pick(3)}` }));
        break;
      case 3:
        await p.add(queue, job(id, { delayMs: pick(2) * 20 }), job(idOf()), job(idOf()));
        break;
      case 4:
        await p.cancel(queue, id, 'why');
        break;
      case 5:
        await p.again(queue, id, idOf(), ['completed', 'failed', 'cancelled']);
        break;
      case 6:
        await p.remove(queue, id);
        break;
      case 7:
        await p.promote(queue, id);
        break;
      case 8:
        await p.changeDelay(queue, id, pick(2) * 10);
        break;
      case 9:
        await (pick(2) === 0 ? p.changePriority(queue, id, pick(9)) : p.updateData(queue, id, `"${round}"`));
        break;
      case 10:
        await (pick(2) === 0 ? p.disable(queue) : p.enable(queue, 5));
        break;
      case 11:
        if (pick(8) === 0) await p.obliterate(queue, { limit: 20, force: pick(2) === 0 });
        else await store.sweep({ limit: 50 });
        break;
      default: {
        const held = await p.take(queue, 1 + pick(5), { policy: rules, leaseMs: 1 + pick(2_000) });
        const outcomes = held.map(
          (one) => [complete(one), fail(one), retry(one, 0), release(one)][pick(4)] ?? fail(one),
        );
        if (outcomes.length > 0)
          await p.settle(queue, outcomes, { count: pick(3), policy: rules, leaseMs: 1 + pick(2_000) });
        break;
      }
    }
  }
}

/**
 * By the store's own numbers, not by ids: a parent under `block` that was removed holds its child for good, also when
 * somebody adds another job under the id that it had, and that one completes.
 */
async function whatHolds(queue: string, id: string): Promise<Record<string, unknown>> {
  const { names, pools } = await postgresSpace();
  const rows = await pools.main.query<Record<string, unknown>>(
    names.sql(
      `select count(*) > 0 as "waitsForSome",
        bool_and(case
          when p.place is not null then p.place = 4
          when d.seq is not null then d.place in (8, 9, 11, 12) and k.policy = 0
          else k.policy = 0 and not exists (select from oqron.job g where g.seq = k.parent) end) as "andThatHolds"
      from oqron.link k join oqron.job j on j.seq = k.child join oqron.queue q on q.id = j.queue_id
      left join oqron.done d on d.seq = k.parent left join oqron.parked p on p.seq = k.parent
      where q.name = $1 and j.id = $2 and k.waits`,
    ),
    [queue, id],
  );
  return rows[0] ?? {};
}

describe('people, producers and workers at once', () => {
  it('leave every queue sound, and nothing that cannot end', async () => {
    const backends = await Promise.all(Array.from({ length: PROCESSES }, () => backendOf('races')));
    await Promise.all(backends.map(meddle));
    const { store, signals } = backends[0] as PostgresBackend;
    const bench = new Bench(store, signals);
    while ((await store.sweep({ limit: 1_000 })).more);
    const queues = await store.admin.queues({ limit: 100 });
    for (const queue of queues)
      expect({ queue, ...(await bench.verify(queue)) }).toMatchObject({ queue, problems: [] });

    // Once all that can run has run, only jobs of `block` whose parents did not complete are left, and who waits for those.
    const p = new Process({ store, admin: store.admin, at: {} }, 'last');
    for (const queue of queues) while ((await p.enable(queue)).more);
    for (let idle = 0; idle < 2;) {
      idle += 1;
      for (const queue of queues) {
        const held = await p.take(queue, 100, { alone: true });
        if (held.length > 0) {
          await p.finish(queue, ...held.map((one) => complete(one)));
          idle = 0;
        }
        const [late] = (await store.admin.find({ queue, status: 'delayed', limit: 1 })).jobs;
        if (late) await p.promote(queue, late.id);
        await store.sweep({ queues: [queue], limit: 1_000 });
        if (late || (await store.admin.counts(queue)).active > 0) idle = 0;
      }
    }
    for (const queue of queues) {
      const counts = await store.admin.counts(queue);
      expect([counts.waiting, counts.delayed, counts.paused, counts.active]).toEqual([0, 0, 0, 0]);
      for (const blocked of (await store.admin.find({ queue, status: 'waiting-children', limit: 1_000 })).jobs)
        expect({ id: blocked.id, ...(await whatHolds(queue, blocked.id)) }).toEqual({
          id: blocked.id,
          waitsForSome: true,
          andThatHolds: true,
        });
      expect(await bench.verify(queue)).toMatchObject({ problems: [] });
    }
  }, 120_000);
});
