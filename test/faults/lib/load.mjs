// Keeps queues supplied while faults happen: as many jobs as the progress of the faults allows, so that both come to
// their number together, and never more than a second of work ahead, so that a job that was taken back waits for its
// lease and not for its turn.
import { sleep } from './lab.mjs';

const LOOK_MS = 100;
const LEAST_BACKLOG = 300;
const MOST_BACKLOG = 5_000;

/**
 * `producers()` answers the members to add with (those that are ready); `make(n)` answers the items of the `n`th chunk:
 * `[{ queue, items, bulk }]`, in the order in which they are to be added. Ends when `jobs` were added and
 * `faults() >= wanted`.
 */
export class Load {
  added = 0;
  #chunk = 0;
  #last = 0;
  #stopped = false;
  /** Chunks that a producer took with it: they are added again, by their ids. */
  #again = [];

  constructor({ producers, make, jobs, faults, wanted, waiting, abandon = () => false }) {
    Object.assign(this, { producers, make, jobs, faults, wanted, waiting, abandon });
  }

  /** Adds nothing more; `run` ends. */
  stop() {
    this.#stopped = true;
  }

  get done() {
    if (this.#stopped) return true;
    return this.added >= this.jobs && this.faults() >= this.wanted;
  }

  async run() {
    const busy = new Map();
    let open = 0;
    let backlog = LEAST_BACKLOG;
    const began = performance.now();
    const look = async () => {
      open = await this.waiting();
      const perSecond = ((this.added - open) / (performance.now() - began)) * 1_000;
      backlog = Math.min(MOST_BACKLOG, Math.max(LEAST_BACKLOG, perSecond));
    };
    const watch = setInterval(() => void look().catch(() => undefined), LOOK_MS);
    try {
      while (!this.done || (this.#again.length > 0 && !this.#stopped)) {
        // Ahead of the faults by a little, never by much.
        const share = this.wanted === 0 ? 1 : Math.min(1, (this.faults() + 2) / this.wanted);
        const may = this.added < this.jobs * share || this.added >= this.jobs;
        const free = this.producers().filter((member) => !busy.has(member) && member.alive);
        const due = this.#again.length > 0 || (!this.done && may && open < backlog && this.#pace());
        if (free.length > 0 && due) {
          const [member] = free;
          const chunk = this.#again.shift() ?? this.make((this.#chunk += 1));
          const adding = this.#add(member, chunk).finally(() => busy.delete(member));
          busy.set(member, adding);
          continue;
        }
        await sleep(5);
      }
      await Promise.all(busy.values());
      if (this.#again.length > 0 && !this.#stopped) await this.run();
    } finally {
      clearInterval(watch);
    }
  }

  /** Beyond their number jobs are added only to keep the faults company. */
  #pace() {
    if (this.added < this.jobs) return true;
    const now = performance.now();
    if (now - this.#last < 100) return false;
    this.#last = now;
    return true;
  }

  async #add(member, chunk) {
    try {
      for (const { queue, items, bulk } of chunk) await member.add(queue, items, { bulk });
      // Only as a whole: a chunk that is added again would count twice.
      this.added += chunk.reduce((sum, { items }) => sum + items.length, 0);
    } catch (error) {
      if (member.alive && !member.frozen && !/STORE|UNKNOWN/i.test(error.message)) throw error;
      // Whether it was added is not known. What is left alone shows whether it is there as a whole.
      if (!this.abandon()) this.#again.push(chunk);
    }
  }
}
