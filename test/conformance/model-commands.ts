import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Deduplication, JobNote, NewJob, Outcome } from '../../lib/kernel/ports/job-store.js';
import { cascadedAre, claimed, leasesOf, noted, POLICIES, queueAt, reaped, settled, type Ask } from './model-calls.js';
import { command, delay, pick, queue, type Command } from './model-command.js';
import { text } from './model-look.js';
import { MANAGING } from './model-managing.js';
import { QUEUES, type Model, type QueueName } from './model.js';

const error = { name: 'Error', message: 'no' };

/* ---- adding ---- */

const spec = fc.record({
  id: fc.nat(11),
  name: fc.constantFrom('one', 'two'),
  data: fc.option(fc.constantFrom('1', '"x"'), { nil: undefined }),
  tag: fc.constantFrom('x', 'y'),
  priority: fc.nat(3),
  delayMs: delay,
  runAt: fc.option(fc.constantFrom(-5, 0, 700), { nil: undefined, freq: 8 }),
  gone: fc.nat(5),
  parents: fc.option(
    fc.record({
      picks: fc.array(fc.record({ queue, pick, unknown: fc.nat(30) }), { minLength: 1, maxLength: 3 }),
      policy: fc.constantFrom('block' as const, 'cascade-fail' as const, 'ignore' as const),
    }),
    { nil: undefined, freq: 2 },
  ),
  dedup: fc.option(
    fc.record({
      mode: fc.constantFrom('while-unfinished', 'throttle', 'debounce', 'replace', 'keep-last', 'keep-last'),
      key: fc.nat(1),
      ttl: fc.option(fc.constantFrom(500, 4_000), { nil: undefined }),
    }),
    { nil: undefined, freq: 3 },
  ),
});
type Spec = typeof spec extends fc.Arbitrary<infer T> ? T : never;

/** Modes with a time that the port defines whatever else happens to the key. */
const TIMED = new Set(['while-unfinished', 'replace']);

/** A job from what was drawn, which may depend on any job that there is, or stands before it in the group. */
function toJob(model: Model, name: QueueName, drawn: Spec, before: readonly NewJob[]): NewJob {
  const { data, tag, priority, delayMs, runAt, gone, parents, dedup } = drawn;
  let id = `j${drawn.id}`;
  // Links name jobs by id: what becomes of a link when a new job gets the id of one that is gone is left open.
  const linked = model.state.links.some(({ parent }) => parent.gone && parent.queue === name && parent.id === id);
  if (linked) id = `j${drawn.id}-${(model.fresh += 1)}`;
  const refs = new Map<string, { queue: string; id: string }>();
  for (const one of parents?.picks ?? []) {
    const from = queueAt(one.queue);
    const known = [...model.jobsOf(from).map((job) => job.id), ...(from === name ? before.map((job) => job.id) : [])];
    const chosen = { queue: from, id: one.unknown === 0 ? 'nobody' : known[one.pick % known.length] };
    if (chosen.id !== undefined) refs.set(text(chosen as { queue: string; id: string }), chosen as never);
  }
  const ttlMs =
    dedup?.mode === 'throttle' ? (dedup.ttl ?? 2_000) : TIMED.has(dedup?.mode ?? '') ? dedup?.ttl : undefined;
  return {
    ...{ id, idGiven: true, name: drawn.name, meta: { tags: [tag] }, priority, delayMs },
    ...(data !== undefined && { data }),
    ...(runAt !== undefined && { runAt: model.now + runAt }),
    ...(gone === 5 && { keep: { completed: { count: 0, ageMs: null, from: 'job' as const } } }),
    ...(parents && refs.size > 0 && { parents: { refs: [...refs.values()], policy: parents.policy } }),
    ...(dedup && {
      dedup: { key: `${dedup.mode}${dedup.key}`, mode: dedup.mode as Deduplication['mode'], ...(ttlMs && { ttlMs }) },
    }),
  };
}

const enqueue = command(
  'enqueue',
  fc.record({
    queue,
    groups: fc.array(fc.array(spec, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 2 }),
  }),
  (drawn) => async (model, real) => {
    const name = queueAt(drawn.queue);
    const before: NewJob[] = [];
    const groups = drawn.groups.map((group) =>
      group.map((one) => {
        const job = toJob(model, name, one, before);
        before.push(job);
        return job;
      }),
    );
    const at = { now: model.now };
    const reply = await real.send(model, name, (call) => real.store.enqueue(call, name, groups, at));
    for (const [g, group] of groups.entries()) {
      for (const [i, expected] of model.addGroup(name, group).entries()) {
        const { id, created, status, createdAt, runAt, skipped, refused } = reply[g]?.[i] ?? {};
        if ('refused' in expected) assert.deepEqual([created, refused], [false, expected.refused]);
        else if ('skipped' in expected) assert.deepEqual([id, created, skipped], [expected.id, false, true]);
        else if ('gone' in expected) assert.deepEqual([id, created, refused], [expected.id, false, undefined]);
        else assert.deepEqual({ id, created, status, createdAt, runAt }, expected);
      }
    }
  },
);

/* ---- running ---- */

const asking = fc.record({
  count: fc.nat(4),
  owner: fc.constantFrom('p', 'q'),
  policy: fc.nat(POLICIES.length - 1),
  alone: fc.nat(3),
  maxActive: fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined, freq: 3 }),
  leaseMs: fc.constantFrom(1_000, 10_000, 30_000),
});

function toAsk(
  name: QueueName,
  { count, owner, policy, alone, maxActive, leaseMs }: typeof asking extends fc.Arbitrary<infer T> ? T : never,
): Ask {
  const limits = {
    ...(maxActive !== undefined && { maxActive }),
    ...(name === 'c' && { rate: { max: 3, durationMs: 1_000 } }),
  };
  return { count, owner, leaseMs, policy: POLICIES[policy] as Ask['policy'], alone: alone === 0, limits };
}

const claim = command(
  'claim',
  fc.uniqueArray(fc.record({ queue, ask: asking }), { minLength: 1, maxLength: 3, selector: (one) => one.queue }),
  (drawn) => async (model, real) => {
    if (drawn.length === 1) {
      const name = queueAt(drawn[0]?.queue ?? 0);
      const ask = toAsk(name, drawn[0]?.ask as never);
      const at = { now: model.now };
      const [reply] = await real.send(
        model,
        name,
        (call) => real.store.claim([{ ...ask, call, queue: name }], at),
        ([one]) => leasesOf(one),
      );
      assert.ok(reply);
      await claimed(model, real.store, name, ask, reply);
      return;
    }
    const asks = drawn.map((one) => ({ name: queueAt(one.queue), ask: toAsk(queueAt(one.queue), one.ask) }));
    const requests = asks.map(({ name, ask }) => ({ ...ask, queue: name, call: real.call(name) }));
    const replies = await real.store.claim(requests, { now: model.now });
    for (const [i, { name, ask }] of asks.entries()) {
      const reply = replies[i];
      assert.ok(reply);
      await claimed(model, real.store, name, ask, reply);
    }
  },
);

const note = fc.record({ percent: fc.nat(100), line: fc.constantFrom('l1', 'l2'), child: pick }, { requiredKeys: [] });

function toNote(
  model: Model,
  drawn: typeof note extends fc.Arbitrary<infer T> ? T : never,
): Omit<JobNote, 'queue' | 'id' | 'fence'> {
  const child =
    drawn.child === undefined
      ? undefined
      : model.state.jobs.filter((job) => job.id !== '' && !job.gone)[
          drawn.child % Math.max(1, model.state.jobs.length)
        ];
  return {
    ...(drawn.percent !== undefined && { progress: { percent: drawn.percent } }),
    ...(drawn.line !== undefined && { logs: [{ at: 1, level: 'info' as const, message: drawn.line }] }),
    ...(child && { children: [{ queue: child.queue, id: child.id }] }),
  };
}

/** A lease to name: mostly one that holds, sometimes one of long ago. */
const leasePick = fc.record({ pick, stale: fc.nat(5) });

function leaseAt(
  model: Model,
  drawn: { pick: number; stale: number },
  name?: QueueName,
): { queue: QueueName; id: string; fence: number } | undefined {
  const known = model.leases.filter((one) => name === undefined || one.queue === name);
  const live = known.filter((one) => model.find(one)?.status === 'active' && model.find(one)?.fence === one.fence);
  const from = drawn.stale === 0 || live.length === 0 ? known : live;
  return from[drawn.pick % from.length];
}

const settle = command(
  'settle',
  fc.record({
    outcomes: fc.array(
      fc.record({
        lease: leasePick,
        kind: fc.constantFrom('complete', 'complete', 'complete', 'fail', 'fail', 'retry', 'release'),
        delayMs: delay,
        reason: fc.constantFrom('shutdown' as const, 'unknown-name' as const),
        note: fc.option(note, { nil: undefined, freq: 2 }),
        then: fc.option(fc.record({ queue, delayMs: delay }), { nil: undefined, freq: 2 }),
      }),
      { minLength: 1, maxLength: 4 },
    ),
    claim: fc.option(asking, { nil: undefined, freq: 2 }),
  }),
  (drawn) => async (model, real) => {
    const first = leaseAt(model, drawn.outcomes[0]?.lease ?? { pick: 0, stale: 1 });
    if (!first) return;
    const name = first.queue;
    const outcomes: Outcome[] = [];
    for (const { lease, kind, delayMs, reason, note: drawnNote, then: next } of drawn.outcomes) {
      const held = leaseAt(model, lease, name);
      if (!held) continue;
      const base = { id: held.id, fence: held.fence, ...(drawnNote && { note: toNote(model, drawnNote) }) };
      const follow = next && {
        queue: queueAt(next.queue),
        job: {
          id: `t${(model.fresh += 1)}`,
          idGiven: false,
          name: 'then',
          meta: {},
          priority: 0,
          delayMs: next.delayMs,
        },
      };
      const then = follow ? { then: [follow] } : {};
      if (kind === 'complete') outcomes.push({ ...base, kind, result: `${held.fence}`, ...then });
      else if (kind === 'fail') outcomes.push({ ...base, kind, error, ...then });
      else if (kind === 'retry') outcomes.push({ ...base, kind, error, delayMs });
      else outcomes.push({ ...base, kind: 'release', delayMs, reason });
    }
    const ask = drawn.claim && toAsk(name, drawn.claim);
    const request = { queue: name, outcomes, ...(ask && { claim: ask }) };
    const at = { now: model.now };
    const reply = await real.send(
      model,
      name,
      (call) => real.store.settle(call, request, at),
      ({ now, verdicts, cascaded, claim: taken }) => ({ now, verdicts, cascaded, claim: taken && leasesOf(taken) }),
    );
    assert.equal(reply.now, model.now);
    const allowed = model.together(() => outcomes.map((outcome) => settled(model, name, outcome)));
    for (const [i, verdicts] of allowed.entries()) {
      assert.ok(verdicts.includes(reply.verdicts[i] ?? ''), `verdict "${reply.verdicts[i]}", not ${verdicts.join()}`);
    }
    cascadedAre(model, reply.cascaded);
    assert.equal(reply.claim !== undefined, ask !== undefined);
    if (ask && reply.claim) await claimed(model, real.store, name, ask, reply.claim);
  },
);

const extend = command(
  'extend',
  fc.array(fc.record({ lease: leasePick, leaseMs: fc.constantFrom(1_000, 20_000) }), { minLength: 1, maxLength: 3 }),
  (drawn) => async (model, real) => {
    const leases = drawn.flatMap(({ lease, leaseMs }) => {
      const held = leaseAt(model, lease);
      return held ? [{ ...held, leaseMs }] : [];
    });
    const verdicts = await real.store.extend(leases, { now: model.now });
    for (const [i, { leaseMs, ...held }] of leases.entries()) {
      const job = model.find(held);
      const mine = job?.fence === held.fence;
      const active = mine && job.status === 'active';
      assert.equal(verdicts[i], active ? 'kept' : mine && job.status === 'cancelled' ? 'cancelled' : 'lost');
      if (active) job.until = model.now + leaseMs;
    }
  },
);

const annotate = command(
  'annotate',
  fc.array(fc.record({ lease: leasePick, note }), { minLength: 1, maxLength: 2 }),
  (drawn) => async (model, real) => {
    const notes = drawn.flatMap(({ lease, note: what }) => {
      const held = leaseAt(model, lease);
      return held ? [{ ...held, ...toNote(model, what) }] : [];
    });
    await real.store.annotate(notes, { now: model.now });
    for (const one of notes) {
      const job = model.find({ queue: one.queue, id: one.id });
      if (job?.status === 'active' && job.fence === one.fence) noted(model, job, one);
    }
  },
);

const sweep = command(
  'sweep',
  fc.record({ queue: fc.option(queue, { nil: undefined }), limit: fc.constantFrom(1, 2, 1_000, 1_000) }),
  (drawn) => async (model, real) => {
    const limit = drawn.queue === undefined ? 1_000 : drawn.limit;
    const names = drawn.queue === undefined ? QUEUES : [queueAt(drawn.queue)];
    const request = { limit, ...(drawn.queue !== undefined && { queues: names }) };
    const { swept, cascaded, more } = await real.store.sweep(request, { now: model.now });
    for (const name of names) {
      reaped(
        model,
        name,
        swept.filter((one) => one.queue === name),
        limit,
      );
      if (!model.queue(name).disabled) model.unhold(name, limit);
    }
    const left = names.some((name) => model.jobsOf(name, 'active').some(({ until }) => until <= model.now));
    const held = names.some((name) => !model.queue(name).disabled && model.jobsOf(name, 'paused').length > 0);
    assert.ok(more || !(left || held), 'a sweep that left something says that there is no more');
    cascadedAre(model, cascaded);
    model.swept = drawn.queue === undefined;
  },
);

const advance = command(
  'advance',
  fc.constantFrom(1, 50, 100, 999, 1_000, 1_001, 5_000, 10_000, 30_000, 61_000),
  (ms) => async (model) => {
    model.state.now += ms;
    return Promise.resolve();
  },
);

const resend = command(
  'resend',
  fc.record({ queue, pick }),
  (drawn) => (model, real) => real.resend(model, queueAt(drawn.queue), drawn.pick),
);

/** All commands, the frequent ones several times. */
export function modelCommands(maxCommands: number): fc.Arbitrary<Iterable<Command>> {
  return fc.commands(
    [
      ...[enqueue, enqueue, enqueue, enqueue, claim, claim, claim, settle, settle, settle, settle],
      ...[advance, advance, resend, extend, annotate, sweep, ...MANAGING],
    ],
    { maxCommands, size: 'max' },
  );
}
