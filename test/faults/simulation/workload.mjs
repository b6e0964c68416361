import { isExpected } from './engines.mjs';

/** Queues that jobs are added to. */
const BUSY = ['fast', 'fast', 'main', 'main', 'main', 'prio', 'once', 'slow', 'short', 'batch'];
/** What a job of a batch may do. */
const IN_BATCH = ['quick', 'work', 'flaky', 'doomed', 'talk', 'block'];

const KINDS = [
  ['quick', 10],
  ['work', 12],
  ['long', 4],
  ['flaky', 4],
  ['doomed', 2],
  ['fatal', 1],
  ['hang', 1],
  ['deaf', 1],
  ['talk', 2],
  ['spawn', 2],
  ['later', 1],
  ['release', 1],
  ['discard', 1],
];

/** Somebody who adds jobs, and does to them what people do. */
export class Workload {
  #kinds = [];

  constructor(world) {
    this.world = world;
    this.random = world.random.fork();
    for (const [kind, weight] of KINDS) {
      // Each seed has its own mix, also with kinds that it has none of.
      const times = this.random.chance(0.25) ? 0 : weight;
      for (let n = 0; n < times; n += 1) this.#kinds.push(kind);
    }
    this.#kinds.push('quick');
    this.poisons = this.random.chance(0.3) ? this.random.int(1, 2) : 0;
    /** Jobs that were acknowledged, the last ones. */
    this.recent = [];
    /** Promises of waits, by whether they were settled. */
    this.waits = [];
  }

  /** Adds jobs until the load ends. */
  begin() {
    const { scheduler, options } = this.world;
    for (let burst = options.bursts; burst > 0; burst -= 1) {
      scheduler.after(this.random.between(0, options.loadMs), () => {
        const process = this.world.somebody();
        if (process) this.#bulk(process, 'fast', 100, () => ({ tag: this.world.newTag(), kind: 'quick' }));
      });
    }
    const next = () => {
      if (scheduler.now > options.loadMs) return;
      const process = this.world.somebody();
      if (process) this.#addSome(process);
      if (this.random.chance(0.25)) this.#manage();
      scheduler.after(this.#pause(), next);
    };
    scheduler.after(100, next);
  }

  /** Bursts, and times when little happens. */
  #pause() {
    const { options } = this.world;
    return this.random.chance(0.15) ? this.random.between(0, 20) : options.everyMs * this.random.between(0.2, 1.8);
  }

  #addSome(process) {
    const queue = this.random.pick(BUSY);
    const n = this.random.chance(0.08) ? this.random.int(2, 8) : 1;
    if (n > 1) return this.#bulk(process, queue, n);
    const opts = this.#options(queue);
    // Whoever uses a key adds again and again.
    for (let times = opts?.deduplication ? this.random.int(1, 3) : 1; times > 0; times -= 1) {
      const data = this.#payload(queue);
      const tried = this.world.ledger.tried(data.tag, { queue, jobs: new Set(), opts, process });
      const name = queue === 'main' && this.random.chance(0.04) ? 'odd' : 'default';
      const target = process.queues[queue];
      const added = opts || name === 'odd' ? target.add(name, data, opts) : target.add(data);
      this.#watch(added, [tried], (handle) => [handle]);
      if (opts) delete opts.jobId;
    }
  }

  #bulk(process, queue, n, payload = () => this.#payload(queue)) {
    const items = Array.from({ length: n }, () => {
      const opts = n > 10 ? undefined : this.#options(queue);
      return { data: payload(), ...(opts ? { opts } : {}) };
    });
    const tries = items.map(({ data, opts }) =>
      this.world.ledger.tried(data.tag, { queue, jobs: new Set(), opts, process }),
    );
    this.#watch(process.queues[queue].addBulk(items), tries, (handles) => handles);
  }

  #watch(added, tries, handlesOf) {
    const { ledger } = this.world;
    added.then(
      (answer) =>
        handlesOf(answer).forEach((handle, i) => {
          const tried = tries[i];
          tried.acked = { id: handle.id, created: handle.created, skipped: handle.skipped };
          this.recent.push({ queue: tried.queue, id: handle.id, tag: tried.tag, process: tried.process });
          if (this.recent.length > 30) this.recent.shift();
          if (this.random.chance(0.15)) this.#wait(tried, handle);
        }),
      (error) => {
        if (!isExpected(error)) ledger.breach('X', `add: ${error?.stack ?? error}`);
        for (const tried of tries) tried.failed = error.code;
      },
    );
  }

  #wait(tried, handle) {
    const wait = { tried, process: tried.process, key: `${tried.queue}/${handle.id}`, over: undefined };
    this.waits.push(wait);
    handle.waitUntilFinished().then(
      (value) => (wait.over = { state: 'completed', value }),
      (error) => (wait.over = { state: error.code }),
    );
  }

  #payload(queue) {
    const tag = this.world.newTag();
    if (this.poisons > 0 && this.random.chance(0.05) && queue !== 'short') {
      this.poisons -= 1;
      return { tag, kind: 'poison' };
    }
    const { options } = this.world;
    const kind = this.random.chance(options.block) ? 'block' : this.random.pick(this.#kinds);
    // Only there something ends it.
    if (kind === 'hang' && queue !== 'main') return { tag, kind: 'quick' };
    if (queue === 'batch' && !IN_BATCH.includes(kind)) return { tag, kind: 'quick' };
    const { leaseMs } = options;
    const ms = { long: [0.5, 2.5], deaf: [0.5, 1.5], block: [0.3, 2] }[kind];
    return {
      tag,
      kind: queue === 'fast' && this.random.chance(0.7) ? 'quick' : kind,
      ms: Math.round(ms ? leaseMs * this.random.between(...ms) : 2_000 * this.random.next() ** 2),
      times: this.random.int(1, 3),
    };
  }

  #options(queue) {
    const { random } = this;
    const opts = {};
    if (random.chance(0.3)) opts.jobId = `given ${this.world.newTag()}`;
    if (random.chance(0.2)) opts.delay = Math.round(20_000 * random.next() ** 2);
    if (random.chance(0.3)) opts.priority = random.int(0, 3);
    if (random.chance(0.1)) opts.attempts = random.int(1, 4);
    if (random.chance(0.12)) this.#depend(opts);
    else if (random.chance(0.13)) {
      const mode = random.pick(['while-unfinished', 'throttle', 'debounce', 'replace', 'keep-last']);
      opts.deduplication = {
        key: `${mode} ${random.int(1, 2)}`,
        mode,
        ...(mode === 'throttle' ? { ttl: 20_000 } : {}),
      };
      if (mode === 'debounce') opts.delay = random.int(500, 3_000);
    }
    return queue === 'short' || Object.keys(opts).length > 0 ? opts : undefined;
  }

  #depend(opts) {
    const parents = new Map();
    for (let n = this.random.int(1, 3); n > 0; n -= 1) {
      const parent = this.random.pick(this.recent);
      // What has ended there may be forgotten.
      if (parent && parent.queue !== 'short') parents.set(`${parent.queue}/${parent.id}`, parent);
    }
    if (parents.size === 0) return;
    opts.dependsOn = [...parents.values()].map(({ queue, id }) => ({ queueName: queue, id }));
    opts.parentFailurePolicy = this.random.pick(['block', 'cascade-fail', 'ignore']);
  }

  /** What people do to jobs and queues. */
  #manage() {
    const { world, random } = this;
    const process = world.somebody();
    if (!process) return;
    const { queues, engine } = process;
    const target = random.pick(this.recent);
    const what = random.next();
    if (what < 0.08) {
      const queue = random.pick(['main', 'fast', 'prio']);
      this.#later(queues[queue].pause());
      world.scheduler.after(random.between(1_000, 20_000), () => {
        const other = world.somebody();
        if (other) this.#later(other.queues[queue].resume());
      });
    } else if (what < 0.1) this.#later(queues.main.redrive({ limit: 5 }));
    else if (what < 0.12) {
      this.#later(queues.fast.drain({ timeout: 5_000 }));
      world.scheduler.after(random.between(5_000, 10_000), () => {
        const other = world.somebody();
        if (other) this.#later(other.queues.fast.resume());
      });
    } else if (what < 0.2) this.#later(queues.main.counts());
    else if (what < 0.24) {
      this.#later(engine.manager.disableInstance('queue', 'slow'));
      world.scheduler.after(random.between(1_000, 15_000), () => {
        const other = world.somebody();
        if (other) this.#later(other.engine.manager.enableInstance('queue', 'slow'));
      });
    }
    if (!target || what < 0.24) return;
    const { id } = target;
    const at = { queue: target.queue };
    if (what < 0.45) {
      this.#later(
        engine.manager.cancelJob(id, 'not needed', at).then((outcome) => {
          const job = world.ledger.jobs.get(`${target.queue}/${id}`);
          if (outcome === 'cancelled' && job) job.cancelAcked = true;
        }),
      );
    } else if (what < 0.55) this.#later(engine.manager.promoteJob(id, at));
    else if (what < 0.63) this.#later(engine.manager.changePriority(id, random.int(0, 3), at));
    else if (what < 0.71) this.#later(queues[target.queue].changeDelay(id, random.int(0, 5_000)));
    else if (what < 0.81) this.#later(engine.manager.retryJob(id, at));
    else if (what < 0.87) this.#later(engine.manager.rerunJob(id, at));
    else if (what < 0.93) this.#later(engine.manager.removeJob(id, at));
    else this.#later(queues[target.queue].getJob(id));
  }

  #later(promise) {
    promise.then(undefined, (error) => {
      if (!isExpected(error)) this.world.ledger.breach('X', String(error?.stack ?? error));
    });
  }
}
