// The nemesis' side of the workers: starts processes, kills and freezes them, and writes down what it did, before it
// does it.
import { startNode } from '../../bench/lib/cleanup.mjs';
import { join } from 'node:path';

const PROGRAM = join(import.meta.dirname, 'worker.mjs');
const SKEW = join(import.meta.dirname, 'skew.cjs');
const KEPT_OUTPUT = 20_000;

/** One process; each start of a name is another incarnation. */
class Member {
  #child;
  #fleet;
  #answers = new Map();
  #n = 0;
  #asked = false;
  #output = '';
  frozen = false;

  constructor(fleet, name, incarnation, config) {
    this.#fleet = fleet;
    this.name = name;
    this.incarnation = incarnation;
    this.who = `${name}.${incarnation}`;
    this.config = config;
    const { env = {}, execArgv = [], skew, program = PROGRAM, ...rest } = config;
    this.#child = startNode(program, [JSON.stringify({ ...fleet.base, ...rest, who: this.who })], {
      execArgv: [...(skew ? ['--require', SKEW] : []), ...execArgv],
      env: {
        ...process.env,
        NODE_OPTIONS: '',
        ...(skew && { SKEW_MS: `${skew.ms ?? 0}`, SKEW_RATE: `${skew.rate ?? 1}` }),
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    const child = this.#child;
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => (this.#output = `${this.#output}${text}`.slice(-KEPT_OUTPUT)));
    }
    let ready;
    /** Resolves when its engine runs; also when it ended before. */
    this.ready = new Promise((resolve) => (ready = resolve));
    child.on('message', (message) => {
      if (message.is === 'ready') {
        this.isReady = true;
        ready();
      } else if (message.is === 'answer') this.#answered(message);
      else config.onMessage?.(message);
    });
    // A message to a process that has just ended.
    child.on('error', () => undefined);
    /** Resolves with `{ code, signal }`. */
    this.exited = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        this.gone = { code, signal };
        ready();
        for (const { reject } of this.#answers.values()) reject(new Error(`${this.who} ended`));
        this.#answers.clear();
        fleet.ended(this, this.#asked);
        resolve(this.gone);
      });
    });
    this.exited.catch(() => undefined);
  }

  get pid() {
    return this.#child.pid;
  }

  get alive() {
    return this.gone === undefined;
  }

  get output() {
    return this.#output;
  }

  /** Asks the process for something; `add` and `stop` exist, and what the scenario's handlers add. */
  request(what, details = {}) {
    if (!this.alive) return Promise.reject(new Error(`${this.who} has ended`));
    const n = (this.#n += 1);
    const answer = new Promise((resolve, reject) => this.#answers.set(n, { resolve, reject }));
    // Whoever does not wait for the answer is not hurt by it.
    answer.catch(() => undefined);
    this.#child.send({ n, do: what, ...details }, () => undefined);
    return answer;
  }

  /** Adds jobs: `[{ id, data, opts }]`; with `bulk` in one call. */
  add(queue, items, { bulk = false } = {}) {
    return this.request('add', { queue, items, bulk });
  }

  /** SIGKILL. Resolves when it is gone. */
  async kill() {
    if (!this.alive) return;
    this.#asked = true;
    this.#fleet.nemesis.note('kill', this.who);
    this.#child.kill('SIGKILL');
    await this.exited;
  }

  /** SIGTERM, as a deployment sends it. Resolves with `{ code, signal }`. */
  terminate() {
    this.#asked = true;
    this.#fleet.nemesis.note('terminate', this.who);
    this.#child.kill('SIGTERM');
    return this.exited;
  }

  freeze() {
    this.frozen = true;
    this.#fleet.nemesis.note('freeze', this.who);
    this.#child.kill('SIGSTOP');
  }

  thaw() {
    this.#child.kill('SIGCONT');
    this.frozen = false;
    this.#fleet.nemesis.note('thaw', this.who);
  }

  /** Stops its engine and lets it end by itself: an exit code other than 0 would be a leftover. */
  async stop() {
    if (this.alive) {
      this.#asked = true;
      await this.request('stop').catch(() => undefined);
    }
    return this.exited;
  }

  #answered({ n, value, error }) {
    const waiting = this.#answers.get(n);
    this.#answers.delete(n);
    if (error === undefined) waiting?.resolve(value);
    else waiting?.reject(new Error(error));
  }
}

/** All processes of one scenario. */
export class Fleet {
  #incarnations = new Map();
  #over = false;
  members = new Set();

  /** `base`: what the configurations of all have in common. `problem(text)` hears of what must not happen. */
  constructor(base, nemesis, problem) {
    this.base = base;
    this.nemesis = nemesis;
    this.problem = problem;
  }

  /**
   * Starts a process; await `.ready`. `config`: `consume` (`{ queue: options of the worker }`), `start: false` (only
   * adds), `engine` (options), `connection` (through a proxy), `library`, `broken`, `points`, `handlers` (a module),
   * `skew`, `env`, `execArgv`; `program` instead of worker.mjs; `mayDie`: its end is no failure; `onMessage`.
   */
  start(name, config) {
    // A scenario that was given up may not have noticed yet.
    if (this.#over) throw new Error(`${name} comes too late: the scenario is over`);
    const incarnation = (this.#incarnations.get(name) ?? 0) + 1;
    this.#incarnations.set(name, incarnation);
    const member = new Member(this, name, incarnation, config);
    this.members.add(member);
    return member;
  }

  /** The next incarnation of one that ended. */
  restart(member, changes = {}) {
    return this.start(member.name, { ...member.config, ...changes });
  }

  ended(member, asked) {
    const { code, signal } = member.gone;
    this.members.delete(member);
    this.nemesis.note('gone', member.who, '-', '-', `${code ?? signal}`);
    if (!asked && !member.config.mayDie) {
      this.problem(`${member.who} ended by itself with ${code ?? signal}: ${member.output.slice(-2_000)}`);
    }
    member.config.onGone?.(member);
  }

  /** Stops all that are left, in peace; an exit code other than 0 is a problem. */
  async stop() {
    await Promise.all(
      [...this.members].map(async (member) => {
        const { code, signal } = await member.stop();
        if (code !== 0) this.problem(`${member.who} stopped with ${code ?? signal}: ${member.output.slice(-2_000)}`);
      }),
    );
  }

  /** For the end of a scenario, whatever became of it. */
  async end() {
    this.#over = true;
    await Promise.all([...this.members].map((member) => member.kill()));
  }
}
