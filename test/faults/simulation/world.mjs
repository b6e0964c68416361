import { Ledger } from './ledger.mjs';
import { Nemesis } from './nemesis.mjs';
import { Network } from './network.mjs';
import { SimProcess } from './process.mjs';
import { SeededRandom } from './random.mjs';
import { Scheduler } from './scheduler.mjs';
import { Server } from './server.mjs';
import { makeEngine, queuesOf } from './engines.mjs';
import { Workload } from './workload.mjs';

/** What a seed means: everything that is not drawn later. */
function optionsOf(seed, given = {}) {
  const random = new SeededRandom(Math.imul(seed, 2_654_435_761));
  const leaseMs = random.pick([3_000, 6_000, 10_000, 20_000]);
  const seconds = given.seconds ?? 2_000;
  return {
    seed,
    seconds,
    /** Jobs are added and things go wrong until then. */
    loadMs: seconds * 1_000 * 0.8,
    processes: random.int(2, 4),
    leaseMs,
    heartbeatMs: Math.round(leaseMs / random.pick([3, 4, 5])),
    pollMs: random.pick([1_000, 4_000, 8_000]),
    shutdownMs: random.pick([1_000, 5_000, 20_000]),
    /** Round trips (ms), and how long a call that was lost is waited for at most. */
    delay: random.pick([0.2, 2, 15]),
    patience: random.pick([20, 500, 2_500]),
    inOrder: random.chance(0.5),
    loss: random.pick([0, 0.005, 0.03]),
    slowness: random.pick([0, 0.001]),
    dropSignals: random.pick([0, 0.05, 0.5]),
    everyMs: random.pick([8_000, 15_000, 25_000]),
    faultEveryMs: random.pick([12_000, 30_000, 60_000]),
    /** Handlers that block the loop of their process. */
    block: random.pick([0, 0.01, 0.03]),
    /** Many adds at once. */
    bursts: random.pick([0, 0, 2]),
    skew: random.pick([0, 300_000]),
    drift: random.pick([0, 0.005]),
    stopAtBreach: true,
    ...given,
  };
}

/** One run: a store, a fleet, a load, and what goes wrong. */
export class World {
  processes = [];
  #tags = 0;
  #hash = [0x811c9dc5, 0x2f0b4c47];

  constructor(seed, given = {}, mutation = {}) {
    this.options = { ...optionsOf(seed, given), ...mutation.options };
    const { loss, slowness, dropSignals } = this.options;
    this.loss = loss;
    this.slowness = slowness;
    this.dropSignals = dropSignals;
    this.random = new SeededRandom(seed);
    this.scheduler = new Scheduler();
    this.ledger = new Ledger(this);
    this.server = new Server(this, mutation);
    this.nemesis = new Nemesis(this);
    this.workload = new Workload(this);
    this.calmFrom = this.options.loadMs;
  }

  get now() {
    return this.scheduler.now;
  }

  /** What the run did so far, in few digits. */
  get hash() {
    return this.#hash.map((part) => (part >>> 0).toString(16).padStart(8, '0')).join('');
  }

  trace(what, detail) {
    let [a, b] = this.#hash;
    const time = Math.floor(this.scheduler.now * 1_000);
    for (let i = 0; i < what.length; i += 1) a = Math.imul(a ^ what.charCodeAt(i), 0x01000193);
    a = Math.imul(a ^ (time | 0), 0x01000193);
    b = Math.imul(b ^ detail ^ (time / 2 ** 31), 0x85ebca6b) ^ (b >>> 13) ^ a;
    this.#hash = [a, b];
  }

  newTag() {
    return (this.#tags += 1);
  }

  alive() {
    return this.processes.filter(({ dead, stopping }) => !dead && !stopping);
  }

  /** A process that can be asked to do something. */
  somebody() {
    const ready = this.processes.filter(({ dead, frozen, stopping }) => !dead && !frozen && !stopping);
    return ready.length === 0 ? undefined : this.random.pick(ready);
  }

  spawn(everything = false) {
    const { options, random, scheduler } = this;
    const index = this.processes.length;
    const { skew, drift } = options;
    const process = new SimProcess(scheduler, index, random.fork(), {
      wrong: random.between(-skew, skew),
      rate: 1 + random.between(-drift, drift),
      lag: random.pick([0, 2, 10]),
    });
    process.network = new Network(this, process);
    const names = Object.keys(queuesOf(options));
    // Some consume a part only; the first leaves no queue out.
    const all = everything || index === 0 || random.chance(0.5);
    const consumes = names.filter(() => all || random.chance(0.6));
    const engine = makeEngine(this, process, process.network.backend(), consumes, all);
    this.processes.push(process);
    this.#start(process, engine);
  }

  #start(process, engine, tries = 0) {
    engine.start().catch((error) => {
      // A deployment tries again; and an engine that failed to start may.
      if (process.stopping || process.dead) return;
      if (error.code !== 'STORE_UNREACHABLE' && error.code !== 'UNKNOWN_OUTCOME') {
        this.ledger.breach('X', `start: ${error.stack}`);
      }
      process.clock.timer(500, () => this.#start(process, engine, tries + 1));
    });
  }

  /** Another process comes after a while. */
  replace(process, ms) {
    if (this.closing) return;
    this.scheduler.after(ms, () => this.spawn(this.now >= this.calmFrom));
  }

  async stopProcess(process) {
    process.stopping = true;
    process.trouble('stop', Infinity);
    try {
      await process.engine.stop();
    } catch (error) {
      this.ledger.breach('X', `stop: ${error.stack}`);
    }
    process.stopped = true;
    process.stoppedAt = this.now;
  }

  /** Everything works again: what is frozen goes on by itself. */
  heal() {
    this.loss = 0;
    this.slowness = 0;
    this.dropSignals = 0;
    for (const { network } of this.processes) {
      network.cutUntil = -1;
      network.deafUntil = -1;
    }
    // Those that are left may all be of a kind that leaves some queue to others.
    this.spawn(true);
  }
}
