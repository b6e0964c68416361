import { refuse, ttlProblem } from '../../kernel/adapters/arguments.js';
import type { StoreOptions } from '../../kernel/ports/calls.js';
import type { CampaignReply, LeaderElection, LeaderTerm } from '../../kernel/ports/leader.js';
import type { RedisParts } from './parts.js';
import type { Arg, Reply, ScriptRunner } from './script-runner.js';
import type { ScriptName } from './scripts.js';

/** Elections belong to no queue, and a queue has a name. */
const SLOT = '';

/** Leader election by Lua: one hash holds the last term of each name, judged by the server's clock. */
export class RedisLeader implements LeaderElection {
  constructor(private readonly parts: () => Pick<RedisParts, 'connections'> & { readonly scripts: ScriptRunner }) {}

  async campaign(name: string, owner: string, ttlMs: number, opts?: StoreOptions): Promise<CampaignReply> {
    const where = `LeaderElection.campaign ("${name}")`;
    refuse(where, ttlProblem('ttlMs', ttlMs));
    const [leads, by, leaseMs] = await this.#run(where, 'leader_campaign', [name, owner, Math.ceil(ttlMs)], opts);
    if (leads === 1) return { leader: true, epoch: by as number };
    return { leader: false, owner: by as string, leaseMs: leaseMs as number };
  }

  async resign(name: string, owner: string, epoch: number, opts?: StoreOptions): Promise<boolean> {
    const where = `LeaderElection.resign ("${name}")`;
    return Number(await this.#run(where, 'leader_resign', [name, owner, epoch], opts)) === 1;
  }

  async current(name: string, opts?: StoreOptions): Promise<LeaderTerm | undefined> {
    const reply = await this.#run(`LeaderElection.current ("${name}")`, 'leader_current', [name], opts);
    const [owner, epoch, leaseMs] = reply as [string?, number?, number?];
    return owner === undefined || epoch === undefined ? undefined : { owner, epoch, leaseMs: leaseMs ?? 0 };
  }

  /** On the connection of the heartbeats: a renewal must not wait behind large commands. */
  async #run(where: string, script: ScriptName, args: readonly Arg[], opts?: StoreOptions): Promise<Reply> {
    const { scripts, connections } = this.parts();
    return scripts.run(connections.heartbeats, where, script, SLOT, args, opts);
  }
}
