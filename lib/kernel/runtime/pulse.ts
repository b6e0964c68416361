import type { EventBus } from '../events.js';
import type { Clock, Random, Timer } from '../ports/clock.js';
import type { SignalMessage, Signals } from '../ports/signals.js';
import type { ClusterChannel } from './cluster-events.js';
import type { Leadership } from './leader.js';
import type { LeaseKeeper } from './lease-keeper.js';
import type { WorkerLoop } from './worker-loop.js';

/** A process asks itself this often whether its channel works (ms). */
const NONCE_EVERY_MS = 5_000;
/** Longest sleep of an idle consumer while the channel is proven (ms). */
const PROVEN_FLOOR_MS = 10_000;
/** A job is claimable again within 5 s after its lease ended; a second is left for the claim itself. */
const RECOVERY_MS = 4_000;

interface PulseHost {
  readonly owner: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly events: EventBus;
  readonly signals: Signals;
  readonly keeper: LeaseKeeper;
  readonly cluster: ClusterChannel;
  readonly leadership: Leadership;
}

/**
 * Listens to the process's own channel: wakes loops, delivers cancels and events of other processes, and proves by a
 * nonce sent to itself that the channel works. Unproven, idle consumers look for work at their own short floor instead.
 */
export class Pulse {
  /** A queue and a worker of one process may consume the same queue. */
  readonly #loops = new Map<string, Set<WorkerLoop>>();
  #unlisten: (() => Promise<void>) | undefined;
  #timer: Timer | undefined;
  #nonce: string | undefined;
  #proven = false;
  #beatAt: number | undefined;

  constructor(private readonly host: PulseHost) {}

  /**
   * How long an idle consumer may sleep now (ms). A sleeper learns of leases that others took only when it looks: one
   * that looks before lease + 5 s takes a dead process's job back in time, however short the lease.
   */
  floor({ pollIntervalMs, leaseMs }: { readonly pollIntervalMs: number; readonly leaseMs: number }): number {
    if (!this.#proven) return pollIntervalMs;
    return Math.max(pollIntervalMs, Math.min(PROVEN_FLOOR_MS, leaseMs + RECOVERY_MS));
  }

  get proven(): boolean {
    return this.#proven;
  }

  /** Monotonic time of the last beat, while it is to beat. */
  get lastBeatAt(): number | undefined {
    return this.#beatAt;
  }

  attach(loop: WorkerLoop): void {
    const loops = this.#loops.get(loop.queue);
    if (loops) loops.add(loop);
    else this.#loops.set(loop.queue, new Set([loop]));
  }

  detach(loop: WorkerLoop): void {
    this.#loops.get(loop.queue)?.delete(loop);
  }

  async start(): Promise<void> {
    const { signals, owner } = this.host;
    this.#unlisten = await signals.listen(
      owner,
      (message) => this.#receive(message),
      () => this.#gap(),
    );
    this.#beat();
    this.host.cluster.start();
  }

  async stop(): Promise<void> {
    this.host.cluster.stop();
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#beatAt = undefined;
    const unlisten = this.#unlisten;
    this.#unlisten = undefined;
    this.#proven = false;
    await unlisten?.();
  }

  #receive(message: SignalMessage): void {
    switch (message.kind) {
      case 'wake': {
        let taken = false;
        for (const loop of this.#loops.get(message.queue) ?? []) taken = loop.wake() || taken;
        if (!taken && !message.everyone)
          this.#try('Signals.passOn', this.host.signals.passOn(message.queue, this.host.owner));
        return;
      }
      case 'cancel':
        this.host.keeper.drop(message.queue, message.id, message.fence, 'cancelled', message.reason);
        return;
      case 'nonce':
        if (message.nonce === this.#nonce) {
          this.#nonce = undefined;
          this.#proven = true;
        }
        return;
      case 'vacant':
        this.host.leadership.vacant(message.name);
        return;
      case 'interest':
      case 'event':
        this.host.cluster.receive(message);
        return;
    }
  }

  /** Messages may have been missed: every queue is looked at once. */
  #gap(): void {
    this.#proven = false;
    for (const loops of this.#loops.values()) for (const loop of loops) loop.wake();
    this.host.cluster.gap();
  }

  #beat(): void {
    this.#beatAt = this.host.clock.monotonic();
    // The nonce before this one did not come back: until one does, everybody polls.
    if (this.#nonce !== undefined && this.#proven) this.#gap();
    const nonce = (this.#nonce = this.host.random.next().toString(36).slice(2));
    this.#try('Signals.send', this.host.signals.send(this.host.owner, { kind: 'nonce', nonce }));
    this.#timer = this.host.clock.timer(NONCE_EVERY_MS, () => this.#beat());
    this.#timer.unref();
  }

  #try(where: string, sent: Promise<void>): void {
    sent.catch((error: unknown) => this.host.events.report(where, error));
  }
}
