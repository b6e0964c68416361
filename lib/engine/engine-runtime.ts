import { EngineStateError } from '../kernel/errors/index.js';
import type { EventBus } from '../kernel/events.js';
import type { Backend } from '../kernel/ports/backend.js';
import type { Clock, Random } from '../kernel/ports/clock.js';
import { Alarms } from '../kernel/runtime/alarms.js';
import { CallLane } from '../kernel/runtime/call-lane.js';
import { ClaimDesk } from '../kernel/runtime/claim-desk.js';
import { ClusterChannel } from '../kernel/runtime/cluster-events.js';
import { Enqueuer } from '../kernel/runtime/enqueuer.js';
import { FinishWaiter } from '../kernel/runtime/finish-waiter.js';
import { Instruments } from '../kernel/runtime/instruments.js';
import { Leadership } from '../kernel/runtime/leader.js';
import { LeaseKeeper } from '../kernel/runtime/lease-keeper.js';
import { NoteWriter } from '../kernel/runtime/note-writer.js';
import { Pulse } from '../kernel/runtime/pulse.js';
import type { Runtime } from '../kernel/runtime/runtime.js';
import { SoloGate } from '../kernel/runtime/solo-gate.js';
import { TransactionLines } from '../kernel/transactions/transaction-lines.js';
import type { ResolvedConfig } from './config.js';

/**
 * Who sweeps all queues. A sweep is due once a minute and may come late, so nothing needs a leader that is replaced
 * within seconds: an idle process pays three calls a minute to lead, and one to follow.
 */
const SWEEP_ELECTION = { name: 'sweep', ttlMs: 60_000, renewMs: 20_000 };

/** What one engine's loops and queues share; made when the engine is made. */
export class EngineRuntime implements Runtime {
  readonly project: string;
  readonly environment: string;
  readonly store: Runtime['store'];
  readonly signals: Runtime['signals'];
  readonly logger: Runtime['logger'];
  readonly keeper: LeaseKeeper;
  readonly notes: NoteWriter;
  readonly solo: SoloGate;
  readonly desk: ClaimDesk;
  readonly alarms: Alarms;
  readonly cluster: ClusterChannel;
  readonly waiter: FinishWaiter;
  readonly leadership: Leadership;
  readonly pulse: Pulse;
  readonly trackMemory: boolean;
  readonly instruments: Instruments;
  /** Set by the engine: it knows the producers. */
  addChild: Runtime['addChild'] = () => Promise.reject(new EngineStateError('ctx.spawnChild', 'there is no engine'));
  /** Set by the engine: it knows the definitions. */
  codecOf: Runtime['codecOf'] = () => undefined;
  /** Set by the engine. */
  judgeError: Runtime['judgeError'];
  /** Set by the engine to its sweeper. */
  onBlindLoop: () => void = () => undefined;
  /** Keeps the order of what is added in one transaction. */
  readonly #transactions = new TransactionLines();
  readonly #lanes = new Map<string, CallLane>();
  readonly #enqueuers = new Map<string, Enqueuer>();

  constructor(
    readonly owner: string,
    config: ResolvedConfig,
    readonly backend: Backend,
    readonly clock: Clock,
    readonly random: Random,
    readonly events: EventBus,
  ) {
    this.project = config.project;
    this.environment = config.environment;
    this.logger = config.logger;
    this.trackMemory = config.trackMemory;
    this.instruments = new Instruments(config.logger, config.asyncContext);
    this.store = backend.store;
    this.signals = backend.signals;
    this.keeper = new LeaseKeeper(this.store, clock, events);
    this.notes = new NoteWriter(this.store, clock, events);
    this.solo = new SoloGate(clock);
    this.desk = new ClaimDesk(this.store, clock, (error) => events.report('ClaimDesk', error));
    this.alarms = new Alarms(clock);
    this.cluster = new ClusterChannel(this);
    this.waiter = new FinishWaiter(this);
    this.leadership = new Leadership(this, backend.leader, SWEEP_ELECTION);
    this.pulse = new Pulse(this);
  }

  lane(queue: string): CallLane {
    let lane = this.#lanes.get(queue);
    if (!lane) this.#lanes.set(queue, (lane = new CallLane(this.owner, this.clock, this.random)));
    return lane;
  }

  enqueuer(queue: string): Enqueuer {
    let enqueuer = this.#enqueuers.get(queue);
    if (!enqueuer) {
      enqueuer = new Enqueuer(queue, this.store, this.lane(queue), this.clock);
      this.#enqueuers.set(queue, enqueuer);
    }
    return enqueuer;
  }

  /** What the producer's side of a queue shares with the loops. */
  producerParts(queue: string) {
    const { clock, waiter, store, signals, instruments } = this;
    return {
      clock,
      waiter,
      store,
      signals,
      instruments,
      enqueuer: this.enqueuer(queue),
      transactions: this.#transactions,
    };
  }

  loopIsBlind(): void {
    this.onBlindLoop();
  }

  pollFloor(spec: { readonly pollIntervalMs: number; readonly leaseMs: number }): number {
    return this.pulse.floor(spec);
  }

  /** Resolves when every add so far was answered. */
  async flushAdds(): Promise<void> {
    await Promise.all([...this.#enqueuers.values()].map((enqueuer) => enqueuer.flush()));
  }
}
