import { afterEach, describe, expect, it } from '@jest/globals';
import type { PostgresBackend } from '../../lib/backends/postgres/index.js';
import { leaderConformance } from '../../lib/conformance/index.js';
import type { LeaderElection } from '../../lib/kernel/ports/leader.js';
import { VirtualClock } from '../../lib/testing/virtual-clock.js';
import { freshBackend } from '../support/postgres.js';
import { onStoreTime } from '../support/store-time.js';
import { until } from '../support/until.js';

const open: PostgresBackend[] = [];

afterEach(async () => {
  for (const backend of open.splice(0)) await backend.close();
});

/** Each with an environment of its own. */
async function electionOf(): Promise<LeaderElection> {
  const backend = await freshBackend();
  open.push(backend);
  if (!backend.leader) throw new Error('the backend has no elections');
  return backend.leader;
}

leaderConformance({ describe, it }, async () => {
  const clock = new VirtualClock();
  return { adapter: onStoreTime(await electionOf(), clock), clock, close: () => Promise.resolve() };
});

describe('an election on PostgreSQL', () => {
  it('ends terms by the clock of the server', async () => {
    const election = await electionOf();
    const first = await election.campaign('name', 'a', 60);
    expect(await election.campaign('name', 'b', 1_000)).toMatchObject({ leader: false, owner: 'a' });
    await until('the term to end', async () => (await election.current('name')) === undefined);
    const second = await election.campaign('name', 'b', 1_000);
    expect(second.leader && first.leader && second.epoch > first.epoch).toBe(true);
  });

  it('keeps environments apart', async () => {
    const [one, other] = [await electionOf(), await electionOf()];
    expect(await one.campaign('name', 'a', 60_000)).toMatchObject({ leader: true });
    expect(await other.campaign('name', 'b', 60_000)).toMatchObject({ leader: true });
  });

  it('has one leader, whatever 8 processes with terms of 20 ms do', async () => {
    const election = await electionOf();
    const epochs = new Map<number, string>();
    const began = performance.now();
    const contender = async (owner: string): Promise<void> => {
      let renewals = 0;
      while (performance.now() - began < 1_500) {
        const reply = await election.campaign('name', owner, 20);
        if (!reply.leader) continue;
        expect(epochs.get(reply.epoch) ?? owner).toBe(owner);
        epochs.set(reply.epoch, owner);
        // Who only renewed would lead for the whole test.
        if ((renewals += 1) % 3 === 0) await election.resign('name', owner, reply.epoch);
      }
    };
    await Promise.all(Array.from({ length: 8 }, (_, n) => contender(`owner-${n}`)));
    expect(epochs.size).toBeGreaterThan(3);
  });
});
