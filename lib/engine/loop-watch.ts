import type { WorkerLoop } from '../kernel/runtime/worker-loop.js';
import type { EngineRuntime } from './engine-runtime.js';

/** A consumer that may claim, and has not for this long beside its longest sleep (ms), turns no more. */
const CLAIM_MS = 60_000;
/** The pulse beats every five seconds; leases are renewed by the ms. */
const BEAT_MS = 60_000;
const RENEWAL_MS = 30_000;
/**
 * Only what is seen again after this long (ms) counts: a look right after the process was frozen, or between the end of
 * a long job and the claim that follows it, finds loops that come back in the next turn.
 */
const CONFIRM_MS = 3_000;

interface Suspect {
  readonly since: number;
  /** It moved in between: whoever is late again is a new suspect. */
  readonly turn: number;
}

/**
 * Sees whether the background loops of an engine still turn: its consumers, the pulse that proves the wake-up channel,
 * the renewal of leases. Costs nothing while nobody looks. A store that does not answer stops none of them.
 */
export class LoopWatch {
  readonly #suspects = new Map<object, Suspect>();

  constructor(
    private readonly rt: EngineRuntime,
    private readonly loops: () => Iterable<WorkerLoop>,
  ) {}

  /** The loops that turn no more, one sentence each. It takes two looks, three seconds apart or more, to name one. */
  look(): string[] {
    const now = this.rt.clock.monotonic();
    const late = this.#late(now);
    for (const key of this.#suspects.keys()) if (!late.has(key)) this.#suspects.delete(key);
    const stuck: string[] = [];
    for (const [key, { what, turn }] of late) {
      const before = this.#suspects.get(key);
      const suspect = before?.turn === turn ? before : { since: now, turn };
      this.#suspects.set(key, suspect);
      if (now - suspect.since >= CONFIRM_MS) stuck.push(what);
    }
    return stuck;
  }

  #late(now: number): Map<object, { what: string; turn: number }> {
    const { pulse, keeper } = this.rt;
    const late = new Map<object, { what: string; turn: number }>();
    const judge = (key: object, turn: number, allowed: number, what: (ms: number) => string): void => {
      if (now - turn > allowed) late.set(key, { what: what(Math.round(now - turn)), turn });
    };
    for (const loop of this.loops()) {
      if (!this.#mayClaim(loop) || loop.lastClaimAt === -Infinity) continue;
      const allowed = CLAIM_MS + 3 * this.rt.pollFloor(loop.spec);
      const { kind, queue } = loop.spec;
      judge(loop, loop.lastClaimAt, allowed, (ms) => `the ${kind} "${queue}" has not asked for jobs for ${ms} ms`);
    }
    if (pulse.lastBeatAt !== undefined) {
      judge(pulse, pulse.lastBeatAt, BEAT_MS, (ms) => `the wake-up channel has not been tried for ${ms} ms`);
    }
    if (keeper.size > 0) {
      judge(keeper, keeper.nextAt, RENEWAL_MS, (ms) => `the renewal of leases is overdue by ${ms} ms`);
    }
    return late;
  }

  /**
   * It is open, no job runs in at least one slot, and neither a limit nor a suspect that runs alone holds it back. A
   * claim that is under way counts as none: one that is never answered is what stops a loop.
   */
  #mayClaim(loop: WorkerLoop): boolean {
    const { solo } = this.rt;
    const free = !loop.blind || (loop.full && !loop.occupied);
    return free && solo.has(loop) && solo.turn(loop) !== 'wait';
  }
}
