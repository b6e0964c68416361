import { describe, expect, it } from '@jest/globals';
import { BatchRejectedError, StoreUnreachableError, type ClaimReply, type ClaimRequest } from 'oqronkit';
import { VirtualClock } from 'oqronkit/testing';
import { ClaimDesk, type Stepper } from '../../../lib/kernel/runtime/claim-desk.js';

const policy = {
  key: 'p',
  guaranteedWorker: true,
  maxStalledCount: 3,
  stallBackoff: { delayMs: 1_000, maxDelayMs: 1_000 },
  keep: { defaults: { completed: { count: null, ageMs: null }, failed: { count: null, ageMs: null } } },
};

function request(queue: string, count = 1): ClaimRequest {
  return { queue, count, call: { client: 'c', n: 1, acked: 0 }, leaseMs: 1_000, owner: 'c', policy };
}

function replyTo({ queue }: ClaimRequest): ClaimReply {
  return { queue, now: 0, jobs: [], paused: false, suspects: 0, swept: [], cascaded: [] };
}

function desk(answer: (requests: readonly ClaimRequest[]) => ClaimReply[] = (all) => all.map(replyTo)) {
  const clock = new VirtualClock();
  const calls: string[][] = [];
  const claim = (requests: readonly ClaimRequest[]): Promise<ClaimReply[]> => {
    calls.push(requests.map(({ queue }) => queue));
    return Promise.resolve().then(() => answer(requests));
  };
  const reported: unknown[] = [];
  return { clock, calls, reported, desk: new ClaimDesk({ claim }, clock, (error) => reported.push(error)) };
}

/** A loop that claims for its queue whenever it has its turn. */
function loop(on: ClaimDesk, queue: string, answers: unknown[], count?: number): Stepper {
  return {
    step: () => {
      on.claim(request(queue, count)).then(
        (reply) => answers.push(reply.queue),
        (error: unknown) => answers.push(error),
      );
    },
  };
}

describe('ClaimDesk', () => {
  it('makes the claims of one turn one call, and gives each its own reply', async () => {
    const { clock, calls, desk: it } = desk();
    const answers: unknown[] = [];
    for (const queue of ['a', 'b', 'c']) it.kick(loop(it, queue, answers));
    await clock.settle();
    expect(calls).toEqual([['a', 'b', 'c']]);
    expect(answers).toEqual(['a', 'b', 'c']);
  });

  it('gives a loop that is kicked twice one turn, and one that is kicked in a turn the next', async () => {
    const { clock, desk: it } = desk();
    const turns: string[] = [];
    const second = { step: () => void turns.push('second') };
    const first = {
      step: () => {
        turns.push('first');
        it.kick(second);
      },
    };
    it.kick(first);
    it.kick(first);
    await clock.settle();
    expect(turns).toEqual(['first', 'second']);
  });

  it('tells of a step that throws, and gives all others their turn, now and later', async () => {
    const { clock, desk: it, reported } = desk();
    const answers: unknown[] = [];
    const broken = {
      step: () => {
        throw new Error('broken');
      },
    };
    it.kick(broken);
    it.kick(loop(it, 'a', answers));
    await clock.settle();
    it.kick(loop(it, 'b', answers));
    await clock.settle();
    expect(answers).toEqual(['a', 'b']);
    expect(reported).toEqual([new Error('broken')]);
  });

  it('cuts calls at 32 queues and at 1 000 jobs; the first claim always fits', async () => {
    const { clock, calls, desk: it } = desk();
    const answers: unknown[] = [];
    for (let i = 0; i < 70; i += 1) it.kick(loop(it, `queue ${i}`, answers));
    await clock.settle();
    expect(calls.map(({ length }) => length)).toEqual([32, 32, 6]);
    for (const count of [900, 200, 800, 1_000]) it.kick(loop(it, `of ${count}`, answers, count));
    await clock.settle();
    expect(calls.slice(3)).toEqual([['of 900'], ['of 200', 'of 800'], ['of 1000']]);
  });

  it('asks for each queue alone when the call fails, so that one bad queue does not keep the others from work', async () => {
    const {
      clock,
      calls,
      desk: it,
    } = desk((all) => {
      if (all.some(({ queue }) => queue === 'bad')) throw new BatchRejectedError('store');
      return all.map(replyTo);
    });
    const answers: unknown[] = [];
    for (const queue of ['a', 'bad', 'c']) it.kick(loop(it, queue, answers));
    await clock.settle();
    expect(calls).toEqual([['a', 'bad', 'c'], ['a'], ['bad'], ['c']]);
    expect(answers).toHaveLength(3);
    expect(answers).toEqual(expect.arrayContaining(['a', 'c', expect.any(BatchRejectedError)]));
  });

  it('leaves it to each caller to ask again when the store was not reached', async () => {
    const {
      clock,
      calls,
      desk: it,
    } = desk(() => {
      throw new StoreUnreachableError('socket');
    });
    const answers: unknown[] = [];
    for (const queue of ['a', 'b']) it.kick(loop(it, queue, answers));
    await clock.settle();
    expect(calls).toEqual([['a', 'b']]);
    expect(answers).toEqual([expect.any(StoreUnreachableError), expect.any(StoreUnreachableError)]);
  });
});
