// What a scenario works with.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { check } from './checker.mjs';
import { Fleet } from './fleet.mjs';
import { within } from './guard.mjs';
import { openLedger, readLedgers } from './ledger.mjs';
import { FaultProxy } from './proxy.mjs';
import { seeded } from './random.mjs';
import { startRedis } from './servers.mjs';
import { SWITCHES } from './switches.mjs';

const QUICK = 5;
const PAGE = 1_000;
/** How long anything may take to end (ms), and what everything gets that comes late. */
const END_ONE_MS = 10_000;
const END_LATE_MS = 500;
const STATES = ['completed', 'failed', 'cancelled', 'waiting', 'delayed', 'active', 'waiting-children', 'paused'];

export { sleep };

/** Polls until `probe` answers something truthy, and gives it back. */
export async function until(what, probe, deadlineMs = 30_000, everyMs = 20) {
  const end = performance.now() + deadlineMs;
  for (;;) {
    const answer = await probe();
    if (answer) return answer;
    if (performance.now() > end) throw new Error(`waited ${deadlineMs} ms in vain for ${what}`);
    await sleep(everyMs);
  }
}

export class Lab {
  #run;
  #closers = [];
  #problems = [];
  #over = false;
  /** Faults so far; a scenario counts what it counts. */
  faults = 0;

  /** `run`: what all scenarios of a run share: `library`, `postgres`, `folder`, `quick`, `seed`, `say`, `without`. */
  constructor(run, { name, store, size }) {
    this.#run = run;
    this.name = name;
    this.store = store;
    this.quick = run.quick;
    this.seed = run.seed;
    this.without = run.without;
    this.random = seeded(run.seed);
    this.folder = join(run.folder, `${name}-${store}`.replaceAll(/[^\w-]+/g, '-'));
    this.ledgers = join(this.folder, 'ledgers');
    mkdirSync(this.ledgers, { recursive: true });
    this.nemesis = openLedger(this.ledgers, 'nemesis');
    const scale = run.scale ?? (run.quick ? QUICK : 1);
    const share = (value) => Math.max(1, Math.ceil(value / scale));
    /** What to reach: jobs and faults at least, as `size` of the scenario says; a fifth with `--quick`. */
    this.goal = Object.fromEntries(Object.entries(size).map(([key, value]) => [key, share(value)]));
    this.project = 'faults';
  }

  say(text) {
    this.#run.say(`    ${text}`);
  }

  /** Something that must not happen, whatever the ledgers say. */
  problem(text) {
    this.#problems.push(text);
  }

  /** Does `work` at the end of the scenario, however it ends; last first. `what` it ends, in case it does not. */
  atEnd(work, what = 'something of its own') {
    // What a scenario that was given up still begins is ended at once.
    if (this.#over) void (async () => work())().catch(() => undefined);
    else this.#closers.push({ work, what });
  }

  /**
   * The server of this scenario: `connection()`, `target` for a proxy, `start`, `kill`, and on PostgreSQL `sql`. `own`:
   * a PostgreSQL of its own, for who stops it; otherwise a database of its own. `settings`: see ./servers.mjs.
   */
  async server({ own = false, settings } = {}) {
    const off = this.without && SWITCHES[this.without].settings?.[this.store];
    const all = off ? [...(settings ?? []), ...off] : settings;
    const made = this.store === 'redis' ? await startRedis(this.folder, all) : await this.#run.postgres(own, all);
    this.atEnd(() => made.stop(), 'the server');
    return made;
  }

  /** A proxy before `server`; a worker gets `connection: server.connection(proxy.port)`. */
  async proxy(server) {
    const proxy = await new FaultProxy(server.target, { random: this.random.fork().next }).listen();
    this.atEnd(() => proxy.close(), 'a proxy');
    return proxy;
  }

  /** Where the built library is; broken as `--without` says, and by further patches. */
  library(patches = []) {
    const off = this.without && SWITCHES[this.without];
    return this.#run.library([...(off?.patches ?? []), ...patches]);
  }

  /** The processes of this scenario over `server`. `base`: more of what all their configurations have in common. */
  fleet(server, base = {}) {
    const common = {
      ledgers: this.ledgers,
      library: this.library(),
      connection: server.connection(),
      project: this.project,
      broken: this.without && SWITCHES[this.without].store,
      ...base,
    };
    const fleet = new Fleet(common, this.nemesis, (text) => this.problem(text));
    this.atEnd(() => fleet.end(), 'a process');
    return fleet;
  }

  /** An engine of the driver that only looks: `engine.producer(queue)`, `engine.manager`, `backend.store`. */
  async watcher(server, { project = this.project } = {}) {
    const sound = this.#run.library();
    const from = (file) => import(pathToFileURL(join(sound, file)).href);
    const { OqronEngine } = await from('index.js');
    const { kind, url, ...rest } = server.connection();
    const logger = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
    const backend =
      kind === 'redis'
        ? (await from('backends/redis/index.js')).createRedisBackend({ redis: url, project, logger })
        : (await from('backends/postgres/index.js')).createPostgresBackend({
            postgres: { connectionString: url, poolSize: 2, ...rest },
            project,
            logger,
          });
    const engine = new OqronEngine({ project, logger: false, modules: [] }, { backend });
    await backend.open();
    const close = async () => {
      await engine.stop();
      await backend.close();
    };
    this.atEnd(close, 'the watcher');
    return {
      engine,
      backend,
      store: backend.store,
      close,
      /** Jobs of these queues that have not ended, by state and in all. */
      open: async (queues) => {
        const counts = await Promise.all(queues.map((queue) => backend.store.admin.counts(queue)));
        const sum = (state) => counts.reduce((all, one) => all + (one[state] ?? 0), 0);
        const states = Object.fromEntries(STATES.slice(3).map((state) => [state, sum(state)]));
        return { ...states, all: Object.values(states).reduce((a, b) => a + b, 0) };
      },
      /** Every job of these queues, as the checker takes them. */
      states: (queues) => readStates(backend.store.admin, queues),
      /** What the store's own check finds. */
      fsck: async () => {
        const problems = [];
        for await (const problem of engine.manager.verifyAll()) problems.push(problem);
        return problems;
      },
    };
  }

  /** The last fault is over: from here the backlog has to drain. */
  calm() {
    this.nemesis.note('calm');
  }

  /** Waits until nothing of these queues is left to do; what is left then is stuck. Answers whether it drained. */
  async drained(watcher, queues, deadlineMs) {
    const end = performance.now() + deadlineMs;
    for (;;) {
      const open = await watcher.open(queues).catch(() => undefined);
      if (open?.all === 0) {
        this.nemesis.note('drained');
        return true;
      }
      if (performance.now() > end) {
        this.say(`did not drain in ${deadlineMs} ms: ${JSON.stringify(open)}`);
        return false;
      }
      await sleep(50);
    }
  }

  /**
   * Reads the ledgers, asks the store what it holds, and judges. Answers the row of the scenario. `more`: violations of
   * the scenario's own, texts; `left`: what ./leftovers.mjs found. `watcher` and `queues`: where the jobs are.
   */
  async judge({ watcher, queues, rules, more = [], left = [] }) {
    const states = watcher && (await watcher.states(queues));
    const fsck = watcher ? await watcher.fsck() : [];
    const { violations, broken, figures } = check({ ledgers: readLedgers(this.ledgers), states, fsck }, rules);
    const own = [...this.#problems, ...more].map((text) => ({ invariant: 'scenario', text }));
    const all = [...violations, ...left.map((text) => ({ invariant: 'I9', text })), ...own];
    if (this.faults < this.goal.faults) {
      all.push({ invariant: 'scenario', text: `only ${this.faults} faults of ${this.goal.faults}` });
    }
    if (figures.jobs < this.goal.jobs) {
      all.push({ invariant: 'scenario', text: `only ${figures.jobs} jobs of ${this.goal.jobs}` });
    }
    return {
      scenario: this.name,
      store: this.store,
      jobs: figures.jobs,
      faults: this.faults,
      extraStarts: figures.extraStarts,
      explained: figures.explained,
      lost: figures.lost,
      stuck: figures.stuck,
      p99RecoveryMs: figures.p99RecoveryMs ?? null,
      pass: all.length === 0,
      // What follows is for people and for the proof that a scenario has teeth.
      broken: [...broken, ...(left.length > 0 ? ['I9'] : []), ...(own.length > 0 ? ['scenario'] : [])],
      violations: all,
      figures,
    };
  }

  /**
   * Ends everything, last first, within `deadlineMs` or a little more. What does not end is left, so that it keeps nothing
   * else from it. Answers what that was.
   */
  async end(deadlineMs = 30_000) {
    this.#over = true;
    const until = performance.now() + deadlineMs;
    const left = [];
    for (const { work, what } of this.#closers.splice(0).toReversed()) {
      const ms = Math.max(END_LATE_MS, Math.min(END_ONE_MS, until - performance.now()));
      try {
        const { ended } = await within(ms, (async () => work())());
        if (!ended) left.push(`${what} did not end within ${Math.round(ms)} ms`);
      } catch (error) {
        this.say(`at the end: ${error}`);
      }
    }
    return left;
  }
}

async function readStates(admin, queues) {
  const rows = [];
  for (const queue of queues) {
    for (const status of STATES) {
      let cursor;
      do {
        const page = await admin.find({ queue, status, limit: PAGE, ...(cursor && { cursor }) });
        for (const { id, fence, result, attempt, stalledCount } of page.jobs) {
          rows.push({ queue, id, status, fence, result, attempt, stalledCount });
        }
        ({ cursor } = page);
      } while (cursor !== undefined);
    }
  }
  return rows;
}
