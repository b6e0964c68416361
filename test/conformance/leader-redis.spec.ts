import { afterEach, describe, expect, it } from '@jest/globals';
import { createRedisBackend, type RedisBackend } from '../../lib/backends/redis/index.js';
import { leaderConformance } from '../../lib/conformance/index.js';
import type { LeaderElection } from '../../lib/kernel/ports/leader.js';
import { VirtualClock } from '../../lib/testing/virtual-clock.js';
import { redisSpace } from '../support/redis-space.js';
import { onStoreTime } from '../support/store-time.js';
import { until } from '../support/until.js';

const open: RedisBackend[] = [];
let spaces = 0;

afterEach(async () => {
  for (const backend of open.splice(0)) await backend.close();
});

async function electionOf(environment = `leaders-${(spaces += 1)}`): Promise<LeaderElection> {
  const { url, project } = await redisSpace();
  const backend = createRedisBackend({ redis: url, project, environment });
  open.push(backend);
  await backend.open();
  if (!backend.leader) throw new Error('the backend has no elections');
  return backend.leader;
}

leaderConformance({ describe, it }, async () => {
  const clock = new VirtualClock();
  return { adapter: onStoreTime(await electionOf(), clock), clock, close: () => Promise.resolve() };
});

describe('an election on Redis', () => {
  it('ends terms by the clock of the server', async () => {
    const election = await electionOf();
    const first = await election.campaign('name', 'a', 60);
    expect(await election.campaign('name', 'b', 1_000)).toMatchObject({ leader: false, owner: 'a' });
    await until('the term to end', async () => (await election.current('name')) === undefined);
    const second = await election.campaign('name', 'b', 1_000);
    expect(second.leader && first.leader && second.epoch > first.epoch).toBe(true);
  });

  it('is the same for all processes of a project and environment, and for no other', async () => {
    const [one, other] = [await electionOf('shared'), await electionOf('shared')];
    const stranger = await electionOf('shared:');
    expect(await one.campaign('name', 'a', 60_000)).toMatchObject({ leader: true });
    expect(await other.campaign('name', 'b', 60_000)).toMatchObject({ leader: false, owner: 'a' });
    expect(await stranger.campaign('name', 'c', 60_000)).toMatchObject({ leader: true });
  });
});
