import type { EventBus } from '../events.js';
import { textOf } from '../job/stored-error.js';
import type { Clock, Random, Timer } from '../ports/clock.js';
import type { CampaignReply, LeaderElection } from '../ports/leader.js';
import type { Logger } from '../ports/logger.js';
import type { Signals } from '../ports/signals.js';
import { localDeadline } from './lease-keeper.js';

/** How long a stop waits for the store, for each of its two steps (ms). Without it the lease ends by itself. */
const STOP_MS = 2_000;

interface LeadershipHost {
  readonly owner: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly events: EventBus;
  readonly signals: Signals;
}

/** How fast a leader is replaced, and what that costs. @publicApi */
export interface LeadershipOptions {
  /** What is led. */
  readonly name: string;
  /** A leader that is not heard of for this long is replaced (ms). Default 3 000. */
  readonly ttlMs?: number;
  /** The leader renews its term this often (ms). Default 1 000. Followers ask only when the term that they saw ends. */
  readonly renewMs?: number;
}

/** What a process knows of an election. @publicApi */
export interface LeadershipHealth {
  readonly name: string;
  /** `looking`: nobody is known to lead; the store does not answer, or was not asked yet. */
  readonly state: 'leader' | 'follower' | 'looking';
  /** Who leads, as far as this process knows. */
  readonly owner?: string;
  /** The term, where this process leads. */
  readonly epoch?: number;
  /** Why the store could not be asked. */
  readonly problem?: string;
}

/** A term of our own. */
interface Term {
  readonly epoch: number;
  /** Until then it can be counted on (monotonic). */
  readonly deadline: number;
}

/**
 * Takes part in an election: leads, or waits until the leader's term ends. A term is trusted from when it was asked for
 * until a little before the store ends it, by the monotonic clock, so that a process that was frozen or cut off knows
 * by itself that it leads no more. A follower sleeps until the term that it saw would end: a dead leader is replaced
 * within its lease and half a renewal, and followers cost less than one call per lease.
 */
export class Leadership {
  readonly #name: string;
  readonly #ttlMs: number;
  readonly #renewMs: number;
  #stopped = true;
  #timer: Timer | undefined;
  #trust: Timer | undefined;
  #campaigning: Promise<void> | undefined;
  #term: Term | undefined;
  /** The last term that the store gave us and may still hold; it is resigned at the end. */
  #held: number | undefined;
  /** The other one who leads. */
  #leader: string | undefined;
  #problem: string | undefined;
  #failures = 0;

  constructor(
    private readonly host: LeadershipHost,
    private readonly election: LeaderElection | undefined,
    { name, ttlMs = 3_000, renewMs = 1_000 }: LeadershipOptions,
  ) {
    this.#name = name;
    this.#ttlMs = ttlMs;
    this.#renewMs = renewMs;
  }

  /** This process leads, as far as anybody can know. */
  get leads(): boolean {
    return this.#term !== undefined && this.host.clock.monotonic() < this.#term.deadline;
  }

  /** Another process was found to lead. False also while nothing is known, or where the store has no elections. */
  get follows(): boolean {
    return this.#leader !== undefined;
  }

  /** `undefined` where the store has no elections. */
  health(): LeadershipHealth | undefined {
    if (!this.election) return undefined;
    const name = this.#name;
    const problem = this.#problem === undefined ? {} : { problem: this.#problem };
    if (this.leads) return { name, state: 'leader', owner: this.host.owner, epoch: this.#term?.epoch ?? 0, ...problem };
    if (this.#leader !== undefined) return { name, state: 'follower', owner: this.#leader, ...problem };
    return { name, state: 'looking', ...problem };
  }

  /** Begins to take part, in the background. */
  start(): void {
    if (!this.#stopped || !this.election) return;
    this.#stopped = false;
    this.#campaign();
  }

  /** Takes part no more. A term of ours is resigned, so that the next one leads at once. */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#timer?.cancel();
    this.#trust?.cancel();
    // A campaign under way may still make us leader.
    if (this.#campaigning) await this.#within(this.#campaigning);
    this.#lose('resigned');
    if (this.#held !== undefined) await this.#within(this.#resign(this.#held));
    this.#held = undefined;
    this.#leader = undefined;
    this.#problem = undefined;
    this.#failures = 0;
  }

  /** Somebody says that nobody leads `name`. A hint: asking costs one call. */
  vacant(name: string): void {
    if (name !== this.#name || this.#stopped || this.#campaigning || this.leads) return;
    this.#timer?.cancel();
    this.#campaign();
  }

  #campaign(): void {
    this.#campaigning = this.#ask().finally(() => {
      this.#campaigning = undefined;
    });
  }

  async #ask(): Promise<void> {
    const sentAt = this.host.clock.monotonic();
    try {
      const reply = await this.election?.campaign(this.#name, this.host.owner, this.#ttlMs);
      if (reply) this.#take(reply, sentAt);
    } catch (error) {
      this.#failed(error);
    }
  }

  #take(reply: CampaignReply, sentAt: number): void {
    if (this.#failures > 0) this.host.logger.info(`the election "${this.#name}" is answered again`);
    this.#failures = 0;
    this.#problem = undefined;
    if (reply.leader) this.#lead(reply.epoch, sentAt);
    else this.#follow(reply.owner, reply.leaseMs);
  }

  #lead(epoch: number, sentAt: number): void {
    const { clock, events, owner } = this.host;
    this.#held = epoch;
    this.#leader = undefined;
    if (this.#stopped) return;
    const deadline = localDeadline(sentAt, this.#ttlMs);
    const before = this.#term;
    if (before && before.epoch !== epoch) this.#lose('expired');
    // An answer that came too late is worth nothing: the lease may have ended on its way.
    if (deadline > clock.monotonic()) {
      this.#term = { epoch, deadline };
      this.#trust?.cancel();
      this.#trust = this.#timerIn(deadline - clock.monotonic(), () => this.#lose('expired'));
      if (before?.epoch !== epoch) {
        this.host.logger.debug(`this process leads "${this.#name}"`, { epoch });
        events.emit('leader:elected', { name: this.#name, owner, epoch });
      }
    }
    this.#again(Math.max(0, sentAt + this.#renewMs - clock.monotonic()));
  }

  #follow(leader: string, leaseMs: number): void {
    this.#lose('replaced');
    this.#held = undefined;
    this.#leader = leader;
    // Not all followers at the same moment.
    this.#again(Math.min(leaseMs, this.#ttlMs) + this.#renewMs * (0.1 + 0.4 * this.host.random.next()));
  }

  #failed(error: unknown): void {
    const { events, random } = this.host;
    this.#failures += 1;
    this.#problem = textOf(error);
    this.#leader = undefined;
    // The first one of a row: while the store is away it would be said again and again.
    if (this.#failures === 1) events.report(`Leadership (election "${this.#name}")`, error);
    const waitMs = Math.min(this.#ttlMs, (this.#renewMs / 4) * 2 ** Math.min(this.#failures - 1, 10));
    this.#again(waitMs * (0.75 + random.next() / 2));
  }

  #again(ms: number): void {
    if (this.#stopped) return;
    this.#timer?.cancel();
    this.#timer = this.#timerIn(ms, () => this.#campaign());
  }

  #lose(reason: 'expired' | 'replaced' | 'resigned'): void {
    const term = this.#term;
    if (!term) return;
    this.#term = undefined;
    this.#trust?.cancel();
    this.host.logger.debug(`this process leads "${this.#name}" no more`, { epoch: term.epoch, reason });
    const { owner, events } = this.host;
    events.emit('leader:lost', { name: this.#name, owner, epoch: term.epoch, reason });
  }

  async #resign(epoch: number): Promise<void> {
    try {
      if (!(await this.election?.resign(this.#name, this.host.owner, epoch))) return;
      await this.host.signals.broadcast({ kind: 'vacant', name: this.#name });
    } catch {
      // The lease ends by itself, and followers look when it does.
    }
  }

  async #within(step: Promise<void>): Promise<void> {
    let late: Timer | undefined;
    const given = new Promise<void>((resolve) => {
      late = this.host.clock.timer(STOP_MS, resolve);
    });
    await Promise.race([step, given]);
    late?.cancel();
  }

  #timerIn(ms: number, run: () => void): Timer {
    const timer = this.host.clock.timer(ms, run);
    timer.unref();
    return timer;
  }
}
