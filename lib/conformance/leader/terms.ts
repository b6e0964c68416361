import assert from 'node:assert/strict';
import type { LeaderElection } from '../../kernel/ports/leader.js';
import { adapterSuite, LONG } from '../adapter-suite.js';

/** Campaigns and answers the epoch; fails unless `owner` leads. */
async function lead(election: LeaderElection, name: string, owner: string, ttlMs: number): Promise<number> {
  const reply = await election.campaign(name, owner, ttlMs);
  assert.ok(reply.leader, `${owner} was expected to lead "${name}": ${JSON.stringify(reply)}`);
  assert.ok(Number.isSafeInteger(reply.epoch) && reply.epoch > 0, `epoch ${reply.epoch}`);
  return reply.epoch;
}

/** Campaigns in vain, and answers how long the leader's lease is said to last. */
async function follow(election: LeaderElection, name: string, owner: string, leader: string): Promise<number> {
  const reply = await election.campaign(name, owner, LONG);
  assert.ok(!reply.leader, `${owner} was not expected to lead "${name}"`);
  assert.equal(reply.owner, leader);
  assert.ok(reply.leaseMs > 0, `the lease of a leader lasts ${reply.leaseMs} ms`);
  return reply.leaseMs;
}

export const termCases = adapterSuite<LeaderElection>('terms', (it) => {
  it('[campaign] the first one leads, the others hear who and for how long', [], async (election, time) => {
    await lead(election, 'name', 'a', time.ms(8));
    await time.pass(2);
    const left = await follow(election, 'name', 'b', 'a');
    assert.ok(left <= time.ms(6) && left > time.ms(1), `${left} ms are left`);
  });

  it('[campaign] names do not know each other', [], async (election) => {
    await lead(election, 'name', 'a', LONG);
    await lead(election, 'name:1', 'b', LONG);
    await lead(election, 'NAME', 'c', LONG);
    await follow(election, 'name', 'b', 'a');
  });

  it('[campaign] of 20 at once exactly one leads', [], async (election) => {
    const owners = Array.from({ length: 20 }, (_, i) => `owner-${i}`);
    const replies = await Promise.all(owners.map((owner) => election.campaign('name', owner, LONG)));
    assert.equal(replies.filter(({ leader }) => leader).length, 1);
    const leader = owners[replies.findIndex((reply) => reply.leader)];
    for (const reply of replies) assert.equal(reply.leader ? leader : reply.owner, leader);
  });

  it('[campaign] of 20 at once exactly one takes over when a term has ended', [], async (election, time) => {
    const before = await lead(election, 'name', 'a', time.ms(2));
    await time.pass(3);
    const replies = await Promise.all(
      Array.from({ length: 20 }, (_, i) => election.campaign('name', `owner-${i}`, LONG)),
    );
    const terms = replies.filter((reply) => reply.leader);
    assert.equal(terms.length, 1);
    assert.ok((terms[0]?.epoch ?? 0) > before);
  });

  it('[campaign] the leader renews its term, from now on, and keeps its epoch', [], async (election, time) => {
    const epoch = await lead(election, 'name', 'a', time.ms(4));
    await time.pass(2);
    assert.equal(await lead(election, 'name', 'a', time.ms(6)), epoch);
    await time.pass(4);
    await follow(election, 'name', 'b', 'a');
    await time.pass(3);
    assert.ok((await lead(election, 'name', 'b', LONG)) > epoch);
  });

  it('[campaign] who asks in vain changes nothing', [], async (election, time) => {
    const epoch = await lead(election, 'name', 'a', time.ms(4));
    await time.pass(2);
    await follow(election, 'name', 'b', 'a');
    assert.equal((await election.current('name'))?.epoch, epoch);
    await time.pass(3);
    assert.equal(await election.current('name'), undefined);
  });

  it('[expiry] another leads when the time is over, in a later term', [], async (election, time) => {
    const first = await lead(election, 'name', 'a', time.ms(3));
    await time.pass(4);
    const second = await lead(election, 'name', 'b', LONG);
    assert.ok(second > first, `${second} after ${first}`);
    await follow(election, 'name', 'a', 'b');
  });

  it('[expiry] who comes back too late begins a new term', [], async (election, time) => {
    const first = await lead(election, 'name', 'a', time.ms(2));
    await time.pass(3);
    const second = await lead(election, 'name', 'a', LONG);
    assert.ok(second > first, `${second} after ${first}`);
  });

  it('[resign] another leads at once, in a later term', [], async (election) => {
    const first = await lead(election, 'name', 'a', LONG);
    assert.equal(await election.resign('name', 'a', first), true);
    const second = await lead(election, 'name', 'b', LONG);
    assert.ok(second > first, `${second} after ${first}`);
  });

  it('[resign] only by the owner, in its term', [], async (election) => {
    const epoch = await lead(election, 'name', 'a', LONG);
    assert.equal(await election.resign('name', 'b', epoch), false);
    assert.equal(await election.resign('name', 'a', epoch - 1), false);
    assert.equal(await election.resign('name', 'a', epoch + 1), false);
    assert.equal(await election.resign('other', 'a', epoch), false);
    await follow(election, 'name', 'b', 'a');
    assert.equal(await election.resign('name', 'a', epoch), true);
    assert.equal(await election.resign('name', 'a', epoch), false);
  });

  it('[resign] not after the end', [], async (election, time) => {
    const epoch = await lead(election, 'name', 'a', time.ms(2));
    await time.pass(3);
    assert.equal(await election.resign('name', 'a', epoch), false);
    await lead(election, 'name', 'b', LONG);
    assert.equal(await election.resign('name', 'a', epoch), false);
    await follow(election, 'name', 'a', 'b');
  });

  it('[epoch] grows with every term, whoever leads', [], async (election) => {
    let last = 0;
    for (let turn = 0; turn < 20; turn += 1) {
      const owner = `owner-${turn % 3}`;
      const epoch = await lead(election, 'name', owner, LONG);
      assert.ok(epoch > last, `${epoch} after ${last}`);
      assert.equal(await election.resign('name', owner, epoch), true);
      last = epoch;
    }
  });

  it('[current] says who leads, in which term, and for how long', [], async (election, time) => {
    assert.equal(await election.current('name'), undefined);
    const epoch = await lead(election, 'name', 'a', time.ms(4));
    const term = await election.current('name');
    assert.deepEqual({ owner: term?.owner, epoch: term?.epoch }, { owner: 'a', epoch });
    assert.ok((term?.leaseMs ?? 0) > 0 && (term?.leaseMs ?? 0) <= time.ms(4), `${term?.leaseMs} ms are left`);
    assert.equal(await election.current('other'), undefined);
    await time.pass(5);
    assert.equal(await election.current('name'), undefined);
    const next = await lead(election, 'name', 'b', LONG);
    await election.resign('name', 'b', next);
    assert.equal(await election.current('name'), undefined);
  });

  it('[names] any text names an election or an owner', [], async (election) => {
    const texts = ['', 'a b\nc', '{a}:%', 'ä\u{1F600}', '\'"\\'];
    for (const text of texts) await lead(election, text, `owner of ${text}`, LONG);
    for (const text of texts) assert.equal((await election.current(text))?.owner, `owner of ${text}`);
  });
});
