import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { defineQueue, InvalidPayloadError, type SchemaResult, type StandardSchema } from 'oqronkit';
import { z } from 'zod';
import { failureOf } from '../support/until.js';
import { World } from '../support/world.js';

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.end());

/** A schema of no library. */
function schemaOf<T>(
  validate: (value: unknown) => SchemaResult<T> | Promise<SchemaResult<T>>,
): StandardSchema<unknown, T> {
  return { '~standard': { version: 1, vendor: 'test', validate } };
}

const order = z.object({
  id: z.int(),
  lines: z.array(z.object({ price: z.number() })),
  note: z.string().default('none'),
});

describe('a schema', () => {
  it('of a library is checked before the handler, which gets its output', async () => {
    const Orders = defineQueue('orders', { schema: order });
    const engine = world.engine();
    const seen: unknown[] = [];
    const queue = engine.queue(Orders, { handler: (ctx) => seen.push(ctx.data) });
    await engine.start();
    const { id } = await world.engine().producer('orders').add({ id: 7, lines: [] });
    await world.clock.settle();
    expect(seen).toEqual([{ id: 7, lines: [], note: 'none' }]);
    // The record keeps what was added.
    expect((await queue.getJob(id))?.data).toEqual({ id: 7, lines: [] });
  });

  it('that refuses a payload before the handler fails the attempt for good, with InvalidPayloadError', async () => {
    const engine = world.engine();
    let runs = 0;
    const errors: unknown[] = [];
    const queue = engine.queue(defineQueue('orders', { schema: order }), {
      retries: { max: 5 },
      hooks: { onFail: (_job, error) => errors.push(error) },
      handler: () => (runs += 1),
    });
    await engine.start();
    // Added by somebody who does not know the schema: an older process, another program.
    const { id } = await world
      .engine()
      .producer('orders')
      .add({ id: 7.5, lines: [{ price: 'much' }] });
    await world.clock.advance('10m');
    expect(runs).toBe(0);
    const job = await queue.getJob(id);
    expect(job).toMatchObject({ status: 'failed', attemptMade: 1, error: { code: 'INVALID_PAYLOAD' } });
    expect(job?.error?.message).toMatch(/does not match its schema: id: .*; lines\.0\.price: /);
    expect(errors).toEqual([expect.any(InvalidPayloadError)]);
  });

  it('is checked at add too', async () => {
    const queue = world.engine().queue(defineQueue('orders', { schema: order }));
    const error = await failureOf(queue.add({ id: 'seven' } as never));
    expect(error).toBeInstanceOf(InvalidPayloadError);
    expect(await queue.count()).toBe(0);
  });

  it('may be asynchronous', async () => {
    const engine = world.engine();
    const seen: unknown[] = [];
    const schema = schemaOf<{ n: number }>(async (value) => {
      await world.clock.sleep('2s');
      const n = Number(value);
      return Number.isNaN(n) ? { issues: [{ message: 'no number' }] } : { value: { n } };
    });
    engine.worker({ topic: 'q', schema, timeout: '1s', handler: (ctx) => seen.push(ctx.data.n) });
    await engine.start();
    const queue = world.engine().producer('q');
    await queue.add(5);
    const { id } = await queue.add('five');
    await world.clock.advance('5s');
    expect(seen).toEqual([5]);
    expect((await queue.getJob(id))?.status).toBe('failed');
  });

  it('that throws is a failed attempt like any other: its payload may be fine', async () => {
    const engine = world.engine();
    let calls = 0;
    const schema = schemaOf((value) => {
      calls += 1;
      if (calls === 1) throw new Error('the table of countries cannot be read');
      return { value };
    });
    engine.worker({ topic: 'q', schema, retries: { strategy: 'fixed', baseDelay: '1s' }, handler: () => 'done' });
    await engine.start();
    const queue = world.engine().producer('q');
    const { id } = await queue.add(1);
    await world.clock.settle();
    expect(await queue.getJob(id)).toMatchObject({ status: 'delayed', attemptMade: 1 });
    await world.clock.advance('2s');
    expect(await queue.getJob(id)).toMatchObject({ status: 'completed', attemptMade: 2 });
  });

  it('gives hooks the payload that the handler got', async () => {
    const engine = world.engine();
    const seen: unknown[] = [];
    engine.worker({
      topic: 'q',
      schema: schemaOf((value) => ({ value: new Date(String(value)) })),
      hooks: { onSuccess: (job) => seen.push(job.data.getUTCFullYear()) },
      handler: (ctx) => ctx.data.getTime(),
    });
    await engine.start();
    await world.engine().producer('q').add('2020-02-02');
    await world.clock.settle();
    expect(seen).toEqual([2020]);
  });

  it('may be a function, as some libraries make theirs', async () => {
    const schema = Object.assign(
      () => undefined,
      schemaOf((value) => ({ value: { wrapped: value } })),
    );
    const engine = world.engine();
    const seen: unknown[] = [];
    engine.worker({ topic: 'q', schema, handler: (ctx) => seen.push(ctx.data) });
    await engine.start();
    await world.engine().producer('q').add(1);
    await world.clock.settle();
    expect(seen).toEqual([{ wrapped: 1 }]);
  });

  it('that is none is refused', () => {
    expect(() => defineQueue('q', { schema: {} as never })).toThrow(/schema: expected a schema that follows Standard/);
  });

  it('lists the first ten problems', async () => {
    const engine = world.engine();
    engine.worker({
      topic: 'q',
      schema: schemaOf(() => ({
        issues: Array.from({ length: 1_000 }, (_, n) => ({ message: 'bad', path: ['rows', { key: n }] })),
      })),
      handler: () => 1,
    });
    await engine.start();
    const queue = world.engine().producer('q');
    const { id } = await queue.add([]);
    await world.clock.settle();
    const message = (await queue.getJob(id))?.error?.message;
    expect(message).toContain('rows.0: bad; rows.1: bad');
    expect(message).toMatch(/rows\.9: bad; and 990 more$/);
  });
});
