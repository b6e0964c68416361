import { refuse, ttlProblem } from '../../kernel/adapters/arguments.js';
import type { StoreOptions } from '../../kernel/ports/calls.js';
import type { CampaignReply, LeaderElection, LeaderTerm } from '../../kernel/ports/leader.js';
import { FunctionRunner } from './function-runner.js';
import type { PostgresParts } from './parts.js';

type Reply = { readonly epoch: number } | { readonly owner: string; readonly leaseMs: number };

/** Leader election by rows: one holds the last term of each name, judged by the server's clock. */
export class PostgresLeader implements LeaderElection {
  readonly #runner: FunctionRunner;

  constructor(private readonly parts: () => PostgresParts) {
    this.#runner = new FunctionRunner(parts);
  }

  async campaign(name: string, owner: string, ttlMs: number, opts?: StoreOptions): Promise<CampaignReply> {
    const where = `LeaderElection.campaign ("${name}")`;
    refuse(where, ttlProblem('ttlMs', ttlMs));
    const sql = 'select oqron.leader_campaign_v1($1, $2, $3, $4, $5, $6) as reply';
    const reply = await this.#run<Reply>(where, sql, [name, owner, Math.ceil(ttlMs)], opts);
    return 'epoch' in reply ? { leader: true, epoch: reply.epoch } : { leader: false, ...reply };
  }

  async resign(name: string, owner: string, epoch: number, opts?: StoreOptions): Promise<boolean> {
    const where = `LeaderElection.resign ("${name}")`;
    const sql = 'select oqron.leader_resign_v1($1, $2, $3, $4, $5, $6) as reply';
    return this.#run<boolean>(where, sql, [name, owner, epoch], opts);
  }

  async current(name: string, opts?: StoreOptions): Promise<LeaderTerm | undefined> {
    const where = `LeaderElection.current ("${name}")`;
    const sql = 'select oqron.leader_current_v1($1, $2, $3, $4) as reply';
    return (await this.#run<LeaderTerm | null>(where, sql, [name], opts)) ?? undefined;
  }

  /** On the connection of the heartbeats: a renewal must not wait behind claims. */
  async #run<T>(where: string, sql: string, args: readonly unknown[], opts?: StoreOptions): Promise<T> {
    const { project, environment } = this.parts();
    return this.#runner.reply<T>('heartbeat', where, sql, [project, environment, ...args, opts?.now ?? null]);
  }
}
