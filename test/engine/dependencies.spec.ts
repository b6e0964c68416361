import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  AmbiguousJobError,
  InvalidOptionsError,
  UnknownParentError,
  type JobHandle,
  type JobOptions,
  type OqronEngine,
  type Queue,
} from 'oqronkit';
import { failureOf, gate } from '../support/until.js';
import { World } from '../support/world.js';
import { wrapBackend } from '../support/wrapped-backend.js';

let world: World;
let engine: OqronEngine;
let ran: string[];
beforeEach(() => {
  world = new World();
  engine = world.engine();
  ran = [];
});
afterEach(() => world.end());

/** A queue whose jobs note that they ran; the payload `'fail'` fails. */
function queueOf(name: string, on: OqronEngine = engine): Queue<string, string> {
  return on.queue<string, string>({
    name,
    concurrency: 100,
    retries: { max: 0 },
    handler: ({ id, data }) => {
      ran.push(`${name}/${id}`);
      if (data === 'fail') throw new Error(`${id} failed`);
      return `${id} done`;
    },
  });
}

const statusOf = async (queue: Queue<string, string>, id: string) => (await queue.getJob(id))?.status;

describe('parents in any queue, given as handles or ids', () => {
  it('are waited for: the job runs after all of them, whichever queue they are in', async () => {
    const [a, b, c] = [queueOf('a'), queueOf('b'), queueOf('c')];
    const first = await a.add('default', 'x', { jobId: '1', delay: '5s' });
    const second = await b.add('default', 'x', { jobId: '2', delay: '10s' });
    const child = await c.add('default', 'x', { jobId: '3', dependsOn: [first, { queueName: 'b', id: second.id }] });
    expect(child).toMatchObject({ status: 'waiting-children', created: true });
    expect(child.dependsOn).toEqual([
      { queueName: 'a', id: '1' },
      { queueName: 'b', id: '2' },
    ]);
    await engine.start();
    await world.clock.advance('9s');
    expect(ran).toEqual(['a/1']);
    expect(await statusOf(c, '3')).toBe('waiting-children');
    await world.clock.advance('2s');
    expect(ran).toEqual(['a/1', 'b/2', 'c/3']);
    expect((await a.getJob('1'))?.childrenIds).toEqual(['3']);
    expect((await c.getJob('3'))?.dependsOn).toEqual(child.dependsOn);
  });

  it('by bare ids are looked up over the known queues, also those that only other processes know', async () => {
    const other = world.engine();
    await other.queue<string>({ name: 'far' }).add('default', 'x', { jobId: 'lonely' });
    const child = await queueOf('near').add('default', 'x', { dependsOn: ['lonely'] });
    expect(child.dependsOn).toEqual([{ queueName: 'far', id: 'lonely' }]);
  });

  it('that are named twice count once', async () => {
    const [a, b] = [queueOf('a'), queueOf('b')];
    const parent = await a.add('default', 'x', { jobId: 'p' });
    const child = await b.add('default', 'x', { dependsOn: [parent, 'p', { queueName: 'a', id: 'p' }] });
    expect(child.dependsOn).toHaveLength(1);
  });

  it('need no look-up as handles', async () => {
    const seen: string[] = [];
    const backend = wrapBackend(world.backend, (operation, _args, run) => {
      seen.push(operation);
      return run();
    });
    const queue = world.engine({}, { backend }).queue<string, string>({ name: 'q' });
    const parent = await queue.add('x');
    await queue.add('default', 'x', { dependsOn: [parent] });
    expect(seen).toEqual(['enqueue', 'enqueue']);
    await queue.add('default', 'x', { dependsOn: [parent.id] });
    expect(seen).toEqual(['enqueue', 'enqueue', 'admin.locate', 'enqueue']);
  });

  it('may be none', async () => {
    expect((await queueOf('q').add('default', 'x', { dependsOn: [] })).status).toBe('waiting');
  });
});

describe('an ambiguous id', () => {
  it('is an error that lists the queues', async () => {
    const [a, b, c] = [queueOf('a'), queueOf('b'), queueOf('c')];
    await a.add('default', 'x', { jobId: 'same' });
    await b.add('default', 'x', { jobId: 'same' });
    const error = await failureOf<AmbiguousJobError>(c.add('default', 'x', { dependsOn: ['same'] }));
    expect(error).toBeInstanceOf(AmbiguousJobError);
    expect(error).toMatchObject({ code: 'AMBIGUOUS_JOB', queues: ['a', 'b'] });
    expect(error.message).toContain('a, b');
    expect(await c.count()).toBe(0);
    const child = await c.add('default', 'x', { dependsOn: [{ queueName: 'b', id: 'same' }] });
    expect(child.dependsOn).toEqual([{ queueName: 'b', id: 'same' }]);
  });
});

describe('an unknown parent or a cycle', () => {
  it.each<[string, JobOptions['dependsOn']]>([
    ['a bare id', ['nobody']],
    ['a reference', [{ queueName: 'q', id: 'nobody' }]],
    ['a queue that nobody knows', [{ queueName: 'nowhere', id: 'nobody' }]],
  ])('is refused: %s', async (_title, dependsOn = []) => {
    const queue = queueOf('q');
    const error = await failureOf<UnknownParentError>(queue.add('default', 'x', { dependsOn }));
    expect(error).toBeInstanceOf(UnknownParentError);
    expect(error).toMatchObject({ code: 'UNKNOWN_PARENT', parentId: 'nobody' });
    expect(error.message).toContain('"nobody"');
    expect(await queue.count()).toBe(0);
  });

  it.each<[string, JobOptions['dependsOn']]>([
    ['its own id', ['me']],
    ['its own queue and id', [{ queueName: 'q', id: 'me' }]],
  ])('is refused before anything is sent: the job itself, by %s', async (_title, dependsOn = []) => {
    const calls: string[] = [];
    const backend = wrapBackend(world.backend, (operation, _args, run) => {
      calls.push(operation);
      return run();
    });
    const queue = world.engine({}, { backend }).queue<string>({ name: 'q' });
    const error = await failureOf(queue.add('default', 'x', { jobId: 'me', dependsOn }));
    expect(error).toBeInstanceOf(InvalidOptionsError);
    expect(error.message).toContain('cannot wait for itself');
    expect(calls).toEqual([]);
  });

  it('is refused: two jobs of one call that wait for each other', async () => {
    const queue = queueOf('q');
    const error = await failureOf(
      queue.addBulk([
        { data: 'x', opts: { jobId: 'a', dependsOn: ['b'] } },
        { data: 'x', opts: { jobId: 'b', dependsOn: ['a'] } },
      ]),
    );
    expect(error).toBeInstanceOf(UnknownParentError);
    expect(error.message).toMatch(/item 0.*put it first/);
    expect(await queue.count()).toBe(0);
  });

  it('does not hide that the job stands already: a repeated add answers it', async () => {
    const queue = queueOf('q');
    const parent = await queue.add('default', 'x', { jobId: 'p' });
    await queue.add('default', 'x', { jobId: 'c', dependsOn: [parent] });
    await parent.cancel();
    const again = await queue.add('default', 'x', { jobId: 'c', dependsOn: [parent] });
    expect(again).toMatchObject({ created: false, status: 'waiting-children' });
  });

  it.each<[JobOptions, RegExp]>([
    [{ dependsOn: [''] }, /dependsOn/],
    [{ dependsOn: [{ id: 'x' } as never] }, /dependsOn/],
    [{ dependsOn: Array.from({ length: 1_001 }, (_, n) => `p${n}`) }, /dependsOn/],
    [{ dependsOn: ['p'], parentFailurePolicy: 'explode' as never }, /parentFailurePolicy/],
  ])('nonsense is refused, %#', async (opts, message) => {
    const error = await failureOf(queueOf('q').add('default', 'x', opts));
    expect(error).toBeInstanceOf(InvalidOptionsError);
    expect(error.message).toMatch(message);
  });
});

describe('addBulk', () => {
  it('lets an item depend on an earlier one of the same call by its jobId', async () => {
    const queue = queueOf('q');
    await engine.start();
    const jobs = await queue.addBulk([
      { data: 'x', opts: { jobId: 'a', delay: '1s' } },
      { data: 'x', opts: { jobId: 'b', dependsOn: ['a'] } },
      { data: 'x', opts: { jobId: 'c', dependsOn: [{ queueName: 'q', id: 'b' }] } },
    ]);
    expect(jobs.map(({ status }) => status)).toEqual(['delayed', 'waiting-children', 'waiting-children']);
    await world.clock.advance('2s');
    expect(ran).toEqual(['q/a', 'q/b', 'q/c']);
  });

  it('also over chunks, each acknowledged before one that depends on it is sent', async () => {
    const order: string[] = [];
    const backend = wrapBackend(world.backend, async (operation, args, run) => {
      if (operation !== 'enqueue') return run();
      const [, , groups] = args as [unknown, unknown, { id: string }[][]];
      order.push(`send ${groups.length}`);
      const reply = await run();
      order.push('reply');
      return reply;
    });
    const queue = world.engine({}, { backend }).queue<number>({ name: 'q' });
    const jobs = await queue.addBulk(
      Array.from({ length: 3_000 }, (_, n) => ({
        data: n,
        opts: { jobId: `j${n}`, ...(n < 1_000 ? {} : { dependsOn: [`j${n - 1_000}`] }) },
      })),
    );
    expect(order).toEqual(['send 1', 'reply', 'send 1', 'reply', 'send 1', 'reply']);
    expect(jobs[2_999]?.dependsOn).toEqual([{ queueName: 'q', id: 'j1999' }]);
    expect(await queue.counts()).toMatchObject({ waiting: 1_000, 'waiting-children': 2_000 });
  });

  it('sends no chunk whose parent was refused, and says what was wrong', async () => {
    let calls = 0;
    const backend = wrapBackend(world.backend, (operation, _args, run) => {
      if (operation === 'enqueue') calls += 1;
      return run();
    });
    const queue = world.engine({}, { backend }).queue<number>({ name: 'q' });
    const error = await failureOf(
      queue.addBulk(
        Array.from({ length: 2_000 }, (_, n) => ({
          data: n,
          opts: {
            jobId: `j${n}`,
            dependsOn: n === 5 ? [{ queueName: 'q', id: 'nobody' }] : n < 1_000 ? [] : ['j0'],
          },
        })),
      ),
    );
    expect(error).toMatchObject({ code: 'UNKNOWN_PARENT', parentId: 'nobody' });
    expect(await queue.count()).toBe(0);
    expect(calls).toBe(1);
  });

  it('says which item has an unknown parent', async () => {
    const queue = queueOf('q');
    const error = await failureOf(queue.addBulk([{ data: 'x' }, { data: 'x', opts: { dependsOn: ['nobody'] } }]));
    expect(error.message).toMatch(/item 1/);
    expect(await queue.count()).toBe(0);
  });

  it('looks all bare ids up at once', async () => {
    const pages: number[] = [];
    const backend = wrapBackend(world.backend, (operation, args, run) => {
      if (operation === 'admin.locate') pages.push((args[0] as string[]).length);
      return run();
    });
    const queue = world.engine({}, { backend }).queue<number>({ name: 'q' });
    const parents = await queue.addBulk(Array.from({ length: 1_500 }, (_, n) => ({ data: n })));
    const far = world.engine({}, { backend }).queue<number>({ name: 'far' });
    await far.addBulk(parents.map(({ id, data }) => ({ data, opts: { dependsOn: [id] } })));
    expect(pages).toEqual([1_000, 500]);
    expect(await far.count('waiting-children')).toBe(1_500);
  });
});

describe('parents already finished', () => {
  it('count at once', async () => {
    const [a, b] = [queueOf('a'), queueOf('b')];
    await engine.start();
    const parent = await a.add('x');
    await world.clock.settle();
    expect((await b.add('default', 'x', { dependsOn: [parent] })).status).toBe('waiting');
  });

  it('that had failed before meet the policy too', async () => {
    const [a, b] = [queueOf('a'), queueOf('b')];
    await engine.start();
    const parent = await a.add('fail');
    await world.clock.settle();
    const fails: unknown[] = [];
    engine.on('job:fail', (event) => fails.push(event));
    const add = (jobId: string, parentFailurePolicy?: JobOptions['parentFailurePolicy']) =>
      b.add('default', 'x', { jobId, dependsOn: [parent], ...(parentFailurePolicy ? { parentFailurePolicy } : {}) });
    expect((await add('blocked')).status).toBe('waiting-children');
    expect((await add('ignored', 'ignore')).status).toBe('waiting');
    const failed = await add('failed', 'cascade-fail');
    expect(failed).toMatchObject({ created: true, status: 'failed', error: { code: 'PARENT_FAILED' } });
    expect(fails).toEqual([
      {
        queue: 'b',
        id: 'failed',
        name: 'default',
        attempt: 0,
        error: expect.objectContaining({ code: 'PARENT_FAILED' }) as unknown,
      },
    ]);
    expect(await failureOf(failed.waitUntilFinished())).toMatchObject({ code: 'JOB_FAILED' });
  });
});

describe('diamonds', () => {
  it('run the child once, after both sides', async () => {
    const [a, b] = [queueOf('a'), queueOf('b')];
    await engine.start();
    await a.add('default', 'x', { jobId: 'top', delay: '1s' });
    await a.add('default', 'x', { jobId: 'left', dependsOn: ['top'] });
    await b.add('default', 'x', { jobId: 'right', dependsOn: ['top'] });
    await a.add('default', 'x', { jobId: 'bottom', dependsOn: ['left', 'right'] });
    await world.clock.advance('5s');
    expect(ran.filter((job) => job === 'a/bottom')).toHaveLength(1);
    expect(ran.at(0)).toBe('a/top');
    expect(ran.at(-1)).toBe('a/bottom');
    expect(ran).toHaveLength(4);
  });
});

describe('children added while the parent is running', () => {
  it('are never lost', async () => {
    const open = gate();
    engine.worker({ topic: 'p', handler: () => world.hold(open.opened) });
    const child = queueOf('c');
    await engine.start();
    const parent = await engine.producer('p').add(1);
    await world.clock.settle();
    const added = Array.from({ length: 50 }, () => child.add('default', 'x', { dependsOn: [parent] }));
    open.open();
    const jobs = await Promise.all(added);
    await world.clock.advance('1s');
    expect(ran).toHaveLength(jobs.length);
  });
});

describe('when a parent does not complete', () => {
  /** A child of each policy. */
  async function children(parent: JobHandle): Promise<Queue<string, string>> {
    const queue = queueOf('children');
    for (const policy of ['block', 'cascade-fail', 'ignore'] as const) {
      await queue.add('default', 'x', { jobId: policy, dependsOn: [parent], parentFailurePolicy: policy });
    }
    return queue;
  }

  const states = async (queue: Queue<string, string>) => ({
    block: await statusOf(queue, 'block'),
    'cascade-fail': await statusOf(queue, 'cascade-fail'),
    ignore: await statusOf(queue, 'ignore'),
  });

  const after = { block: 'waiting-children', 'cascade-fail': 'failed', ignore: 'completed' };

  it('because it failed, each child follows its policy', async () => {
    const queue = await children(await queueOf('p').add('default', 'fail', { delay: '1s' }));
    await engine.start();
    await world.clock.advance('2s');
    expect(await states(queue)).toEqual(after);
    expect((await queue.getJob('cascade-fail'))?.error).toMatchObject({ code: 'PARENT_FAILED' });
  });

  it('because it was cancelled, they do the same: cancelled parents count as failed', async () => {
    const parent = await queueOf('p').add('x');
    const queue = await children(parent);
    const fails: string[] = [];
    engine.on('job:fail', ({ id }) => fails.push(id));
    await parent.cancel();
    expect(fails).toEqual(['cascade-fail']);
    await engine.start();
    await world.clock.advance('2s');
    expect(await states(queue)).toEqual(after);
  });

  it('because it was removed, they do the same: removed parents count as failed', async () => {
    const parent = await queueOf('p').add('x');
    const queue = await children(parent);
    const { admin } = world.backend.store;
    await admin.remove({ client: 'test', n: 1, acked: 0 }, 'p', parent.id);
    await engine.start();
    await world.clock.advance('2s');
    expect(await states(queue)).toEqual(after);
  });

  it('under `block`, the default, the child stays waiting-children', async () => {
    const parent = await queueOf('p').add('x');
    await queueOf('c').add('default', 'x', { jobId: 'c', dependsOn: [parent] });
    await parent.cancel();
    expect(await statusOf(queueOf('c'), 'c')).toBe('waiting-children');
  });

  it('a retry of the failed parent inherits its open dependants in the same transition', async () => {
    let broken = true;
    engine.worker({
      topic: 'p',
      retries: { max: 0 },
      handler: () => {
        if (broken) throw new Error('broken');
      },
    });
    const child = queueOf('c');
    const parents = engine.producer('p');
    const parent = await parents.add(1);
    await child.add('default', 'x', { jobId: 'c', dependsOn: [parent] });
    await engine.start();
    await world.clock.advance('1s');
    expect(await statusOf(child, 'c')).toBe('waiting-children');
    broken = false;
    const [again] = await parents.redrive();
    await world.clock.advance('1s');
    expect(ran).toEqual(['c/c']);
    expect((await child.getJob('c'))?.dependsOn).toEqual([{ queueName: 'p', id: again }]);
  });

  it('cascade reaches all descendants, 1 000 levels deep, without recursion limits', async () => {
    const queue = queueOf('deep');
    const items = Array.from({ length: 1_000 }, (_, n) => ({
      data: 'x',
      opts: {
        jobId: `level-${n}`,
        ...(n === 0 ? {} : { dependsOn: [`level-${n - 1}`], parentFailurePolicy: 'cascade-fail' as const }),
      },
    }));
    const [top] = await queue.addBulk(items);
    const fails = new Set<string>();
    engine.on('job:fail', ({ id }) => fails.add(id));
    await top?.cancel('the root is gone');
    expect(await queue.counts()).toMatchObject({ cancelled: 1, failed: 999, 'waiting-children': 0 });
    expect(fails.size).toBe(999);
  });
});

describe('a child', () => {
  it('whose delay is ahead when its parents are done is delayed until then', async () => {
    const [a, b] = [queueOf('a'), queueOf('b')];
    await engine.start();
    const parent = await a.add('default', 'x', { delay: '1s' });
    await b.add('default', 'x', { jobId: 'c', delay: '10s', dependsOn: [parent] });
    await world.clock.advance('5s');
    expect(await statusOf(b, 'c')).toBe('delayed');
    await world.clock.advance('6s');
    expect(await statusOf(b, 'c')).toBe('completed');
  });

  it('can be waited for, and cancelled, while it waits for its parents', async () => {
    const [a, b] = [queueOf('a'), queueOf('b')];
    await engine.start();
    const parent = await a.add('default', 'x', { delay: '1m' });
    const child = await b.add('default', 'x', { jobId: 'c', dependsOn: [parent] });
    const other = await b.add('default', 'x', { jobId: 'd', dependsOn: [parent] });
    const done = child.waitUntilFinished();
    expect(await other.cancel()).toBe('cancelled');
    expect(await world.passUntil(done)).toBe('c done');
    expect(ran).not.toContain('b/d');
  });
});
