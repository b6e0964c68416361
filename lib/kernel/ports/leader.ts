import type { StoreOptions } from './calls.js';

/**
 * What a campaign brought. `leader: true`: the caller leads for `ttlMs` from when the store took the call, in the term
 * `epoch`. `leader: false`: `owner` does, for another `leaseMs`.
 * @publicApi
 */
export type CampaignReply =
  | { readonly leader: true; readonly epoch: number }
  | { readonly leader: false; readonly owner: string; readonly leaseMs: number };

/** Who leads, in which term, and for how long if it does not ask again (ms). @publicApi */
export interface LeaderTerm {
  readonly owner: string;
  readonly epoch: number;
  readonly leaseMs: number;
}

/**
 * Leader election: at most one owner leads a name at a time, by the store's clock, and each term has a number. The
 * epoch grows with every term and never comes twice, also when the store lost its data meanwhile: it is
 * `max(last epoch + 1, store time in us)`. A term ends with its lease, or when it is resigned; an owner whose lease
 * ended begins a new term, even if nobody led in between. A store keeps one small entry per name for ever, so names
 * must be few. The leader conformance kit (`oqronkit/conformance`) checks what is said here.
 *
 * Two processes may both believe that they lead for a moment (one of them was frozen), so whatever leaders do must be
 * harmless when it is done twice, or carry the epoch.
 *
 * @example
 * const reply = await election.campaign('reports', 'process-1', 3_000);
 * if (reply.leader) await report();
 * else console.log(`${reply.owner} leads for another ${reply.leaseMs} ms`);
 * @publicApi
 */
export interface LeaderElection {
  /**
   * Asks to lead for `ttlMs` from now. The leader renews its term by asking again, and keeps its epoch. While another
   * leads, this only reads.
   */
  campaign(name: string, owner: string, ttlMs: number, opts?: StoreOptions): Promise<CampaignReply>;

  /** Ends the term at once. False, and nothing is changed, unless `owner` leads in the term `epoch`. */
  resign(name: string, owner: string, epoch: number, opts?: StoreOptions): Promise<boolean>;

  /** Who leads now, or `undefined`. */
  current(name: string, opts?: StoreOptions): Promise<LeaderTerm | undefined>;
}
