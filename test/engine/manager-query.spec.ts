import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { InvalidOptionsError, QueueNotFoundError, type JobQuery, type OqronManager } from 'oqronkit';
import { failureOf } from '../support/until.js';
import { World } from '../support/world.js';
import { wrapBackend } from '../support/wrapped-backend.js';

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.end());

/** All ids, page after page, and how large the pages were. */
async function walk(manager: OqronManager, query: JobQuery): Promise<{ ids: string[]; pages: number[] }> {
  const ids: string[] = [];
  const pages: number[] = [];
  let cursor: string | undefined;
  do {
    const page = await manager.queryJobs(query, cursor);
    ids.push(...page.jobs.map(({ id }) => id));
    pages.push(page.jobs.length);
    ({ cursor } = page);
  } while (cursor !== undefined && pages.length < 200);
  return { ids, pages };
}

/** Three queues with waiting, delayed and cancelled jobs. */
async function filled(): Promise<OqronManager> {
  const engine = world.engine();
  for (const name of ['c', 'a', 'b']) {
    const queue = engine.producer(name);
    await queue.addBulk([
      { data: 1, opts: { jobId: `${name}-w1`, tags: ['eu'], correlationId: 'order-1' } },
      { data: 2, opts: { jobId: `${name}-w2` } },
      { data: 3, opts: { jobId: `${name}-d1`, delay: '1h', tags: ['eu', 'vip'] } },
      { name: 'reset', data: 4, opts: { jobId: `${name}-x1`, tags: ['eu'] } },
    ]);
    await engine.manager.cancelJob(`${name}-x1`);
    await world.clock.advance('1s');
  }
  return engine.manager;
}

describe('queryJobs', () => {
  it('walks queues by name and states in the order of a job’s life', async () => {
    const manager = await filled();
    const { ids } = await walk(manager, {});
    const of = (name: string): string[] => [`${name}-w1`, `${name}-w2`, `${name}-d1`, `${name}-x1`];
    expect(ids).toEqual([...of('a'), ...of('b'), ...of('c')]);
  });

  it.each<[JobQuery, string[]]>([
    [{ queue: 'b' }, ['b-w1', 'b-w2', 'b-d1', 'b-x1']],
    [{ status: 'delayed' }, ['a-d1', 'b-d1', 'c-d1']],
    [{ queue: 'b', status: 'waiting' }, ['b-w1', 'b-w2']],
    [{ queue: 'a', status: ['cancelled', 'delayed'] }, ['a-d1', 'a-x1']],
    [{ status: [] }, []],
    [{ tag: 'eu', queue: 'a' }, ['a-w1', 'a-d1', 'a-x1']],
    [{ tag: 'vip' }, ['a-d1', 'b-d1', 'c-d1']],
    [{ name: 'reset' }, ['a-x1', 'b-x1', 'c-x1']],
    [{ correlationId: 'order-1', status: 'waiting' }, ['a-w1', 'b-w1', 'c-w1']],
    [{ correlationId: 'order-2' }, []],
    [{ parentId: 'nobody' }, []],
  ])('answers what matches %j', async (query, expected) => {
    const manager = await filled();
    expect((await walk(manager, query)).ids).toEqual(expected);
  });

  it('finds by the time of adding: from an instant on, and before another', async () => {
    const began = world.clock.now();
    const manager = await filled();
    const ids = async (query: JobQuery) => (await walk(manager, { status: 'delayed', ...query })).ids;
    expect(await ids({ createdFrom: began + 1_000 })).toEqual(['a-d1', 'b-d1']);
    expect(await ids({ createdTo: new Date(began + 1_000) })).toEqual(['c-d1']);
    expect(await ids({ createdFrom: began + 1_000, createdTo: began + 2_000 })).toEqual(['a-d1']);
  });

  it('finds the children that a handler added', async () => {
    const engine = world.engine();
    await world.backend.store.enqueue({ client: 'test', n: 1, acked: 0 }, 'q', [
      [
        { id: 'child', idGiven: true, name: 'default', meta: { parentId: 'father' }, priority: 0, delayMs: 0 },
        { id: 'other', idGiven: true, name: 'default', meta: {}, priority: 0, delayMs: 0 },
      ],
    ]);
    expect((await walk(engine.manager, { parentId: 'father' })).ids).toEqual(['child']);
  });

  it.each([1, 2, 3, 5, 100])('answers each job once with pages of %i', async (limit) => {
    const manager = await filled();
    const all = (await walk(manager, {})).ids;
    const paged = await walk(manager, { limit });
    expect(paged.ids).toEqual(all);
    expect(Math.max(...paged.pages)).toBeLessThanOrEqual(limit);
    const tagged = await walk(manager, { limit, tag: 'eu' });
    expect(tagged.ids).toEqual(all.filter((id) => !id.endsWith('w2')));
  });

  it('inspects at most 1 000 candidates in one call and may answer an empty page with a cursor', async () => {
    const engine = world.engine();
    const queue = engine.producer<number>('many');
    await queue.addBulk(
      Array.from({ length: 2_500 }, (_, n) => ({
        data: n,
        opts: { jobId: `j${n}`, ...(n === 2_400 ? { tags: ['rare'] } : {}) },
      })),
    );
    const first = await engine.manager.queryJobs({ tag: 'rare' });
    expect(first.jobs).toEqual([]);
    expect(first.cursor).toBeDefined();
    const { ids, pages } = await walk(engine.manager, { tag: 'rare' });
    expect(ids).toEqual(['j2400']);
    expect(pages.length).toBeGreaterThanOrEqual(3);
  });

  it('inspects at most 1 000 candidates over several queues too', async () => {
    const engine = world.engine();
    for (const name of ['a', 'b', 'c']) {
      await engine.producer(name).addBulk(Array.from({ length: 600 }, (_, n) => ({ data: n })));
    }
    const finds: string[] = [];
    const backend = wrapBackend(world.backend, (operation, args, run) => {
      if (operation === 'admin.find') finds.push((args[0] as { queue: string }).queue);
      return run();
    });
    const { manager } = world.engine({}, { backend });
    const { cursor } = await manager.queryJobs({ tag: 'none' });
    expect(finds).toEqual(['a']);
    await manager.queryJobs({ tag: 'none' }, cursor);
    expect(finds).toEqual(['a', 'b']);
  });

  it('looks at no more than 100 queues in one call', async () => {
    const engine = world.engine();
    for (let n = 0; n < 230; n += 1) await engine.producer(`q${String(n).padStart(3, '0')}`).add(n, { jobId: `j${n}` });
    let reads = 0;
    const backend = wrapBackend(world.backend, (operation, _args, run) => {
      if (operation === 'admin.counts') reads += 1;
      return run();
    });
    const { manager } = world.engine({}, { backend });
    const first = await manager.queryJobs({ status: 'failed' });
    expect(first).toEqual({ jobs: [], cursor: expect.any(String) });
    expect(reads).toBe(100);
    expect((await walk(manager, { limit: 1_000 })).ids).toHaveLength(230);
  });

  it('goes on behind a queue that is gone meanwhile', async () => {
    const manager = await filled();
    const { cursor } = await manager.queryJobs({ limit: 6 });
    await manager.obliterate('b');
    const { jobs } = await manager.queryJobs({}, cursor);
    expect(jobs.map(({ id }) => id)).toEqual(['c-w1', 'c-w2', 'c-d1', 'c-x1']);
  });

  it('refuses what it does not know: options, states, queues, limits and cursors', async () => {
    const manager = await filled();
    const { cursor } = await manager.queryJobs({ limit: 1 });
    const refused: [object, string | undefined, RegExp][] = [
      [{ quue: 'a' }, undefined, /unknown option "quue", did you mean "queue"/],
      [{ status: 'stalled' }, undefined, /status: expected one or several of waiting/],
      [{ limit: 0 }, undefined, /limit: expected a whole number from 1 to 1000/],
      [{ limit: 1_001 }, undefined, /limit: /],
      [{ createdFrom: 'yesterday' }, undefined, /createdFrom: expected ms since 1970, or a Date/],
      [{}, 'nonsense', /cursor: expected what the page before answered/],
      [{}, Buffer.from('{"queue":5}').toString('base64url'), /cursor: /],
      [{ queue: 'b' }, cursor, /cursor: it belongs to a walk over queue "a"/],
    ];
    for (const [query, at, message] of refused) {
      const error = await failureOf(manager.queryJobs(query, at));
      expect(error).toBeInstanceOf(InvalidOptionsError);
      expect(error.message).toMatch(message);
    }
    expect(await failureOf(manager.queryJobs({ queue: 'nobody' }))).toBeInstanceOf(QueueNotFoundError);
  });
});
