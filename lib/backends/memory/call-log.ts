import { CallRefusedError } from '../../kernel/errors/index.js';
import type { CallId } from '../../kernel/ports/job-store.js';

/** How long a reply is kept for a resend (ms). */
const KEEP_MS = 60_000;

interface ClientLog {
  acked: number;
  lastAt: number;
  replies: Map<number, unknown>;
}

/**
 * The replies of one queue that a client may ask for again. Bounded by the clients' own window of 16 unanswered
 * calls, and by 60 s of silence after which a client's log goes.
 */
export class CallLog {
  /** In the order of last use, so that silent clients are found at the front. */
  readonly #clients = new Map<string, ClientLog>();

  /**
   * Runs `call` once: the first time through `run`, whose compact record is kept; on a resend through `again` with
   * that record.
   */
  once<R, T>(where: string, call: CallId, now: number, run: () => { record: R; reply: T }, again: (record: R) => T): T {
    const log = this.#log(call.client, now);
    if (call.acked > log.acked) {
      for (const n of log.replies.keys()) if (n <= call.acked) log.replies.delete(n);
      log.acked = call.acked;
    }
    if (call.n <= log.acked) throw new CallRefusedError(where, call.n, log.acked);
    if (log.replies.has(call.n)) return again(log.replies.get(call.n) as R);
    const { record, reply } = run();
    log.replies.set(call.n, record);
    return reply;
  }

  #log(client: string, now: number): ClientLog {
    let log = this.#clients.get(client);
    if (log) this.#clients.delete(client);
    else log = { acked: 0, lastAt: now, replies: new Map() };
    log.lastAt = now;
    this.#clients.set(client, log);
    for (const [name, other] of this.#clients) {
      if (other.lastAt >= now - KEEP_MS) break;
      this.#clients.delete(name);
    }
    return log;
  }
}
