import { refuse, ttlProblem } from '../../kernel/adapters/arguments.js';
import type { StoreOptions } from '../../kernel/ports/calls.js';
import type { Clock } from '../../kernel/ports/clock.js';
import type { CampaignReply, LeaderElection, LeaderTerm } from '../../kernel/ports/leader.js';

interface Term {
  readonly owner: string;
  readonly epoch: number;
  readonly until: number;
}

/** Leader election in this process's memory, for engines that share a backend. */
export class MemoryLeader implements LeaderElection {
  /** The last term of each name; it stays when the term has ended, because its epoch must not come again. */
  readonly #terms = new Map<string, Term>();

  constructor(private readonly clock: Clock) {}

  async campaign(name: string, owner: string, ttlMs: number, opts?: StoreOptions): Promise<CampaignReply> {
    refuse(`LeaderElection.campaign ("${name}")`, ttlProblem('ttlMs', ttlMs));
    const now = this.#now(opts);
    const last = this.#terms.get(name);
    const live = last && last.until > now;
    if (live && last.owner !== owner) return { leader: false, owner: last.owner, leaseMs: last.until - now };
    const epoch = live ? last.epoch : Math.max((last?.epoch ?? 0) + 1, Math.floor(now) * 1_000);
    this.#terms.set(name, { owner, epoch, until: now + ttlMs });
    return { leader: true, epoch };
  }

  async resign(name: string, owner: string, epoch: number, opts?: StoreOptions): Promise<boolean> {
    const last = this.#terms.get(name);
    if (!last || last.until <= this.#now(opts) || last.owner !== owner || last.epoch !== epoch) return false;
    this.#terms.set(name, { owner, epoch, until: 0 });
    return true;
  }

  async current(name: string, opts?: StoreOptions): Promise<LeaderTerm | undefined> {
    const last = this.#terms.get(name);
    const now = this.#now(opts);
    if (!last || last.until <= now) return undefined;
    return { owner: last.owner, epoch: last.epoch, leaseMs: last.until - now };
  }

  #now(opts: StoreOptions | undefined): number {
    return opts?.now ?? this.clock.now();
  }
}
