import { describe, expect, it } from '@jest/globals';
import { StoreFullError, StoreUnreachableError, UnknownOutcomeError, type CallId } from 'oqronkit';
import { VirtualClock } from 'oqronkit/testing';
import { CallLane } from '../../../lib/kernel/runtime/call-lane.js';
import { constantRandom } from '../../support/seeded-random.js';
import { failureOf, gate, type Gate } from '../../support/until.js';

/** A lane, and a server that answers when the test says so. */
function lane() {
  const clock = new VirtualClock();
  const sent: CallId[] = [];
  const replies: Gate<string>[] = [];
  const calls = new CallLane('process-1', clock, constantRandom(0.5));
  const send = (call: CallId): Promise<string> => {
    sent.push(call);
    const reply = gate<string>();
    replies.push(reply);
    return reply.opened;
  };
  return { clock, sent, replies, run: () => calls.run('claim', send), calls };
}

const turn = (): Promise<void> => new Promise((next) => setImmediate(next));

describe('CallLane', () => {
  it('numbers calls from 1 and names its client', async () => {
    const { run, sent, replies } = lane();
    for (const i of [0, 1, 2]) {
      const answer = run();
      replies[i]?.open(`reply ${i}`);
      expect(await answer).toBe(`reply ${i}`);
    }
    expect(sent).toEqual([
      { client: 'process-1', n: 1, acked: 0 },
      { client: 'process-1', n: 2, acked: 1 },
      { client: 'process-1', n: 3, acked: 2 },
    ]);
  });

  it('confirms only up to the oldest call without an answer, or a reply that is still needed would be dropped', async () => {
    const { run, sent, replies } = lane();
    const slow = run();
    const answers = [run(), run()];
    replies[1]?.open('b');
    replies[2]?.open('c');
    await Promise.all(answers);
    const next = run();
    expect(sent[3]).toMatchObject({ n: 4, acked: 0 });
    replies[0]?.open('a');
    await slow;
    const last = run();
    expect(sent[4]).toMatchObject({ n: 5, acked: 3 });
    replies[3]?.open('d');
    replies[4]?.open('e');
    await Promise.all([next, last]);
  });

  it('never goes more than 16 numbers beyond the oldest unanswered call, and sends the others in order', async () => {
    const { run, sent, replies } = lane();
    const answers = Array.from({ length: 40 }, run);
    await turn();
    expect(sent).toHaveLength(16);
    // A store keeps the replies of n > acked: an answer in the middle frees nothing there.
    replies[5]?.open('x');
    await turn();
    expect(sent).toHaveLength(16);
    replies[0]?.open('x');
    await turn();
    expect(sent).toHaveLength(17);
    expect(sent[16]).toMatchObject({ n: 17, acked: 1 });
    for (let i = 0; i < 40; i += 1) {
      await turn();
      expect(sent.length - i).toBeLessThanOrEqual(17);
      replies[i]?.open('x');
    }
    await Promise.all(answers);
    expect(sent.map(({ n }) => n)).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
    expect(Math.max(...sent.map(({ n, acked }) => n - acked))).toBe(16);
  });

  it('sends a call whose reply was lost again under the same number, until the reply comes', async () => {
    const { clock, run, sent, replies } = lane();
    const answer = run();
    for (let i = 0; i < 6; i += 1) {
      replies[i]?.fail(new StoreUnreachableError('socket'));
      await clock.advance('1s');
    }
    replies[6]?.open('at last');
    expect(await answer).toBe('at last');
    expect(sent).toEqual(Array.from({ length: 7 }, () => ({ client: 'process-1', n: 1, acked: 0 })));
  });

  it('waits longer between resends, from 50 ms to 1 s', async () => {
    const { clock, calls } = lane();
    const at: number[] = [];
    const answer = failureOf(
      calls.run('claim', () => {
        at.push(clock.monotonic());
        return Promise.reject(new StoreUnreachableError('socket'));
      }),
    );
    await clock.advance('40s');
    await answer;
    const gaps = at.slice(1).map((time, i) => time - (at[i] as number));
    expect(gaps.slice(0, 7)).toEqual([50, 100, 200, 400, 800, 1_000, 1_000]);
    expect(at.length).toBeGreaterThan(30);
  });

  it('gives up after 30 s with an error that says the outcome is unknown, and why', async () => {
    const { clock, calls } = lane();
    const failure = failureOf<UnknownOutcomeError>(
      calls.run('claim (queue "mail")', () => Promise.reject(new StoreUnreachableError('socket'))),
    );
    await clock.advance('40s');
    const error = await failure;
    expect(error).toBeInstanceOf(UnknownOutcomeError);
    expect(error.waitedMs).toBeGreaterThan(30_000);
    expect(error.waitedMs).toBeLessThan(32_000);
    expect(error.message).toContain('claim (queue "mail")');
    expect(error.cause).toBeInstanceOf(StoreUnreachableError);
  });

  it('does not resend after any other error', async () => {
    const { calls, clock } = lane();
    let sends = 0;
    const answer = calls.run('enqueue', () => {
      sends += 1;
      return Promise.reject(new StoreFullError('redis'));
    });
    await expect(answer).rejects.toBeInstanceOf(StoreFullError);
    await clock.advance('1m');
    expect(sends).toBe(1);
  });

  it('stops resending when the server comes back with an error of its own', async () => {
    const { clock, run, sent, replies } = lane();
    const failure = failureOf(run());
    replies[0]?.fail(new StoreUnreachableError('socket'));
    await clock.advance('1s');
    replies[1]?.fail(new StoreFullError('redis'));
    expect(await failure).toBeInstanceOf(StoreFullError);
    await clock.advance('1m');
    expect(sent).toHaveLength(2);
  });

  it('frees the place of a call that failed', async () => {
    const { run, sent, replies } = lane();
    const answers = Array.from({ length: 17 }, () => failureOf(run()));
    await turn();
    replies[0]?.fail(new StoreFullError('redis'));
    await answers[0];
    await turn();
    expect(sent).toHaveLength(17);
    expect(sent[16]).toMatchObject({ n: 17, acked: 1 });
    for (const reply of replies) reply.fail(new StoreFullError('redis'));
    await Promise.all(answers);
  });
});
