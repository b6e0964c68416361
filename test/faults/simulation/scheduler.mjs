/** Turns without a look at the real event loop: timers and signals of the test runner must come through now and then. */
const TURNS_AT_ONCE = 4_096;

/**
 * Virtual time: events in the order of their instants, one by one. After each of them everything that promises can do is
 * done before the next one comes, so a run depends on nothing but its events.
 */
export class Scheduler {
  /** Virtual ms since the beginning. */
  now = 0;
  /** Events that were carried out. */
  turns = 0;
  #order = 0;
  /** A binary heap by (at, order). */
  #heap = [];
  /** What comes at this very instant, in order. */
  #soon = [];
  #soonAt = 0;
  #stopped = false;

  /** Calls `run` at this instant of virtual time. An event of a process waits while that is frozen, and dies with it. */
  at(time, run, process) {
    const event = { at: Math.max(time, this.now), order: (this.#order += 1), run, process, cancelled: false };
    const heap = this.#heap;
    let i = heap.length;
    heap.push(event);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (before(heap[parent], event)) break;
      heap[i] = heap[parent];
      i = parent;
    }
    heap[i] = event;
    return event;
  }

  after(ms, run, process) {
    return this.at(this.now + ms, run, process);
  }

  /** Calls `run` before anything that is due later. */
  soon(run, process) {
    const event = { at: this.now, order: 0, run, process, cancelled: false };
    this.#soon.push(event);
    return event;
  }

  /** An event that was put off comes at this instant. */
  again(event) {
    this.#soon.push(event);
  }

  /** Ends `run` after the event that is carried out now. */
  stop() {
    this.#stopped = true;
  }

  /** Carries out everything up to this instant. */
  run(until) {
    return new Promise((resolve, reject) => {
      let turns = 0;
      // A tick that a microtask asks for comes when there are no more microtasks: nothing of the turn is left then.
      const next = () => process.nextTick(step);
      const step = () => {
        const event = this.#stopped ? undefined : this.#take(until);
        if (!event) {
          if (!this.#stopped) this.now = until;
          this.#stopped = false;
          resolve();
          return;
        }
        this.turns += 1;
        try {
          event.run();
        } catch (error) {
          reject(error);
          return;
        }
        if ((turns += 1) % TURNS_AT_ONCE === 0) setImmediate(step);
        else queueMicrotask(next);
      };
      process.nextTick(step);
    });
  }

  #take(until) {
    for (;;) {
      const event = this.#next(until);
      if (!event) return undefined;
      if (event.cancelled) continue;
      const { process } = event;
      if (process?.dead) continue;
      if (process?.frozen) {
        process.held.push(event);
        continue;
      }
      return event;
    }
  }

  #next(until) {
    if (this.#soonAt < this.#soon.length) {
      const event = this.#soon[this.#soonAt];
      this.#soonAt += 1;
      if (this.#soonAt === this.#soon.length) {
        this.#soon.length = 0;
        this.#soonAt = 0;
      }
      return event;
    }
    const heap = this.#heap;
    const first = heap[0];
    if (!first || first.at > until) return undefined;
    const last = heap.pop();
    if (heap.length > 0) {
      let i = 0;
      for (let child = 1; child < heap.length; child = 2 * i + 1) {
        if (child + 1 < heap.length && before(heap[child + 1], heap[child])) child += 1;
        if (before(last, heap[child])) break;
        heap[i] = heap[child];
        i = child;
      }
      heap[i] = last;
    }
    this.now = first.at;
    return first;
  }
}

function before(a, b) {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
