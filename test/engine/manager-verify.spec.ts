import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { InvalidOptionsError, type VerifyPage, type VerifyProblem, type VerifyRequest } from 'oqronkit';
import { failureOf } from '../support/until.js';
import { World } from '../support/world.js';
import { wrapBackend } from '../support/wrapped-backend.js';

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.end());

const problem = (queue: string, id: string): VerifyProblem => ({
  queue,
  id,
  kind: 'orphan',
  detail: 'no set holds it',
});

/** A manager over a store that answers these pages per queue, whatever it holds; its requests. */
async function managerOver(pages: Readonly<Record<string, readonly { ids: string[]; checked: number }[]>>) {
  for (const name of Object.keys(pages)) await world.engine().producer(name).add({});
  const requests: VerifyRequest[] = [];
  const backend = wrapBackend(world.backend, (operation, args, run) => {
    if (operation !== 'admin.verify') return run();
    const request = args[0] as VerifyRequest;
    requests.push(request);
    const at = Number(request.cursor ?? 0);
    const all = pages[request.queue] ?? [];
    const { ids, checked } = all[at] ?? { ids: [], checked: 0 };
    const problems = ids.map((id) => problem(request.queue, id));
    return at + 1 < all.length ? { problems, checked, cursor: String(at + 1) } : { problems, checked };
  });
  return { manager: world.engine({}, { backend }).manager, requests };
}

describe('verify', () => {
  it('finds nothing wrong with a store in use: all states, dependants, held and retried jobs', async () => {
    const engine = world.engine();
    const queue = engine.queue<string>({
      name: 'q',
      retries: { max: 0 },
      concurrency: 3,
      handler: ({ data }) => {
        if (data === 'bad') throw new Error('bad');
        return data === 'endless' ? world.never() : data;
      },
    });
    await engine.start();
    const parent = await queue.add('default', 'endless', {});
    await queue.add('default', 'good', { dependsOn: [parent] });
    const bad = await queue.add('default', 'bad', {});
    await queue.add('default', 'good', {});
    await queue.add('default', 'good', { delay: '1h' });
    await world.clock.settle();
    await engine.manager.retryJob(bad.id);
    await engine.manager.disableInstance('queue', 'q');
    await queue.add('default', 'good', {});
    await engine.producer('other').addBulk(Array.from({ length: 30 }, () => ({ data: 1 })));
    const found: VerifyProblem[] = [];
    let checked = 0;
    let cursor: string | undefined;
    do {
      const page: VerifyPage = await engine.manager.verify({ limit: 7, ...(cursor === undefined ? {} : { cursor }) });
      found.push(...page.problems);
      ({ cursor } = page);
      expect(page.checked).toBeLessThanOrEqual(7);
      checked += page.checked;
    } while (cursor !== undefined);
    expect(found).toEqual([]);
    expect(checked).toBe(37);
  });

  it('finds orphans and broken invariants, paged over queues', async () => {
    const { manager, requests } = await managerOver({
      a: [
        { ids: ['a1'], checked: 600 },
        { ids: [], checked: 100 },
      ],
      b: [{ ids: ['b1', 'b2'], checked: 2 }],
      c: [],
    });
    const first = await manager.verify();
    expect(first).toMatchObject({ problems: [problem('a', 'a1')], checked: 600, cursor: expect.any(String) });
    const second = await manager.verify({ cursor: first.cursor as string });
    expect(second).toEqual({ problems: [problem('b', 'b1'), problem('b', 'b2')], checked: 102 });
    expect(requests).toEqual([
      { queue: 'a', limit: 1_000 },
      { queue: 'a', limit: 1_000, cursor: '1' },
      { queue: 'b', limit: 900 },
      { queue: 'c', limit: 898 },
    ]);
  });

  it('looks at no more than the limit, and goes on with the next queue', async () => {
    const { manager, requests } = await managerOver({ a: [{ ids: [], checked: 5 }], b: [{ ids: ['b1'], checked: 5 }] });
    const { cursor, checked } = await manager.verify({ limit: 5 });
    expect(checked).toBe(5);
    expect(await manager.verify({ limit: 5, cursor: cursor as string })).toEqual({
      problems: [problem('b', 'b1')],
      checked: 5,
    });
    expect(requests.map(({ queue }) => queue)).toEqual(['a', 'b']);
  });

  it('of one queue stays in it', async () => {
    const { manager, requests } = await managerOver({
      a: [{ ids: ['a1'], checked: 1 }],
      b: [{ ids: ['b1'], checked: 1 }],
    });
    expect(await manager.verify({ queue: 'b' })).toEqual({ problems: [problem('b', 'b1')], checked: 1 });
    expect(requests).toEqual([{ queue: 'b', limit: 1_000 }]);
    const { cursor } = await manager.verify({ limit: 1 });
    expect(await failureOf(manager.verify({ queue: 'a', cursor: cursor as string }))).toBeInstanceOf(
      InvalidOptionsError,
    );
  });

  it('verifyAll goes through all pages', async () => {
    const { manager } = await managerOver({
      a: [
        { ids: ['a1'], checked: 1 },
        { ids: ['a2'], checked: 1 },
      ],
      b: [{ ids: ['b1'], checked: 1 }],
    });
    const found: string[] = [];
    for await (const { id } of manager.verifyAll()) found.push(id as string);
    expect(found).toEqual(['a1', 'a2', 'b1']);
    const ofOne: string[] = [];
    for await (const { id } of manager.verifyAll({ queue: 'a', limit: 1 })) ofOne.push(id as string);
    expect(ofOne).toEqual(['a1', 'a2']);
  });

  it('refuses a limit out of range and a cursor that is none', async () => {
    const { manager } = world.engine();
    for (const options of [{ limit: 0 }, { limit: 1_001 }, { cursor: '%' }]) {
      expect(await failureOf(manager.verify(options))).toBeInstanceOf(InvalidOptionsError);
    }
  });
});
