import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { NewJob } from '../../lib/kernel/ports/job-store.js';
import { cascadedAre, queueAt } from './model-calls.js';
import { mayBePurged } from './model-look.js';
import { command, delay, pick, queue, someJob } from './model-command.js';
import { QUEUES, type MJob } from './model.js';
import type { JobStatus } from './model-types.js';

const NOT_STARTED: readonly JobStatus[] = ['waiting', 'delayed', 'waiting-children', 'paused'];

type Change = 'promote' | 'updateData' | 'changeDelay' | 'changePriority';

const change = command(
  'change',
  fc.record({
    queue,
    pick,
    what: fc.constantFrom<Change>('promote', 'updateData', 'changeDelay', 'changePriority'),
    delayMs: delay,
    priority: fc.nat(3),
  }),
  ({ queue: q, pick: n, what, delayMs, priority }) =>
    async (model, real) => {
      const name = queueAt(q);
      const job = someJob(model, name, n);
      const id = job?.id ?? 'nobody';
      const at = { now: model.now };
      const { admin } = real.store;
      const reply = await real.send(model, name, (call) => {
        if (what === 'promote') return admin.promote(call, name, id, at);
        if (what === 'updateData') return admin.updateData(call, name, id, `"${n}"`, at);
        if (what === 'changeDelay') return admin.changeDelay(call, name, id, delayMs, at);
        return admin.changePriority(call, name, id, priority, at);
      });
      const allowed = job && (what === 'promote' ? job.status === 'delayed' : NOT_STARTED.includes(job.status));
      if (!job) assert.equal(reply.verdict, 'unknown');
      else if (!allowed) assert.deepEqual(reply, { verdict: 'refused', status: job.status });
      else {
        assert.equal(reply.verdict, 'done');
        if (what === 'updateData') job.data = `"${n}"`;
        if (what === 'changeDelay') model.reschedule(job, model.now + delayMs);
        if (what === 'promote') {
          job.events.push('promoted');
          job.runAt = model.now;
          model.ready(job, true);
        }
        if (what === 'changePriority') {
          job.priority = priority;
          if (job.status === 'waiting') model.ready(job, false);
        }
      }
    },
);

const end = command(
  'end',
  fc.record({ queue, pick, how: fc.constantFrom('cancel', 'remove') }),
  ({ queue: q, pick: n, how }) =>
    async (model, real) => {
      const name = queueAt(q);
      const job = someJob(model, name, n);
      const id = job?.id ?? 'nobody';
      const at = { now: model.now };
      if (how === 'remove') {
        const reply = await real.send(model, name, (call) => real.store.admin.remove(call, name, id, at));
        if (!job) assert.deepEqual(reply, { verdict: 'unknown' });
        else if (job.status === 'active') assert.deepEqual(reply, { verdict: 'refused', status: 'active' });
        else {
          assert.equal(reply.verdict, 'done');
          model.forget(job);
          cascadedAre(model, (reply.verdict === 'done' && reply.cascaded) || []);
        }
        return;
      }
      const reply = await real.send(model, name, (call) => real.store.admin.cancel(call, name, id, 'why', at));
      if (!job) assert.deepEqual(reply, { verdict: 'unknown' });
      else if (model.isFinal(job)) assert.deepEqual(reply, { verdict: 'finished', status: job.status });
      else {
        assert.ok(reply.verdict === 'cancelled');
        const { status, owner, fence } = job;
        assert.deepEqual(
          [reply.from, reply.owner, reply.fence],
          status === 'active' ? [status, owner, fence] : [status, undefined, undefined],
        );
        job.reason = 'why';
        model.end(job, 'cancelled');
        cascadedAre(model, reply.cascaded);
      }
    },
);

const retry = command(
  'retry',
  fc.record({
    queue,
    pick,
    from: fc.constantFrom<JobStatus[]>(['failed'], ['failed', 'completed', 'cancelled']),
    taken: fc.nat(9),
  }),
  ({ queue: q, pick: n, from, taken }) =>
    async (model, real) => {
      const name = queueAt(q);
      const ended = model.jobsOf(name).filter((job) => model.isFinal(job));
      const job = n % 3 === 0 ? someJob(model, name, n) : ended[n % ended.length];
      const id = job?.id ?? 'nobody';
      const newId = taken === 0 ? id : `r${(model.fresh += 1)}`;
      const at = { now: model.now };
      const reply = await real.send(model, name, (call) => real.store.admin.retry(call, name, id, { newId, from }, at));
      if (!job) assert.deepEqual(reply, { verdict: 'unknown' });
      else if (newId === id || job.again !== undefined || !from.includes(job.status)) {
        assert.ok(reply.verdict === 'refused');
        assert.deepEqual([reply.status, reply.retriedById], [job.status, job.again]);
      } else {
        assert.deepEqual(reply, { verdict: 'done', id: newId });
        const { name: jobName, data, meta, priority, keep } = job;
        const input: NewJob = {
          id: newId,
          idGiven: false,
          name: jobName,
          meta,
          priority,
          delayMs: 0,
          ...(data !== undefined && { data }),
          ...(keep && { keep }),
        };
        const again = model.create(model.queue(name), input);
        again.from = id;
        job.again = newId;
        model.inherit(job, again);
        if (again.status !== 'paused') model.admit(again, false);
      }
    },
);

const toggle = command(
  'switch',
  fc.record({
    queue,
    what: fc.constantFrom('pause', 'resume', 'resume', 'disable', 'disable', 'enable', 'enable'),
    limit: fc.constantFrom(1, 2, 1_000),
  }),
  ({ queue: q, what, limit }) =>
    async (model, real) => {
      const name = queueAt(q);
      const mine = model.queue(name);
      const at = { now: model.now };
      const { admin } = real.store;
      if (what === 'pause' || what === 'resume') {
        const reply = await real.send(model, name, (call) =>
          what === 'pause' ? admin.pause(call, name, at) : admin.resume(call, name, at),
        );
        assert.equal(reply, mine.paused !== (what === 'pause'));
        mine.paused = what === 'pause';
      } else if (what === 'disable') {
        assert.equal(await real.send(model, name, (call) => admin.disable(call, name, at)), !mine.disabled);
        mine.disabled = true;
      } else {
        const reply = await real.send(model, name, (call) => admin.enable(call, name, limit, at));
        const changed = mine.disabled;
        mine.disabled = false;
        model.unhold(name, limit);
        assert.deepEqual({ ...reply }, { changed, more: model.jobsOf(name, 'paused').length > 0 });
      }
    },
);

const declare = command(
  'declare',
  fc.record({
    queue,
    strategy: fc.option(fc.constantFrom('fifo' as const, 'lifo' as const, 'priority' as const), { nil: undefined }),
    paused: fc.boolean(),
    behavior: fc.option(fc.constantFrom('hold' as const, 'skip' as const, 'reject' as const), { nil: undefined }),
    maxHeld: fc.option(fc.constantFrom(0, 1, 3, 10_000), { nil: undefined }),
    version: fc.option(fc.nat(3), { nil: undefined }),
  }),
  ({ queue: q, strategy, paused, behavior, maxHeld, version }) =>
    async (model, real) => {
      const name = queueAt(q);
      const mine = model.queue(name);
      const want = {
        paused,
        ...(strategy && { strategy }),
        ...(behavior && { disabledBehavior: behavior }),
        ...(maxHeld !== undefined && { maxHeldJobs: maxHeld }),
        ...(version !== undefined && { version }),
      };
      const at = { now: model.now };
      if (strategy && mine.strategy && strategy !== mine.strategy) {
        await assert.rejects(real.store.admin.declare(real.call(name), name, want, at), { code: 'STRATEGY_MISMATCH' });
        return;
      }
      const reply = await real.send(model, name, (call) => real.store.admin.declare(call, name, want, at));
      mine.strategy ??= strategy;
      if (!mine.declared && paused) mine.paused = true;
      mine.declared = true;
      mine.behavior = behavior ?? mine.behavior;
      mine.maxHeld = maxHeld ?? mine.maxHeld;
      const raised = version !== undefined && version > mine.version && mine.version > 0;
      assert.equal(reply.upgradedFrom, raised ? mine.version : undefined);
      mine.version = Math.max(mine.version, version ?? 0);
    },
);

const obliterate = command(
  'obliterate',
  fc.record({ queue, limit: fc.constantFrom(1, 3, 1_000), force: fc.boolean() }),
  ({ queue: q, limit, force }) =>
    async (model, real) => {
      const name = queueAt(q);
      const at = { now: model.now };
      const before = model.jobsOf(name).filter(({ status }) => force || status !== 'active');
      const reply = await real.send(model, name, (call) =>
        real.store.admin.obliterate(call, name, { limit, force }, at),
      );
      assert.equal(reply, Math.min(limit, before.length), 'obliterated jobs');
      const vanished: MJob[] = [];
      for (const job of before) if (!(await real.store.admin.get(name, job.id, at))) vanished.push(job);
      assert.ok(vanished.length >= reply, `${reply} jobs were said to be obliterated, ${vanished.length} are gone`);
      // A parent that nobody needs any more may go with them, and is not counted: those that no rule lets go are
      // surely what was deleted.
      model.together(() => {
        const open = vanished.filter((job) => !model.isFinal(job));
        for (const job of open) model.forget(job);
        const ended = vanished.filter((job) => !open.includes(job));
        const sure = ended.toSorted((x, y) => Number(mayBePurged(model, x)) - Number(mayBePurged(model, y)));
        for (const job of sure.slice(0, reply - open.length)) model.forget(job);
      });
      model.cascaded = [];
    },
);

const locate = command('locate', fc.array(fc.nat(11), { minLength: 1, maxLength: 3 }), (ids) => async (model, real) => {
  const names = ids.map((id) => `j${id}`);
  const found = await real.store.admin.locate(names, { now: model.now });
  assert.deepEqual(
    found,
    names.map((id) => QUEUES.filter((one) => model.find({ queue: one, id }))),
  );
});

/** What people and managers do; ends come twice as often. */
export const MANAGING = [change, end, end, retry, toggle, toggle, declare, obliterate, locate];
