import {
  EngineStateError,
  JobCancelledError,
  JobFailedError,
  JobNotFoundError,
  WaitTimeoutError,
} from '../errors/index.js';
import type { ClusterEventName, EventBus } from '../events.js';
import type { Codec } from '../job/codec.js';
import { isFinal, type FinalStatus } from '../job/states.js';
import type { StoredError } from '../job/stored-job.js';
import type { Clock, Timer } from '../ports/clock.js';
import type { JobStore } from '../ports/job-store.js';
import type { ClusterChannel } from './cluster-events.js';

/** A job is looked at after this long (ms), then half as often each time, down to the second figure. */
const FIRST_LOOK_MS = 100;
const LAST_LOOK_MS = 2_000;
/** Looks under way at once: waiting for very many jobs must not flood the store. */
const MAX_LOOKS = 200;
/** A record that is gone may be that of a job whose end is being told this moment: it is looked at once more (ms). */
const GONE_GRACE_MS = 1_000;

const WHERE = 'JobHandle.waitUntilFinished';

interface WaiterHost {
  readonly clock: Clock;
  readonly events: EventBus;
  readonly store: JobStore;
  readonly cluster: ClusterChannel;
}

/** How a job ended, as far as its record or an event says. */
export interface Ending {
  readonly status: FinalStatus;
  /** Encoded. */
  readonly result?: string;
  readonly error?: StoredError;
  readonly reason?: string;
}

interface Waiter {
  readonly codec: Codec;
  /** Monotonic. */
  readonly deadline: number;
  readonly timeoutMs: number;
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

/** A job that somebody waits for. */
interface Watched {
  readonly queue: string;
  readonly id: string;
  readonly waiters: Set<Waiter>;
  readonly unwant: () => void;
  /** Monotonic: when to look again. */
  next: number;
  delay: number;
  looking: boolean;
  /** Since when the record is missing (monotonic). */
  goneSince: number | undefined;
  /** What another process told of its end; the record says it better, if it is still there. */
  told: Ending | undefined;
}

/**
 * Waits for jobs to end, for all callers of one engine. An event of this process settles a wait at once; one of another
 * process makes it look at the record; and because events are hints, every job is looked at now and then, less and less
 * often. One timer serves all waits, and there is none while nobody waits.
 */
export class FinishWaiter {
  readonly #watched = new Map<string, Watched>();
  #unlisten: (() => void) | undefined;
  #timer: Timer | undefined;
  #scheduled = false;
  #looks = 0;
  #failing = false;
  #closed = false;

  constructor(private readonly host: WaiterHost) {
    host.cluster.watch(
      (queue, id, event, payload) => this.#hint(queue, id, event, payload),
      () => this.#lookAtAll(),
    );
  }

  /**
   * Resolves with the job's result, as `codec` reads it.
   *
   * @throws JobFailedError, JobCancelledError, WaitTimeoutError, JobNotFoundError, EngineStateError
   */
  wait(queue: string, id: string, codec: Codec, timeoutMs?: number): Promise<unknown> {
    if (this.#closed) return Promise.reject(stopped(queue, id));
    const { clock } = this.host;
    return new Promise((resolve, reject) => {
      const now = clock.monotonic();
      const deadline = timeoutMs === undefined ? Infinity : now + timeoutMs;
      const watched = this.#watch(queue, id, now);
      watched.waiters.add({ codec, deadline, timeoutMs: timeoutMs ?? Infinity, resolve, reject });
      // It may have ended before anybody listened.
      watched.next = now;
      this.#lookSoon();
    });
  }

  /** Rejects every wait: the engine ends. */
  close(): void {
    this.#closed = true;
    for (const watched of [...this.#watched.values()]) {
      this.#settle(watched, ({ reject }) => reject(stopped(watched.queue, watched.id)));
    }
  }

  #watch(queue: string, id: string, now: number): Watched {
    const key = keyOf(queue, id);
    let watched = this.#watched.get(key);
    if (!watched) {
      watched = {
        queue,
        id,
        waiters: new Set(),
        unwant: this.host.cluster.wantFinish(queue),
        next: now,
        delay: FIRST_LOOK_MS,
        looking: false,
        goneSince: undefined,
        told: undefined,
      };
      this.#watched.set(key, watched);
      this.#listen();
    }
    return watched;
  }

  /** While somebody waits, the events of this process are heard. */
  #listen(): void {
    if (this.#unlisten) return;
    const { events } = this.host;
    const find = ({ queue, id }: { queue: string; id: string }): Watched | undefined =>
      this.#watched.get(keyOf(queue, id));
    const offs = [
      events.on('job:success', (event) => {
        const watched = find(event);
        // The handler's own value may be changed by whoever made it, and is not what the record will say.
        if (watched) {
          this.#settle(watched, ({ codec, resolve }) => resolve(decode(codec, codec.encode(event.result))));
        }
      }),
      events.on('job:fail', (event) => {
        const watched = find(event);
        if (watched) this.#end(watched, { status: 'failed', error: event.error });
      }),
      events.on('job:cancelled', (event) => {
        const watched = find(event);
        const { reason } = event;
        if (watched) this.#end(watched, { status: 'cancelled', ...(reason === undefined ? {} : { reason }) });
      }),
    ];
    this.#unlisten = () => offs.forEach((off) => off());
  }

  #hint(queue: string, id: string, event: ClusterEventName, payload: object): void {
    const watched = this.#watched.get(keyOf(queue, id));
    if (!watched) return;
    watched.told = endingOf(event, payload);
    watched.next = this.host.clock.monotonic();
    this.#lookSoon();
  }

  #lookAtAll(): void {
    const now = this.host.clock.monotonic();
    for (const watched of this.#watched.values()) watched.next = now;
    if (this.#watched.size > 0) this.#lookSoon();
  }

  #lookSoon(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.host.clock.immediate(() => {
      this.#scheduled = false;
      this.#tick();
    });
  }

  /** Looks at what is due, lets go of those who waited long enough, and sleeps until the next of either. */
  #tick(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const now = this.host.clock.monotonic();
    let next = Infinity;
    for (const watched of [...this.#watched.values()]) {
      this.#expire(watched, now);
      if (watched.waiters.size === 0) continue;
      if (watched.next <= now && !watched.looking && this.#looks < MAX_LOOKS) void this.#look(watched, now);
      for (const { deadline } of watched.waiters) next = Math.min(next, deadline);
      if (!watched.looking) next = Math.min(next, Math.max(watched.next, now + FIRST_LOOK_MS));
    }
    if (next < Infinity) this.#timer = this.host.clock.timer(next - now, () => this.#tick());
  }

  #expire(watched: Watched, now: number): void {
    const { queue, id } = watched;
    for (const waiter of watched.waiters) {
      if (waiter.deadline > now) continue;
      watched.waiters.delete(waiter);
      waiter.reject(new WaitTimeoutError(WHERE, queue, id, waiter.timeoutMs));
    }
    if (watched.waiters.size === 0) this.#forget(watched);
  }

  async #look(watched: Watched, now: number): Promise<void> {
    watched.looking = true;
    watched.next = now + watched.delay;
    watched.delay = Math.min(watched.delay * 2, LAST_LOOK_MS);
    this.#looks += 1;
    try {
      const stored = await this.host.store.admin.get(watched.queue, watched.id);
      this.#failing = false;
      if (watched.waiters.size === 0) return;
      if (!stored) this.#gone(watched);
      else if (isFinal(stored.status)) this.#end(watched, { ...stored, status: stored.status });
      else watched.goneSince = undefined;
    } catch (error) {
      // The wait goes on: the store may come back before its timeout.
      if (!this.#failing) this.host.events.report(WHERE, error);
      this.#failing = true;
    } finally {
      this.#looks -= 1;
      watched.looking = false;
      // Behind those that were not looked at because there were too many.
      const key = keyOf(watched.queue, watched.id);
      if (this.#watched.delete(key)) this.#watched.set(key, watched);
      if (this.#watched.size > 0) this.#lookSoon();
    }
  }

  #gone(watched: Watched): void {
    const { told } = watched;
    if (told && told.status !== 'completed') return this.#end(watched, told);
    const now = this.host.clock.monotonic();
    watched.goneSince ??= now;
    const left = watched.goneSince + GONE_GRACE_MS - now;
    if (left > 0) {
      watched.next = now + left;
      return;
    }
    const { queue, id } = watched;
    const hint = told
      ? 'It completed, and its record was removed with the result.'
      : 'Its record was removed before its end was seen here.';
    const keep = 'To wait for jobs, let their records stay for a while: removeOnComplete, removeOnFail.';
    this.#settle(watched, ({ reject }) => reject(new JobNotFoundError(WHERE, queue, id, `${hint} ${keep}`)));
  }

  #end(watched: Watched, ending: Ending): void {
    const { queue, id } = watched;
    this.#settle(watched, ({ codec, resolve, reject }) => {
      const error = errorOf(queue, id, ending);
      if (error) reject(error);
      else resolve(decode(codec, ending.result));
    });
  }

  /** Ends every wait for a job; a codec that throws ends its own only. */
  #settle(watched: Watched, how: (waiter: Waiter) => void): void {
    this.#forget(watched);
    for (const waiter of watched.waiters) {
      try {
        how(waiter);
      } catch (error) {
        waiter.reject(error);
      }
    }
    watched.waiters.clear();
  }

  #forget({ queue, id, unwant }: Watched): void {
    if (!this.#watched.delete(keyOf(queue, id))) return;
    unwant();
    if (this.#watched.size > 0) return;
    this.#unlisten?.();
    this.#unlisten = undefined;
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}

/** The error of a job that did not complete. */
export function errorOf(queue: string, id: string, { status, error, reason }: Ending): Error | undefined {
  if (status === 'completed') return undefined;
  if (status === 'cancelled') return new JobCancelledError(WHERE, queue, id, reason);
  return new JobFailedError(WHERE, queue, id, error ?? { name: 'Error', message: 'its record does not say why' });
}

function endingOf(event: ClusterEventName, payload: object): Ending {
  if (event === 'job:success') return { status: 'completed' };
  const { error, reason } = payload as { readonly error?: StoredError; readonly reason?: string };
  return event === 'job:cancelled'
    ? { status: 'cancelled', ...(reason === undefined ? {} : { reason }) }
    : { status: 'failed', ...(error ? { error } : {}) };
}

function decode(codec: Codec, result: string | undefined): unknown {
  return result === undefined ? undefined : codec.decode(result);
}

function stopped(queue: string, id: string): EngineStateError {
  return new EngineStateError(WHERE, `the engine was stopped before job "${id}" of queue "${queue}" had finished`);
}

function keyOf(queue: string, id: string): string {
  return `${queue}\n${id}`;
}
