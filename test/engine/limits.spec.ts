import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { PayloadTooLargeError } from 'oqronkit';
import { failureOf } from '../support/until.js';
import { World } from '../support/world.js';

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.end());

// Quoted, so two bytes more than characters.
const text = (bytes: number): string => 'x'.repeat(bytes - 2);

describe('limits are configurable', () => {
  it.each([
    [{}, 262_144],
    [{ payloadBytes: 4_096 }, 4_096],
    [{ payloadBytes: 524_288 }, 524_288],
  ])('%j: a payload may have that many bytes, and not one more', async (limits, bytes) => {
    const queue = world.engine({ limits }).queue<string>({ name: 'q' });
    expect(await queue.add(text(bytes))).toMatchObject({ status: 'waiting' });
    const error = await failureOf<PayloadTooLargeError>(queue.add(text(bytes + 1)));
    expect(error).toBeInstanceOf(PayloadTooLargeError);
    expect(error).toMatchObject({ bytes: bytes + 1, limit: bytes });
    expect(error.message).toContain('raise the limit');
  });

  it.each([
    [{}, 65_536],
    [{ resultBytes: 2_048 }, 2_048],
    [{ resultBytes: 131_072 }, 131_072],
  ])('%j: a result too; a larger one fails the job without a retry', async (limits, bytes) => {
    const engine = world.engine({ limits });
    const queue = engine.queue<number, string>({ name: 'q', handler: ({ data }) => text(data) });
    await engine.start();
    const fits = await queue.add(bytes);
    const large = await queue.add(bytes + 1);
    await world.clock.settle();
    expect(await queue.getJob(fits.id)).toMatchObject({ status: 'completed', returnValue: text(bytes) });
    expect(await queue.getJob(large.id)).toMatchObject({
      status: 'failed',
      attemptMade: 1,
      error: { code: 'PAYLOAD_TOO_LARGE' },
    });
  });
});
