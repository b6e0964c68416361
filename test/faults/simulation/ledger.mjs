/** What happened to a lease may have begun this long before it was last renewed (ms): a settle is sent again for 30 s. */
const LOOK_BACK_MS = 12_000;
/** More is of no use to anybody. */
const MAX_BREACHES = 10;

/**
 * What was tried, acknowledged, handed out, started and ended, written down outside the store while it happens, and what
 * of that must not be. The names of the rules are those of test/faults/README.md.
 */
export class Ledger {
  breaches = [];
  faults = new Map();
  /** By queue and id. */
  jobs = new Map();
  /** Adds, by the tag in their payload. */
  tries = new Map();
  /** Calls that were answered to whoever made them. */
  #answered = new Set();
  /** Adds that the store has carried out. */
  #carriedOut = new Set();
  #keys = new Map();
  recoveries = [];
  starts = 0;
  extraStarts = 0;
  explained = 0;

  constructor(world) {
    this.world = world;
  }

  breach(rule, detail) {
    if (this.breaches.length >= MAX_BREACHES) return;
    this.breaches.push(`${rule} at ${(this.world.scheduler.now / 1000).toFixed(3)} s: ${detail}`);
    if (this.world.options.stopAtBreach) this.world.scheduler.stop();
  }

  fault(kind) {
    this.faults.set(kind, (this.faults.get(kind) ?? 0) + 1);
  }

  /** Somebody is about to add a job. */
  tried(tag, about) {
    const attempt = { tag, ...about };
    this.tries.set(tag, attempt);
    return attempt;
  }

  /** The store has carried out a call. */
  executed(process, operation, args, reply) {
    const now = this.world.server.now;
    switch (operation) {
      case 'enqueue':
        if (this.#comesFirst(args)) this.#enqueued(args[1], args[2], reply, now);
        return;
      case 'claim':
        return args[0].forEach((request, i) => this.#claimed(process, request, request.call, reply[i], now));
      case 'settle': {
        const [call, request] = args;
        request.outcomes.forEach((outcome, i) => this.#settled(request.queue, outcome, reply.verdicts[i], now));
        this.#cascaded(reply.cascaded);
        if (reply.claim) this.#claimed(process, { ...request.claim, queue: request.queue }, call, reply.claim, now);
        return;
      }
      case 'extend':
        return args[0].forEach((lease, i) => this.#extended(lease, reply[i], now));
      case 'sweep':
        this.#swept(reply.swept, now);
        return this.#cascaded(reply.cascaded);
      case 'admin.cancel':
        if (reply.verdict !== 'cancelled') return;
        this.#end(this.#job(args[1], args[2]), 'cancelled');
        return this.#cascaded(reply.cascaded);
      case 'admin.remove':
        if (reply.verdict !== 'done') return;
        this.#end(this.#job(args[1], args[2]), 'removed');
        return this.#cascaded(reply.cascaded);
      case 'admin.promote':
        if (this.#comesFirst(args) && reply.verdict === 'done') this.#may(args[1], args[2], now);
        return;
      case 'admin.changeDelay':
        if (this.#comesFirst(args) && reply.verdict === 'done') this.#may(args[1], args[2], now + args[3]);
        return;
      case 'admin.retry':
        if (reply.verdict === 'done') this.#again(args[1], args[2], reply.id, now);
        return;
      default:
    }
  }

  /** A call that comes again is answered as before, and changes nothing. */
  #comesFirst([id, queue]) {
    const call = name(queue, id);
    if (this.#carriedOut.has(call)) return false;
    this.#carriedOut.add(call);
    return true;
  }

  /** A reply has come to the process that made the call. */
  answered(process, operation, args, reply) {
    if (operation === 'claim') {
      args[0].forEach(({ call, queue }, i) => this.#delivered(process, queue, call, reply[i]));
    } else if (operation === 'settle') this.#delivered(process, args[1].queue, args[0], reply.claim);
  }

  /** A handler is called. */
  started(run) {
    const { process, queue, ctx } = run;
    const { id, fence } = ctx;
    this.starts += 1;
    this.world.trace('start', process.index * 65_536 + (ctx.data?.tag ?? 0));
    const tried = this.tries.get(ctx.data?.tag);
    const job = this.jobs.get(`${queue}/${id}`);
    if (!tried || !job) return this.breach('I2', `${queue}/${id} runs, but was never added`);
    if (job.startedFences.has(fence)) this.breach('I4', `${queue}/${id}: fence ${fence} began twice`);
    if (job.startedFences.size > 0) {
      this.extraStarts += 1;
      if (!job.unexplained) this.explained += 1;
    }
    job.startedFences.add(fence);
    for (const other of job.runs) this.#overlap(job, other, run);
    job.runs.add(run);
    for (const other of process.runs) {
      if (other.ctx.aborted) continue;
      other.beside += 1;
      run.beside += 1;
    }
    process.runs.add(run);
    run.job = job;
    if (job.lease?.fence === fence) job.lease.run = run;
  }

  /** A handler came back. */
  ended(run, ok) {
    run.returned = true;
    run.process.runs.delete(run);
    if (!run.job) return;
    run.job.runs.delete(run);
    if (ok) run.job.effects.add(run.ctx.fence);
  }

  /** An engine says that a job is over. */
  told(queue, id, how) {
    const job = this.jobs.get(`${queue}/${id}`);
    if (!job) return this.breach('I2', `${how} was told of ${queue}/${id}, which nobody added`);
    job.told.push(how);
    if (job.told.length > 1) this.breach('I3', `${queue}/${id}: its end was told ${job.told.join(' and ')}`);
  }

  #enqueued(queue, groups, reply, now) {
    groups.forEach((group, g) =>
      group.forEach((input, i) => {
        const result = reply[g][i];
        const key = `${queue}/${result.id}`;
        if (!result.created && input.dedup?.mode === 'debounce' && this.jobs.get(key)?.dedupKey === input.dedup.key) {
          // Its delay begins anew.
          this.#may(queue, result.id, now + input.delayMs);
        }
        if (!result.created || this.jobs.has(key)) return;
        const tag = input.data === undefined ? undefined : JSON.parse(input.data).tag;
        const notBefore = Math.max(now, input.runAt ?? now + input.delayMs);
        const job = this.#record({ queue, id: result.id, tag, notBefore, parents: input.parents });
        if (result.status === 'failed') job.state = job.ended = 'failed';
        if (input.dedup) this.#dedup(queue, input.dedup, job, now);
        const tried = this.tries.get(tag);
        if (!tried) return this.breach('I2', `${key} was added by nobody`);
        if (tried.jobs.size > 0) this.breach('I2', `one add made ${[...tried.jobs].join(' and ')} and ${key}`);
        tried.jobs.add(key);
        tried.bound = now;
      }),
    );
  }

  #dedup(queue, { key, mode, ttlMs }, job, now) {
    const name = `${queue}/${key}`;
    const before = this.#keys.get(name);
    if (before) {
      const forgotten = mode !== 'throttle' && ttlMs !== undefined && now >= before.at + ttlMs;
      const { state, lease } = before.job;
      // What runs already does not stand for the modes in which the last one wins.
      const lastWins = mode === 'debounce' || mode === 'replace' || mode === 'keep-last';
      const stands =
        mode === 'throttle' ? now < before.at + ttlMs : state === 'open' && !forgotten && !(lastWins && lease);
      if (mode === 'keep-last' && state === 'open') job.behind = before.job;
      if (stands) this.breach('I10', `${job.key} was added while ${before.job.key} stands for "${key}" (${mode})`);
    }
    job.dedupKey = key;
    this.#keys.set(name, { job, at: now });
  }

  #claimed(process, request, call, reply, now) {
    this.#swept(reply.swept, now);
    this.#cascaded(reply.cascaded);
    for (const claimed of reply.jobs) {
      const { id, fence, attempt, stalledCount } = claimed;
      const key = `${request.queue}/${id}`;
      const job = this.jobs.get(key) ?? this.#deadLetter(request.queue, id, claimed.data);
      if (!job) {
        this.breach('I2', `${key} was handed out, but never added`);
        continue;
      }
      if (fence === job.fence) continue;
      if (fence < job.fence) this.breach('I4', `${key}: fence ${fence} after ${job.fence}`);
      if (job.state !== 'open') this.breach('I3', `${key} was handed out after it was ${job.state}`);
      if (job.lease) this.breach('I3', `${key} was handed out while ${job.lease.fence} holds it`);
      if (now < job.notBefore) this.breach('I7', `${key} was handed out ${job.notBefore - now} ms early`);
      if (attempt !== job.failures + 1) this.breach('I5', `${key}: attempt ${attempt} after ${job.failures} failures`);
      if (stalledCount !== job.stalls) this.breach('I5', `${key}: ${stalledCount} stalls, ${job.stalls} were seen`);
      if (job.behind?.state === 'open') this.breach('I10', `${key} was handed out before ${job.behind.key} has ended`);
      this.#parentsOver(job);
      job.fence = fence;
      job.lease = {
        fence,
        process,
        call: name(request.queue, call),
        renewedAt: now,
        until: now + this.world.options.leaseMs,
      };
      job.lease.guaranteed = request.policy.guaranteedWorker;
      job.lease.cap = request.policy.maxStalledCount;
      job.deadLetter = request.policy.deadLetter;
    }
  }

  #parentsOver({ key, parents }) {
    for (const { queue, id } of parents?.refs ?? []) {
      const runs = this.runsOf(`${queue}/${id}`);
      const enough = ({ ended }) => ended === 'completed' || (ended && parents.policy === 'ignore');
      if (runs.length === 0 || runs.some(enough)) continue;
      this.breach('I1', `${key} was handed out, but its parent ${queue}/${id} is ${runs.at(-1).state}`);
    }
  }

  /** A job with those that it was run again as. */
  runsOf(key) {
    const runs = [];
    for (let job = this.jobs.get(key); job; job = this.jobs.get(job.againAs)) runs.push(job);
    return runs;
  }

  #settled(queue, { id, fence, kind, delayMs }, verdict, now) {
    if (verdict !== 'settled') return;
    const job = this.#job(queue, id);
    if (!job || job.settledFences.has(fence)) return;
    if (job.lease?.fence !== fence) {
      this.breach(
        'I3',
        `${job.key}: ${kind} of fence ${fence} was taken, but ${job.lease?.fence ?? 'nobody'} holds it`,
      );
    }
    job.settledFences.add(fence);
    job.lease = undefined;
    if (kind === 'complete') {
      job.completedBy = fence;
      if (!job.effects.has(fence)) this.breach('I1', `${job.key} was completed by ${fence}, which did not return`);
      this.#end(job, 'completed');
    } else if (kind === 'fail') this.#end(job, 'failed');
    else {
      if (kind === 'retry') job.failures += 1;
      else job.releases += 1;
      if (delayMs > 0) job.notBefore = now + delayMs;
    }
  }

  #extended({ queue, id, fence }, verdict, now) {
    const job = this.#job(queue, id);
    if (verdict !== 'kept' || !job) return;
    if (job.lease?.fence !== fence) return this.breach('I3', `${job.key}: fence ${fence} was renewed, but is over`);
    job.lease.renewedAt = now;
    job.lease.until = now + this.world.options.leaseMs;
  }

  #swept(swept, now) {
    for (const { queue, id, fence, to } of swept ?? []) {
      const job = this.#job(queue, id);
      if (!job || job.lease?.fence !== fence) continue;
      const { lease } = job;
      job.lease = undefined;
      this.recoveries.push(now - lease.until);
      if (now < lease.until) this.breach('I5', `${job.key}: its lease was taken ${lease.until - now} ms early`);
      if (lease.guaranteed) job.stalls += 1;
      if (!this.#explains(lease, now)) {
        job.unexplained = true;
        const got = lease.delivered ? 'had' : 'was never told that it has';
        this.breach(
          'I5',
          `${job.key}: process ${lease.process.index} ${got} lease ${fence} and let it expire for nothing`,
        );
      }
      if (to !== 'failed') continue;
      if (lease.guaranteed && job.stalls <= lease.cap)
        this.breach('I8', `${job.key} failed after ${job.stalls} stalls`);
      if (lease.guaranteed && lease.run?.beside > 0)
        this.breach('I8', `${job.key} passed its cap, but did not run alone`);
      this.#end(job, 'failed');
    }
  }

  /** Whether anything happened to its owner that lets a lease expire. */
  #explains({ process, renewedAt, delivered, call }, now) {
    if (process.dead) return true;
    const { world } = this;
    const sinceBegin = renewedAt - now + world.scheduler.now;
    if (!process.troubled(sinceBegin - LOOK_BACK_MS, world.scheduler.now)) return false;
    // Whoever was answered knows all leases that its call brought.
    return delivered || !this.#answered.has(call);
  }

  #delivered(process, queue, call, reply) {
    this.#answered.add(name(queue, call));
    for (const { id, fence } of reply?.jobs ?? []) {
      const { lease } = this.#job(queue, id) ?? {};
      if (lease?.fence === fence && lease.process === process) lease.delivered = true;
    }
  }

  #overlap(job, other, run) {
    const { process, ctx } = other;
    if (other.returned || ctx.aborted || process.dead) return;
    const say = () =>
      this.breach('I3', `${job.key}: ${run.ctx.fence} began while ${ctx.fence} runs and was not told to stop`);
    if (process.frozen) process.afterThaw.push(() => !other.returned && !ctx.aborted && !process.dead && say());
    else say();
  }

  #cascaded(jobs) {
    for (const { queue, id } of jobs ?? []) {
      const job = this.#job(queue, id);
      if (job?.state === 'open') this.#end(job, 'failed', true);
    }
  }

  #end(job, state, cascaded = false) {
    if (!job || job.state !== 'open') {
      if (job && state !== 'removed' && job.state !== state)
        this.breach('I3', `${job.key} was ${job.state}, then ${state}`);
      if (job && state === 'removed') job.state = state;
      return;
    }
    job.state = state;
    // What its dependants were told, whatever becomes of its record.
    job.ended = state;
    job.cascaded = cascaded;
    job.lease = undefined;
  }

  #may(queue, id, notBefore) {
    const job = this.#job(queue, id);
    if (job) job.notBefore = notBefore;
  }

  #again(queue, id, newId, now) {
    const old = this.#job(queue, id);
    if (!old || this.jobs.has(`${queue}/${newId}`)) return;
    // What has finished it does not wait for again.
    const refs = old.parents?.refs.filter((ref) => this.#job(ref.queue, ref.id)?.state === 'open');
    const parents = refs?.length > 0 ? { ...old.parents, refs } : undefined;
    const job = this.#record({ queue, id: newId, tag: old.tag, notBefore: now, parents });
    old.againAs = job.key;
  }

  /** The copy of a dead letter, which the store makes by itself. */
  #deadLetter(queue, id, data) {
    if (queue !== 'dead') return undefined;
    const job = this.#record({ queue, id, tag: JSON.parse(data).tag, notBefore: 0 });
    job.copy = true;
    return job;
  }

  #record(about) {
    const job = {
      ...about,
      key: `${about.queue}/${about.id}`,
      state: 'open',
      fence: 0,
      lease: undefined,
      failures: 0,
      stalls: 0,
      releases: 0,
      startedFences: new Set(),
      settledFences: new Set(),
      effects: new Set(),
      runs: new Set(),
      told: [],
    };
    this.jobs.set(job.key, job);
    return job;
  }

  #job(queue, id) {
    return this.jobs.get(`${queue}/${id}`);
  }
}

const name = (queue, { client, n }) => `${client} ${queue} ${n}`;
