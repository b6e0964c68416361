/** 2026-01-01T00:00:00Z. */
const EPOCH = 1_767_225_600_000;

/** The clock of the store. */
export function storeClock(scheduler) {
  return {
    now: () => EPOCH + Math.floor(scheduler.now),
    monotonic: () => scheduler.now,
    timer: () => {
      throw new Error('the store has no timers of its own');
    },
    immediate: () => {
      throw new Error('the store has no turns of its own');
    },
  };
}

/**
 * One process: a clock of its own that is wrong and drifts, and a fate. When it dies, everything that it waits for never
 * comes. While it is frozen, everything waits, and comes at once when it goes on.
 */
export class SimProcess {
  dead = false;
  frozen = false;
  /** Events that came while it was frozen. */
  held = [];
  /** Timers that are armed. */
  timers = 0;
  /** When it was frozen, cut off, ...: what explains a lease that expired. Sorted by their beginning. */
  troubles = [];
  stopping = false;
  stopped = false;

  /** `wrong`: the ms by which its wall clock is wrong; `rate`: how fast its time goes; `lag`: how late timers come (ms). */
  constructor(scheduler, index, random, { wrong = 0, rate = 1, lag = 0 } = {}) {
    this.scheduler = scheduler;
    this.index = index;
    this.random = random;
    this.born = scheduler.now;
    const monotonic = () => (scheduler.now - this.born) * rate;
    this.clock = {
      now: () => EPOCH + Math.floor(this.born + wrong + monotonic()),
      monotonic,
      timer: (ms, run) => this.#timer(ms / rate + lag * random.next(), run),
      immediate: (run) => void scheduler.soon(run, this),
    };
  }

  /** Waits on its clock. */
  sleep(ms) {
    return new Promise((wake) => this.clock.timer(ms, wake));
  }

  kill() {
    this.trouble('crash', Infinity);
    this.dead = true;
    this.held = [];
  }

  /** Nothing of it happens for this long. What became due meanwhile comes in an order that nobody can count on. */
  freeze(ms, thawed) {
    if (this.dead || this.frozen) return;
    this.frozen = true;
    this.trouble('freeze', this.scheduler.now + ms);
    this.scheduler.after(ms, () => {
      if (this.dead) return;
      this.frozen = false;
      const held = this.held;
      this.held = [];
      const way = this.random.next();
      // The timers first, as an event loop does it; or what came over the network first; or as it came.
      if (way < 0.7) held.sort((a, b) => (way < 0.5 ? rank(a) - rank(b) : rank(b) - rank(a)));
      for (const event of held) this.scheduler.again(event);
      thawed?.();
    });
  }

  /** Something happened to it now, until then. */
  trouble(kind, until = this.scheduler.now, from = this.scheduler.now) {
    this.troubles.push({ kind, from, until });
  }

  /** Whether anything happened to it between these instants. */
  troubled(from, until) {
    for (let i = this.troubles.length - 1; i >= 0; i -= 1) {
      const trouble = this.troubles[i];
      if (trouble.from <= until && trouble.until >= from) return true;
    }
    return false;
  }

  #timer(ms, run) {
    this.timers += 1;
    const fire = () => {
      event.fired = true;
      this.timers -= 1;
      run();
    };
    // As Node has it: no timer comes before the next millisecond, so time goes on whatever is armed.
    const event = this.scheduler.after(Math.max(1, ms), fire, this);
    event.timer = true;
    return {
      cancel: () => {
        if (event.cancelled || event.fired) return;
        event.cancelled = true;
        this.timers -= 1;
      },
      unref: () => undefined,
    };
  }
}

const rank = (event) => (event.timer ? 0 : 1);
