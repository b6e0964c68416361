import { describe, expect, it } from '@jest/globals';
import { Bench } from '../../lib/conformance/bench.js';
import { child, complete, fail, job, jobs } from '../../lib/conformance/build.js';
import type { VerifyProblem, VerifyProblemKind } from '../../lib/kernel/ports/job-admin.js';
import { freshBackend } from '../support/postgres.js';
import { postgresSpace } from '../support/postgres-space.js';

interface World {
  readonly bench: Bench;
  /** What nobody but a defect or a careless hand does to the tables. */
  damage(sql: string): Promise<void>;
}

async function inWorld(run: (world: World) => Promise<void>): Promise<void> {
  const { pools, names } = await postgresSpace();
  const { store, signals, close } = await freshBackend();
  try {
    const bench = new Bench(store, signals);
    await run({
      bench,
      damage: async (sql) => {
        await pools.main.query(names.render(sql));
      },
    });
  } finally {
    await close();
  }
}

/** The job of that id: ids of these tests are used once in the whole file. */
const seqOf = (id: string): string => `(select seq from oqron.job where id = '${id}')`;
const queueOf = (id: string): string => `(select queue_id from oqron.job where id = '${id}')`;

/** What is done to a sound queue, and what verify must say of whom. */
const CASES: readonly {
  readonly name: string;
  readonly damage: (tag: string) => string;
  readonly kind: VerifyProblemKind;
  readonly id?: string;
  readonly detail: RegExp;
}[] = [
  {
    name: 'an entry without a record',
    damage: (tag) => `delete from oqron.job where id = '${tag}-waiting'`,
    kind: 'ghost',
    detail: /no record/,
  },
  {
    name: 'a record that no set holds',
    damage: (tag) => `delete from oqron.ready where seq = ${seqOf(`${tag}-waiting`)}`,
    kind: 'orphan',
    id: 'waiting',
    detail: /no set holds it/,
  },
  {
    name: 'a job in two sets',
    damage: (tag) =>
      `insert into oqron.parked (seq, ord, run_at, k1, queue_id, size, place)
       select seq, ord, run_at, run_at, queue_id, 0, 3 from oqron.ready where seq = ${seqOf(`${tag}-waiting`)}`,
    kind: 'wrong-set',
    id: 'waiting',
    detail: /in place 1 and in place 3/,
  },
  {
    name: 'a blocked job without parents',
    damage: (tag) => `delete from oqron.link where child = ${seqOf(`${tag}-child`)}`,
    kind: 'stuck',
    id: 'child',
    detail: /waits for no parent/,
  },
  {
    name: 'a job that waits for a parent which completed',
    damage: (tag) => `update oqron.link set parent = ${seqOf(`${tag}-done`)} where child = ${seqOf(`${tag}-child`)}`,
    kind: 'stuck',
    id: 'child',
    detail: /which completed/,
  },
  {
    name: 'a job whose policy should have failed it',
    damage: (tag) =>
      `update oqron.link set policy = 1, parent = ${seqOf(`${tag}-failed`)} where child = ${seqOf(`${tag}-child`)}`,
    kind: 'stuck',
    id: 'child',
    detail: /which has ended/,
  },
  {
    name: 'a job that waits for a parent which is gone',
    damage: (tag) => `update oqron.link set policy = 2, parent = 0 where child = ${seqOf(`${tag}-child`)}`,
    kind: 'stuck',
    id: 'child',
    detail: /which is gone/,
  },
  {
    name: 'a parent that does not know of its child',
    damage: (tag) => `update oqron.ready set flags = flags & ~2 where seq = ${seqOf(`${tag}-parent`)}`,
    kind: 'broken-link',
    id: 'child',
    detail: /does not know of it/,
  },
  {
    name: 'a parent whose child is gone',
    damage: (tag) => `update oqron.link set child = ${seqOf(`${tag}-done`)} where child = ${seqOf(`${tag}-child`)}`,
    kind: 'broken-link',
    id: 'parent',
    detail: /has ended or is gone/,
  },
  {
    name: 'a finished job that is kept for nobody',
    damage: (tag) => `update oqron.done set place = place + 3 where seq = ${seqOf(`${tag}-done`)}`,
    kind: 'wrong-set',
    id: 'done',
    detail: /kept for dependants and has none/,
  },
  {
    name: 'a counter that is wrong',
    damage: (tag) => `insert into oqron.count (queue_id, place, n) values (${queueOf(`${tag}-done`)}, 3, 1)`,
    kind: 'count',
    detail: /place 3 says 1, and 0 stand there/,
  },
];

/** One of each, in order. */
async function sound(bench: Bench, tag: string): Promise<void> {
  const p = bench.process('p');
  await p.add('mail', job(`${tag}-done`), job(`${tag}-failed`));
  const [done, failed] = await p.take('mail', 2);
  if (!done || !failed) throw new Error('nothing was leased');
  await p.finish('mail', complete(done), fail(failed));
  await p.add('mail', job(`${tag}-parent`), job(`${tag}-waiting`));
  await p.add('mail', child(`${tag}-child`, [`${tag}-parent`]));
}

describe('verify on PostgreSQL finds', () => {
  it.each(CASES.map((one, i) => [one.name, one, i] as const))('%s', async (_name, { damage, kind, id, detail }, i) => {
    await inWorld(async (world) => {
      const tag = `case-${i}`;
      await sound(world.bench, tag);
      expect(await world.bench.verify('mail', 2)).toEqual({ problems: [], checked: 5 });
      await world.damage(damage(tag));
      for (const limit of [1, 3, 1_000]) {
        const { problems } = await world.bench.verify('mail', limit);
        expect(problems).toContainEqual({
          queue: 'mail',
          kind,
          detail: expect.stringMatching(detail) as unknown as string,
          ...(id !== undefined && { id: `${tag}-${id}` }),
        } satisfies VerifyProblem);
      }
    });
  });

  it('records that no set holds, page by page, also behind more than a thousand others', async () => {
    await inWorld(async ({ bench, damage }) => {
      const p = bench.process('p');
      const all = jobs(2_300, {}, 'many-');
      for (let from = 0; from < all.length; from += 1_000) await p.add('mail', ...all.slice(from, from + 1_000));
      await damage(`delete from oqron.ready where seq in (${seqOf('many-00003')}, ${seqOf('many-02299')})`);
      const { problems, checked } = await bench.verify('mail', 700);
      expect(checked).toBe(2_298);
      expect(problems.filter(({ kind }) => kind === 'orphan').map(({ id }) => id)).toEqual([
        'many-00003',
        'many-02299',
      ]);
    });
  });
});
