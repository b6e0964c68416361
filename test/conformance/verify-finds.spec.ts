import { afterAll, describe, expect, it } from '@jest/globals';
import type { Backend, NewJob, VerifyProblemKind } from 'oqronkit';
import { SeededBackends, type Edit } from './seeded-backend.js';

const backends = new SeededBackends();
afterAll(() => backends.remove());

const LEASE_MS = 30_000;

/** A call of a client that sends one after another. */
function caller(backend: Backend) {
  let n = 0;
  const call = () => ({ client: 'test', n: (n += 1), acked: n - 1 });
  const { store } = backend;
  const policy = {
    key: 'p',
    guaranteedWorker: true,
    maxStalledCount: 3,
    stallBackoff: { delayMs: 1_000, maxDelayMs: 60_000 },
    keep: { defaults: { completed: { count: null, ageMs: null }, failed: { count: null, ageMs: null } } },
  };
  return {
    add: (id: string, extra: Partial<NewJob> = {}) =>
      store.enqueue(call(), 'mail', [
        [{ id, idGiven: true, name: 'default', meta: {}, priority: 0, delayMs: 0, ...extra }],
      ]),
    completeNext: async () => {
      const [reply] = await store.claim([
        { call: call(), queue: 'mail', count: 1, leaseMs: LEASE_MS, owner: 'me', policy },
      ]);
      const [job] = reply?.jobs ?? [];
      if (!job) throw new Error('nothing to claim');
      await store.settle(call(), {
        queue: 'mail',
        outcomes: [{ kind: 'complete', id: job.id, fence: job.fence }],
      });
    },
    remove: (id: string) => store.admin.remove(call(), 'mail', id),
    problems: async () => (await store.admin.verify({ queue: 'mail', limit: 1_000 })).problems,
  };
}

/** What is broken, what then happens, and what `verify` must say of whom. */
const CASES: readonly {
  readonly name: string;
  readonly edit: Edit;
  readonly kind: VerifyProblemKind;
  readonly id?: string;
}[] = [
  {
    name: 'a job that waits for a parent which has completed',
    edit: { file: 'memory-links.ts', find: '      this.#tellDependants(queue, job, now);', put: '' },
    kind: 'stuck',
    id: 'child',
  },
  {
    name: 'a parent that does not know of its child',
    edit: { file: 'memory-links.ts', find: '    tiesOf(parent).dependants.add(link);', put: '' },
    kind: 'broken-link',
    id: 'other-child',
  },
  {
    name: 'an entry of a set without a record',
    edit: { file: 'memory-queue.ts', find: '    job.set?.delete(job);\n    job.set = undefined;', put: '' },
    kind: 'ghost',
    id: 'removed',
  },
  {
    name: 'a record that no set holds',
    edit: { file: 'memory-queue.ts', find: '    this.jobs.delete(job.id);', put: '' },
    kind: 'orphan',
  },
  {
    name: 'a record whose state and set contradict each other',
    edit: { file: 'memory-queue.ts', find: "    job.status = 'delayed';", put: '' },
    kind: 'wrong-set',
    id: 'later',
  },
];

describe('verify finds orphans and broken invariants:', () => {
  const scenario = async (backend: Backend) => {
    const world = caller(backend);
    const waitsFor = (id: string) => ({ parents: { refs: [{ queue: 'mail', id }], policy: 'block' as const } });
    await world.add('parent');
    await world.add('child', waitsFor('parent'));
    await world.completeNext();
    await world.add('other-parent');
    await world.add('other-child', waitsFor('other-parent'));
    await world.add('later', { delayMs: 60_000 });
    await world.add('removed');
    await world.remove('removed');
    return world.problems();
  };

  it('nothing where nothing is broken', async () => {
    const create = await backends.load([]);
    expect(await scenario(create())).toEqual([]);
  });

  it.each(CASES.map((one) => [one.name, one] as const))('%s', async (_name, { edit, kind, id }) => {
    const create = await backends.load([edit]);
    expect(await scenario(create())).toContainEqual(
      expect.objectContaining({ queue: 'mail', kind, ...(id === undefined ? {} : { id }) }),
    );
  });
});
