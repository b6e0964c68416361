import type { JobAdmin } from '../../kernel/ports/job-admin.js';
import type { JobRef } from '../../kernel/job/stored-job.js';
import type {
  CallId,
  Capabilities,
  CascadedJob,
  ClaimReply,
  ClaimRequest,
  EnqueueResult,
  ExtendVerdict,
  JobNote,
  JobStore,
  LeaseRef,
  NewJob,
  SettleReply,
  SettleRequest,
  StoreOptions,
  SweepReply,
  SweepRequest,
  SweptJob,
} from '../../kernel/ports/job-store.js';
import { openCascaded, openClaim, openResults, openSwept, verdictOf } from './decode.js';
import { pushClaim, pushGroups, pushNote, pushOutcomes, type ParentStates } from './encode.js';
import { groupBy } from './group-by.js';
import { RedisAdmin } from './redis-admin.js';
import type { RedisParts } from './parts.js';
import type { Arg, Reply, Transition } from './script-runner.js';
import type { ServerFacts } from './server-check.js';

/** Names read at once while all queues are swept. */
const QUEUES_PER_PAGE = 500;
/** Failures that one call reports at most. */
const MAX_REPORTED = 1_000;

const EXTENDED: Readonly<Record<string, ExtendVerdict>> = { k: 'kept', l: 'lost', c: 'cancelled' };

/**
 * The port on Redis: each transition is one script on the slot of its queue. What a transition does to other slots (jobs
 * that follow, dead letters, dependants there) is carried by the {@link Carrier} before the call answers.
 */
export class RedisJobStore implements JobStore {
  readonly admin: JobAdmin;

  constructor(
    private readonly parts: () => RedisParts,
    private readonly server: () => Pick<ServerFacts, 'durability' | 'cluster'> | undefined,
  ) {
    this.admin = new RedisAdmin(parts);
  }

  get capabilities(): Capabilities {
    const { durability = 'unknown', cluster = true } = this.server() ?? {};
    // One connection, one thread. In a Cluster a redirected call is overtaken by the next one.
    return { backend: 'redis', transactions: false, ordered: !cluster, fenced: true, durability };
  }

  async enqueue(
    call: CallId,
    queue: string,
    groups: readonly (readonly NewJob[])[],
    opts?: StoreOptions,
  ): Promise<EnqueueResult[][]> {
    const where = `JobStore.enqueue (queue "${queue}")`;
    await this.parts().registry.ensure(queue);
    const stateOf = await this.#parentsElsewhere(queue, groups, opts);
    const args: Arg[] = [];
    pushGroups(args, queue, groups, stateOf);
    const done = await this.#transition(where, 'enqueue', queue, call, args, opts);
    if (done.work !== 0) await this.parts().carrier.finish(queue, done, call, opts);
    return openResults(groups, done.reply as readonly Reply[]);
  }

  async claim(requests: readonly ClaimRequest[], opts?: StoreOptions): Promise<ClaimReply[]> {
    return Promise.all(
      requests.map(async (request) => {
        const { queue, call } = request;
        const args: Arg[] = [];
        pushClaim(args, request);
        const done = await this.#transition(`JobStore.claim (queue "${queue}")`, 'claim', queue, call, args, opts);
        const reply = openClaim(queue, done.reply);
        return { ...reply, cascaded: await this.#withElsewhere(reply.cascaded, queue, done, call, opts) };
      }),
    );
  }

  async settle(call: CallId, request: SettleRequest, opts?: StoreOptions): Promise<SettleReply> {
    const { queue, outcomes, claim } = request;
    const args: Arg[] = [];
    pushOutcomes(args, outcomes);
    args.push(claim ? 1 : '');
    if (claim) pushClaim(args, claim);
    const done = await this.#transition(`JobStore.settle (queue "${queue}")`, 'settle', queue, call, args, opts);
    const [now, verdicts, cascaded, claimed] = done.reply;
    return {
      now: now as number,
      verdicts: (verdicts as Reply).map(verdictOf),
      cascaded: await this.#withElsewhere(openCascaded(queue, cascaded as Reply), queue, done, call, opts),
      claim: Array.isArray(claimed) ? openClaim(queue, claimed as Reply) : undefined,
    };
  }

  async extend(leases: readonly LeaseRef[], opts?: StoreOptions): Promise<ExtendVerdict[]> {
    const { scripts, connections } = this.parts();
    const verdicts = leases.map((): ExtendVerdict => 'busy');
    const byQueue = groupBy(leases.keys(), (i) => leases[i]?.queue ?? '');
    await Promise.all(
      [...byQueue].map(async ([queue, places]) => {
        const args: Arg[] = [places.length];
        for (const i of places) {
          const lease = leases[i];
          if (lease) args.push(lease.id, lease.fence, lease.leaseMs);
        }
        const where = `JobStore.extend (queue "${queue}")`;
        const answers = await scripts.run(connections.heartbeats, where, 'extend', queue, args, opts);
        for (const [n, i] of places.entries()) verdicts[i] = EXTENDED[answers[n] as string] ?? 'lost';
      }),
    );
    return verdicts;
  }

  async annotate(notes: readonly JobNote[], opts?: StoreOptions): Promise<void> {
    const { scripts, connections } = this.parts();
    await Promise.all(
      [...groupBy(notes, ({ queue }) => queue)].map(([queue, ofQueue]) => {
        const args: Arg[] = [ofQueue.length];
        for (const note of ofQueue) {
          const rest: Arg[] = [];
          args.push(note.id, note.fence, pushNote(rest, note));
          for (const arg of rest) args.push(arg);
        }
        const where = `JobStore.annotate (queue "${queue}")`;
        return scripts.run(connections.commands, where, 'annotate', queue, args, opts);
      }),
    );
  }

  async sweep(request: SweepRequest, opts?: StoreOptions): Promise<SweepReply> {
    const { scripts, connections, carrier } = this.parts();
    const { limit } = request;
    const swept: SweptJob[] = [];
    const cascaded: CascadedJob[] = [];
    let purges = limit;
    let held = false;
    for await (const queue of this.#queues(request.queues)) {
      const where = `JobStore.sweep (queue "${queue}")`;
      const args = [limit - swept.length, Math.max(0, purges), limit];
      const [reply, work] = await scripts.run(connections.commands, where, 'sweep', queue, args, opts);
      const [taken, failed, removed, left] = reply as Reply;
      swept.push(...openSwept(queue, taken as Reply));
      cascaded.push(...openCascaded(queue, failed as Reply));
      cascaded.push(...(await carrier.carry(queue, work as number, opts)));
      purges -= removed as number;
      held ||= (left as number) > 0;
    }
    const more = held || swept.length >= limit || purges <= 0;
    return { swept, cascaded: cascaded.slice(0, MAX_REPORTED), more };
  }

  async *#queues(given: readonly string[] | undefined): AsyncGenerator<string> {
    if (given) {
      yield* given;
      return;
    }
    for (let after: string | undefined; ;) {
      const page = await this.parts().registry.page(QUEUES_PER_PAGE, after);
      yield* page;
      if (page.length < QUEUES_PER_PAGE) return;
      after = page.at(-1);
    }
  }

  async #transition(
    where: string,
    name: 'enqueue' | 'claim' | 'settle',
    queue: string,
    call: CallId,
    args: readonly Arg[],
    opts: StoreOptions | undefined,
  ): Promise<Transition> {
    const { scripts, connections } = this.parts();
    return scripts.transition(connections.commands, where, name, queue, call, args, opts);
  }

  async #withElsewhere(
    here: CascadedJob[],
    queue: string,
    done: Transition,
    call: CallId,
    opts: StoreOptions | undefined,
  ): Promise<CascadedJob[]> {
    if (done.work === 0 && done.left === 0 && done.more.length === 0) return here;
    const { carrier } = this.parts();
    const there = await carrier.finish(queue, done, call, opts);
    const late = await carrier.makeUp(queue, done.left, opts);
    return [...here, ...there, ...late].slice(0, MAX_REPORTED);
  }

  /** Parents in other slots are looked at before: a script cannot. What changes afterwards, linking finds. */
  async #parentsElsewhere(
    queue: string,
    groups: readonly (readonly NewJob[])[],
    opts: StoreOptions | undefined,
  ): Promise<ParentStates | undefined> {
    const wanted = new Map<string, Set<string>>();
    for (const group of groups) {
      for (const { parents } of group) {
        for (const ref of parents?.refs ?? []) {
          if (ref.queue === queue) continue;
          const ids = wanted.get(ref.queue);
          if (ids) ids.add(ref.id);
          else wanted.set(ref.queue, new Set([ref.id]));
        }
      }
    }
    if (wanted.size === 0) return undefined;
    const { scripts, connections } = this.parts();
    const found = new Map<string, { state: string; birth: number; last: string }>();
    const keyOf = (ref: JobRef): string => `${ref.queue}\n${ref.id}`;
    await Promise.all(
      [...wanted].map(async ([slot, set]) => {
        const ids = [...set];
        const where = `JobStore.enqueue (queue "${queue}")`;
        const states = await scripts.run(connections.commands, where, 'peek', slot, [ids.length, ...ids], opts);
        for (const [i, id] of ids.entries()) {
          const [state, birth, last] = states.slice(3 * i, 3 * i + 3);
          const one = { state: state as string, birth: birth as number, last: last as string };
          found.set(keyOf({ queue: slot, id }), one);
        }
      }),
    );
    return (ref) => found.get(keyOf(ref));
  }
}
