import assert from 'node:assert/strict';
import fc from 'fast-check';
import { complete, fail, policy, retry } from '../../lib/conformance/build.js';
import { Bench } from '../../lib/conformance/bench.js';
import type { ConformanceFactory } from '../../lib/conformance/index.js';
import type { Process } from '../../lib/conformance/process.js';
import type { CascadedJob, ClaimedJob, NewJob, Outcome, SweptJob } from '../../lib/kernel/ports/job-store.js';

const QUEUES = ['q0', 'q1', 'q2', 'q3', 'q4'] as const;
const LEASE_MS = 1_000;
/** An expired lease fails its job at once. */
const RULES = policy({ maxStalledCount: 0 });

type Policy = 'block' | 'cascade-fail' | 'ignore';
/** What a job does when it runs. `retry` needs a second attempt. */
type Fate = 'complete' | 'fail' | 'crash' | 'retry';

/** One job of the plan. */
interface Node {
  readonly queue: string;
  /** Jobs before it. */
  readonly parents: readonly number[];
  readonly policy: Policy;
  /** What its runs do, one after the other; later ones complete. */
  readonly fates: readonly Fate[];
  /** Removed from history as it completes. */
  readonly forgotten: boolean;
  readonly delayMs: number;
}

interface Step {
  readonly op: 'add' | 'work' | 'work' | 'cancel' | 'remove' | 'again' | 'sweep' | 'wait';
  readonly pick: number;
  readonly count: number;
}

interface Plan {
  readonly nodes: readonly Node[];
  readonly steps: readonly Step[];
}

const fate = fc.constantFrom<Fate>('complete', 'complete', 'complete', 'retry', 'fail', 'fail', 'crash');

/** Up to 60 jobs over five queues. Parents stand before their children, which makes it a DAG. */
const plans: fc.Arbitrary<Plan> = fc.record({
  nodes: fc
    .array(
      fc.record({
        queue: fc.constantFrom(...QUEUES),
        parents: fc.array(fc.nat(1_000), { maxLength: 4 }),
        policy: fc.constantFrom<Policy>('block', 'cascade-fail', 'ignore'),
        fates: fc.array(fate, { minLength: 1, maxLength: 3 }),
        forgotten: fc.nat(4).map((n) => n === 0),
        delayMs: fc.constantFrom(0, 0, 0, 50, 2_500),
      }),
      { minLength: 1, maxLength: 60, size: 'max' },
    )
    .map((nodes) =>
      nodes.map((node, i) => ({
        ...node,
        parents: [...new Set(node.parents.map((n) => n % Math.max(1, i)))].filter((n) => n < i),
      })),
    ),
  steps: fc.array(
    fc.record({
      op: fc.constantFrom<Step['op']>(
        'add',
        'add',
        'work',
        'work',
        'work',
        'cancel',
        'remove',
        'again',
        'again',
        'sweep',
        'wait',
      ),
      pick: fc.nat(10_000),
      count: fc.integer({ min: 1, max: 6 }),
    }),
    { maxLength: 80, size: 'max' },
  ),
});

/** One job in the store: a node, or a later run of it. */
interface Run {
  readonly id: string;
  readonly node: number;
  readonly nth: number;
  /** What it waits for; a retry of a parent takes the place of the parent for those that it blocks. */
  links: Run[];
  /** What the store has said of its end, or `undefined`. */
  ended: 'completed' | 'bad' | undefined;
  /** Somebody cancelled or removed it before it had ended. */
  stopped: boolean;
  /** Its record was deleted by hand. */
  removed: boolean;
  attempts: number;
  again: boolean;
}

/** How a job must end, by the graph and by what was done to it. */
type End = 'completed' | 'bad' | 'blocked';

class Ledger {
  readonly runs: Run[] = [];
  /** Nodes that were added so far. */
  added = 0;
  readonly p: Process;

  constructor(
    readonly plan: Plan,
    readonly bench: Bench,
  ) {
    this.p = bench.process('p');
  }

  /** The recursive definition. */
  endOf(run: Run, known = new Map<Run, End>()): End {
    const before = known.get(run);
    if (before) return before;
    const { policy: how, fates } = this.node(run);
    const parents = run.links.map((parent) => this.endOf(parent, known));
    let end: End;
    if (run.stopped || (how === 'cascade-fail' && parents.includes('bad'))) end = 'bad';
    else if (parents.includes('blocked') || (how === 'block' && parents.includes('bad'))) end = 'blocked';
    else end = ['fail', 'crash'].includes(fates[run.nth] ?? 'complete') ? 'bad' : 'completed';
    known.set(run, end);
    return end;
  }

  node({ node }: Run): Node {
    return this.plan.nodes[node] as Node;
  }

  run(queue: string, id: string): Run {
    const run = this.runs.find((one) => one.id === id && this.node(one).queue === queue);
    assert.ok(run, `nobody added "${id}" to ${queue}`);
    return run;
  }

  async add(): Promise<void> {
    const n = this.added;
    const node = this.plan.nodes[n];
    if (!node) return;
    const { queue, delayMs, forgotten } = node;
    const refs = node.parents.map((parent) => ({ queue: this.plan.nodes[parent]?.queue ?? '', id: `n${parent}` }));
    const job: NewJob = {
      ...{ id: `n${n}`, idGiven: true, name: 'default', meta: {}, priority: 0, delayMs },
      ...(forgotten && { keep: { completed: { count: 0, ageMs: null, from: 'job' as const } } }),
    };
    this.added += 1;
    for (;;) {
      const [result] = await this.p.add(
        queue,
        refs.length > 0 ? { ...job, parents: { refs, policy: node.policy } } : job,
      );
      if (result?.refused?.why !== 'unknown-parent') {
        assert.equal(result?.created, true);
        break;
      }
      // A parent that has ended may have been removed since: then the job does without it.
      const { parent } = result.refused;
      assert.notEqual(this.run(parent.queue, parent.id).ended, undefined, `parent "${parent.id}" is unknown`);
      refs.splice(
        refs.findIndex(({ id }) => id === parent.id),
        1,
      );
    }
    const stored = await this.bench.stored(queue, job.id);
    const links = (stored.parents ?? []).map((ref) => this.run(ref.queue, ref.id));
    assert.deepEqual(
      links.map((run) => `n${run.node}`),
      refs.map(({ id }) => id),
    );
    const run: Run = {
      id: job.id,
      node: n,
      nth: 0,
      links,
      ended: undefined,
      stopped: false,
      removed: false,
      attempts: 0,
      again: false,
    };
    this.runs.push(run);
    if (stored.status === 'failed') this.parentFailed(run);
  }

  /** The store says that it failed with a parent: was it right? */
  parentFailed(run: Run): void {
    assert.equal(run.ended, undefined, `"${run.id}" ended twice`);
    assert.equal(this.node(run).policy, 'cascade-fail');
    run.ended = 'bad';
  }

  cascaded(reported: readonly CascadedJob[]): void {
    for (const { queue, id } of reported) this.parentFailed(this.run(queue, id));
    for (const { queue, id } of reported) {
      const run = this.run(queue, id);
      assert.ok(
        run.links.some(({ ended }) => ended === 'bad'),
        `"${id}" failed with a parent although none has`,
      );
    }
  }

  swept(reported: readonly SweptJob[]): void {
    for (const { queue, id, to } of reported) {
      assert.equal(to, 'failed');
      this.run(queue, id).ended = 'bad';
    }
  }

  async work(queue: string, count: number, alone: boolean): Promise<number> {
    const { jobs, swept, cascaded } = await this.p.claim(queue, count, { policy: RULES, leaseMs: LEASE_MS });
    this.swept(swept);
    this.cascaded(cascaded);
    const outcomes = jobs.flatMap((job) => this.handle(queue, job));
    for (const { id } of jobs) await this.parentsOf(this.run(queue, id));
    for (const batch of alone ? outcomes.map((one) => [one]) : [outcomes]) await this.settle(queue, batch);
    return jobs.length;
  }

  /** A job was handed out: was it its turn? */
  handle(queue: string, job: ClaimedJob): Outcome[] {
    const run = this.run(queue, job.id);
    const { policy: how, fates } = this.node(run);
    assert.equal(run.ended, undefined, `"${run.id}" runs although it has ended`);
    for (const { id, ended } of run.links) {
      assert.ok(
        ended === 'completed' || (ended === 'bad' && how === 'ignore'),
        `"${run.id}" runs before "${id}" is done`,
      );
    }
    run.attempts += 1;
    const own = fates[run.nth] ?? 'complete';
    if (own === 'crash') return [];
    if (own === 'fail') return [fail(job)];
    return [own === 'retry' && run.attempts === 1 ? retry(job, 100) : complete(job)];
  }

  /** Who runs may read what its parents have left: they are not purged before. */
  async parentsOf({ id, links }: Run): Promise<void> {
    for (const parent of links) {
      if (parent.removed) continue;
      assert.ok(
        await this.bench.get(this.node(parent).queue, parent.id),
        `"${parent.id}" is gone, "${id}" depends on it`,
      );
    }
  }

  async settle(queue: string, outcomes: readonly Outcome[]): Promise<void> {
    const { verdicts, cascaded } = await this.p.settle(queue, outcomes);
    for (const [i, { id, kind }] of outcomes.entries()) {
      assert.equal(verdicts[i], 'settled');
      if (kind === 'complete') this.run(queue, id).ended = 'completed';
      if (kind === 'fail') this.run(queue, id).ended = 'bad';
    }
    this.cascaded(cascaded);
  }

  async stop(pick: number, how: 'cancel' | 'remove'): Promise<void> {
    const run = this.runs[pick % this.runs.length];
    if (!run) return;
    const { queue } = this.node(run);
    const reply = await this.p[how](queue, run.id);
    if (reply.verdict !== 'cancelled' && reply.verdict !== 'done') return;
    run.removed ||= how === 'remove';
    if (run.ended === undefined) {
      run.stopped = true;
      run.ended = 'bad';
    } else assert.equal(how, 'remove', `"${run.id}" was cancelled after its end`);
    this.cascaded(reply.cascaded ?? []);
  }

  /** Runs again what did not complete. Those that it blocks wait for the new run from now on. */
  async again(pick: number): Promise<void> {
    const bad = this.runs.filter(({ ended, again }) => ended === 'bad' && !again);
    const run = bad[pick % bad.length];
    if (!run) return;
    const { queue } = this.node(run);
    const id = `${run.id}+`;
    if ((await this.p.again(queue, run.id, id, ['failed', 'cancelled'])).verdict !== 'done') return;
    run.again = true;
    const links = run.links.filter(({ ended }) => ended === undefined);
    const next: Run = {
      id,
      node: run.node,
      nth: run.nth + 1,
      links,
      ended: undefined,
      stopped: false,
      removed: false,
      attempts: 0,
      again: false,
    };
    for (const child of this.runs) {
      if (child.ended === undefined && this.node(child).policy === 'block') {
        child.links = child.links.map((parent) => (parent === run ? next : parent));
      }
    }
    this.runs.push(next);
  }

  async sweep(): Promise<void> {
    const { swept, cascaded } = await this.bench.sweepAll();
    this.swept(swept);
    this.cascaded(cascaded);
  }

  async step({ op, pick, count }: Step): Promise<void> {
    if (op === 'add') for (let n = 0; n < count; n += 1) await this.add();
    else if (op === 'work') await this.work(QUEUES[pick % QUEUES.length] as string, count, pick % 2 === 0);
    else if (op === 'cancel' || op === 'remove') await this.stop(pick, op);
    else if (op === 'again') await this.again(pick);
    else if (op === 'sweep') await this.sweep();
    else this.bench.forward(count * 400);
  }

  /** Works until nothing is left that could run. */
  async drain(): Promise<void> {
    while (this.added < this.plan.nodes.length) await this.add();
    for (let idle = 0; idle < 3;) {
      let worked = 0;
      for (const queue of QUEUES) worked += await this.work(queue, 10, false);
      if (worked > 0) idle = 0;
      else {
        idle += 1;
        this.bench.forward(3_000);
        await this.sweep();
      }
    }
  }

  /** Every job has ended as the definition says, and what waits for ever is the only thing that waits. */
  async judge(): Promise<void> {
    const known = new Map<Run, End>();
    const blocked = new Map<string, number>();
    for (const run of this.runs) {
      const { queue } = this.node(run);
      const end = this.endOf(run, known);
      const what = `"${run.id}" of ${queue} (${this.node(run).policy}: ${run.links.map(({ id }) => id).join(' ')})`;
      assert.equal(run.ended ?? 'blocked', end, what);
      const stored = await this.bench.get(queue, run.id);
      if (end === 'blocked') {
        blocked.set(queue, (blocked.get(queue) ?? 0) + 1);
        assert.equal(stored?.status, 'waiting-children', what);
      } else if (stored) {
        assert.equal(stored.status === 'completed', end === 'completed', what);
        assert.ok(['completed', 'failed', 'cancelled'].includes(stored.status), what);
      }
      if (end === 'completed') assert.equal(run.attempts, this.node(run).fates[run.nth] === 'retry' ? 2 : 1, what);
    }
    for (const queue of QUEUES) {
      const { waiting, delayed, active, paused, ...rest } = await this.bench.admin.counts(queue, this.bench.at);
      assert.deepEqual([waiting, delayed, active, paused], [0, 0, 0, 0], queue);
      assert.equal(rest['waiting-children'], blocked.get(queue) ?? 0, queue);
    }
  }
}

/** Drives random graphs of jobs to their end. Rejects with the smallest one that ends as it must not. */
export async function randomDags(
  factory: ConformanceFactory,
  options: { runs: number; seed?: number; endOnFailure?: boolean },
): Promise<{ jobs: number }> {
  let jobs = 0;
  const { runs: numRuns, ...rest } = options;
  await fc.assert(
    fc.asyncProperty(plans, async (plan) => {
      const subject = await factory();
      const bench = new Bench(subject.store, subject.signals);
      try {
        const ledger = new Ledger(plan, bench);
        for (const step of plan.steps) {
          await ledger.step(step);
          await bench.sound();
        }
        await ledger.drain();
        await bench.sound();
        await ledger.judge();
        jobs += ledger.runs.length;
      } finally {
        await subject.close();
      }
    }),
    { numRuns, ...rest },
  );
  return { jobs };
}
