import type { Clock, Timer } from '../ports/clock.js';

interface Alarm {
  readonly timer: Timer;
  readonly runs: Set<() => void>;
}

/** Timers of a process that go off at the same instants: whoever waits for one is woken in the same turn as the others. */
export class Alarms {
  readonly #alarms = new Map<number, Alarm>();

  constructor(private readonly clock: Clock) {}

  /**
   * Calls `run` within `ms`, and not before half of that has passed, at the last instant in between that everybody who
   * waits as long shares.
   */
  within(ms: number, run: () => void): Pick<Timer, 'cancel'> {
    const now = this.clock.monotonic();
    const grid = ms / 2;
    const at = Math.floor((now + ms) / grid) * grid;
    const alarm = this.#alarms.get(at) ?? this.#set(at, at - now);
    alarm.runs.add(run);
    return {
      cancel: () => {
        alarm.runs.delete(run);
        if (alarm.runs.size > 0 || this.#alarms.get(at) !== alarm) return;
        alarm.timer.cancel();
        this.#alarms.delete(at);
      },
    };
  }

  #set(at: number, ms: number): Alarm {
    const runs = new Set<() => void>();
    const timer = this.clock.timer(ms, () => {
      this.#alarms.delete(at);
      for (const run of runs) run();
    });
    const alarm = { timer, runs };
    this.#alarms.set(at, alarm);
    return alarm;
  }
}
