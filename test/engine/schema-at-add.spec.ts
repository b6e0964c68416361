import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { InvalidPayloadError } from 'oqronkit';
import { z } from 'zod';
import { failureOf, gate } from '../support/until.js';
import { World } from '../support/world.js';
import { wrapBackend } from '../support/wrapped-backend.js';

let world: World;
let calls: string[];
beforeEach(() => {
  world = new World();
  calls = [];
});
afterEach(() => world.end());

const Order = z.object({ id: z.number().int(), items: z.array(z.object({ price: z.number().positive() })) });
type Order = z.infer<typeof Order>;

function queueOf<T>(schema: z.ZodType<T>) {
  const backend = wrapBackend(world.backend, (operation, _args, run) => {
    calls.push(operation);
    return run();
  });
  return world.engine({}, { backend }).queue<T>({ name: 'orders', schema: schema as never });
}

describe('a schema is validated at add', () => {
  it('and says where the payload is wrong, before anything is sent', async () => {
    const queue = queueOf(Order);
    const error = await failureOf<InvalidPayloadError>(queue.add({ id: 1.5, items: [{ price: 1 }, { price: -1 }] }));
    expect(error).toBeInstanceOf(InvalidPayloadError);
    expect(error.code).toBe('INVALID_PAYLOAD');
    expect(error.message).toMatch(/queue "orders".*id: .*items\.1\.price: /);
    expect(error.issues.map(({ path }) => path)).toEqual([['id'], ['items', 1, 'price']]);
    expect(calls).toEqual([]);
  });

  it('and by addBulk for every item before the first is sent; the error says which', async () => {
    const queue = queueOf(Order);
    const error = await failureOf(
      queue.addBulk([{ data: { id: 1, items: [] } }, { data: { id: 2, items: 'none' } as unknown as Order }]),
    );
    expect(error).toBeInstanceOf(InvalidPayloadError);
    expect(error.message).toMatch(/item 1: .*items: /);
    expect(calls).toEqual([]);
  });

  it('and by updateData', async () => {
    const queue = queueOf(Order);
    const job = await queue.add({ id: 1, items: [] });
    expect(await failureOf(queue.updateData(job.id, { id: NaN, items: [] }))).toBeInstanceOf(InvalidPayloadError);
    await queue.updateData(job.id, { id: 2, items: [] });
    expect((await queue.getJob(job.id))?.data).toEqual({ id: 2, items: [] });
  });

  it('the payload that is stored is the input, not what the schema makes of it', async () => {
    const queue = queueOf(z.object({ at: z.coerce.date(), retries: z.number().default(3) }) as never);
    const { id } = await queue.add({ at: '2026-01-01' });
    expect((await queue.getJob(id))?.data).toEqual({ at: '2026-01-01' });
  });

  it('as the handler’s side will read it: a Date that the codec turns into text is refused here, not there', async () => {
    const queue = queueOf(z.object({ at: z.date() }));
    expect(await failureOf(queue.add({ at: new Date(0) }))).toBeInstanceOf(InvalidPayloadError);
  });
});

describe('an asynchronous schema', () => {
  it('is awaited; what the caller does with the object meanwhile changes neither verdict nor payload', async () => {
    const asked = gate();
    const queue = queueOf(
      z.object({ n: z.number() }).refine(async ({ n }) => {
        await asked.opened;
        return n < 10;
      }),
    );
    const data = { n: 1 };
    const added = queue.add(data);
    data.n = 50;
    asked.open();
    const { id } = await added;
    expect((await queue.getJob(id))?.data).toEqual({ n: 1 });
    expect(await failureOf(queue.add({ n: 11 }))).toBeInstanceOf(InvalidPayloadError);
  });

  it('of a bulk call whose first fault is another item rejects nobody unheard', async () => {
    const heard: unknown[] = [];
    const listen = (error: unknown): void => void heard.push(error);
    process.on('unhandledRejection', listen);
    try {
      const queue = queueOf(z.number().refine(async (n) => Promise.resolve(n > 0)));
      const error = await failureOf(queue.addBulk([{ data: -1 }, { data: 1, opts: { delay: -1 } }]));
      expect(error.message).toMatch(/item 1/);
      await new Promise((turn) => setImmediate(turn));
    } finally {
      process.off('unhandledRejection', listen);
    }
    expect(heard).toEqual([]);
    expect(calls).toEqual([]);
  });
});

describe('a schema that throws', () => {
  it.each<[string, () => unknown]>([
    [
      'at once',
      () => {
        throw new Error('the schema broke');
      },
    ],
    ['later', () => Promise.reject(new Error('the schema broke'))],
  ])('%s refuses the payload, with the cause', async (_title, validate) => {
    const schema = { '~standard': { version: 1, vendor: 'test', validate } };
    const queue = queueOf<number>(schema as never);
    const error = await failureOf(queue.add(1));
    expect(error).toBeInstanceOf(InvalidPayloadError);
    expect(error.message).toMatch(/the schema threw: the schema broke/);
    expect(error.cause).toMatchObject({ message: 'the schema broke' });
    expect(calls).toEqual([]);
  });
});
