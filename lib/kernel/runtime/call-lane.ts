import { StoreUnreachableError, UnknownOutcomeError } from '../errors/index.js';
import type { Clock, Random } from '../ports/clock.js';
import type { CallId } from '../ports/job-store.js';

/** How far a call may be ahead of the oldest unanswered one; the store keeps no more replies. */
const WINDOW = 16;
/** How long a call is sent again before its outcome is called unknown (ms). Half of what the store keeps replies. */
const GIVE_UP_MS = 30_000;
const FIRST_RESEND_MS = 50;
const LAST_RESEND_MS = 1_000;

/**
 * The calls of one client to one queue: numbers them, keeps at most 16 unanswered, and sends a call whose reply was
 * lost again under the same number, so that it takes effect once.
 */
export class CallLane {
  #n = 0;
  /** Unanswered calls, oldest first. */
  readonly #open = new Set<number>();
  readonly #waiting: (() => void)[] = [];

  constructor(
    private readonly client: string,
    private readonly clock: Clock,
    private readonly random: Random,
  ) {}

  /**
   * @param before A call that must have taken effect before this one: a resend waits for its end. It never rejects.
   * @throws UnknownOutcomeError when no reply came for 30 s
   */
  async run<T>(where: string, send: (call: CallId) => Promise<T>, before?: Promise<void>): Promise<T> {
    while (this.#full()) await new Promise<void>((go) => this.#waiting.push(go));
    const n = (this.#n += 1);
    this.#open.add(n);
    try {
      // The ordinary case stays free of any bookkeeping for resends.
      return await send(this.#id(n));
    } catch (error) {
      if (!(error instanceof StoreUnreachableError)) throw error;
      await before;
      return await this.#resend(where, n, send, error);
    } finally {
      this.#open.delete(n);
      if (!this.#full()) for (const go of this.#waiting.splice(0)) go();
    }
  }

  async #resend<T>(where: string, n: number, send: (call: CallId) => Promise<T>, first: unknown): Promise<T> {
    const start = this.clock.monotonic();
    let cause = first;
    for (let delay = FIRST_RESEND_MS; ; delay = Math.min(delay * 2, LAST_RESEND_MS)) {
      await new Promise<void>((go) => this.clock.timer(delay * (0.5 + this.random.next()), go));
      const waited = this.clock.monotonic() - start;
      if (waited > GIVE_UP_MS) throw new UnknownOutcomeError(where, Math.round(waited), { cause });
      try {
        return await send(this.#id(n));
      } catch (error) {
        if (!(error instanceof StoreUnreachableError)) throw error;
        cause = error;
      }
    }
  }

  /** One call that hangs holds all later ones: by number, not by how many are open. */
  #full(): boolean {
    const [oldest = this.#n + 1] = this.#open;
    return this.#n + 1 - oldest >= WINDOW;
  }

  #id(n: number): CallId {
    const [oldest = n] = this.#open;
    return { client: this.client, n, acked: oldest - 1 };
  }
}
