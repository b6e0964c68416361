import type { EventBus } from '../events.js';
import type { Codec } from '../job/codec.js';
import type { Clock, Random } from '../ports/clock.js';
import type { JobStore } from '../ports/job-store.js';
import type { Logger } from '../ports/logger.js';
import type { Signals } from '../ports/signals.js';
import type { Alarms } from './alarms.js';
import type { ErrorJudge } from './attempt.js';
import type { AddChild } from './child-jobs.js';
import type { CallLane } from './call-lane.js';
import type { ClaimDesk } from './claim-desk.js';
import type { Instruments } from './instruments.js';
import type { LeaseKeeper } from './lease-keeper.js';
import type { NoteWriter } from './note-writer.js';
import type { SoloGate } from './solo-gate.js';

/** What the loops of one engine share. */
export interface Runtime {
  /** This process incarnation: owner of its leases, address of its wake-ups. */
  readonly owner: string;
  readonly project: string;
  readonly environment: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly events: EventBus;
  readonly store: JobStore;
  readonly signals: Signals;
  readonly keeper: LeaseKeeper;
  readonly notes: NoteWriter;
  readonly solo: SoloGate;
  readonly desk: ClaimDesk;
  readonly alarms: Alarms;
  /** Events tell how much memory the process used. */
  readonly trackMemory: boolean;
  readonly instruments: Instruments;
  readonly addChild: AddChild;
  /** Knows the errors of the framework around the engine. */
  readonly judgeError?: ErrorJudge | undefined;
  /** How a queue turns values into text, as far as that is said in this process. */
  codecOf(queue: string): Codec | undefined;
  /** The lane for calls to this queue. */
  lane(queue: string): CallLane;
  /** A loop claims nothing for a while (its slots are taken, it rests): from now on somebody has to sweep its queue. */
  loopIsBlind(): void;
  /** Longest sleep of an idle consumer now (ms): its own floor, more while the wake-up channel is proven. */
  pollFloor(spec: { readonly pollIntervalMs: number; readonly leaseMs: number }): number;
}
