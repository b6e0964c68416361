import { StoreUnreachableError } from '../../kernel/errors/index.js';
import type { Clock } from '../../kernel/ports/clock.js';
import type { CallId, CascadedJob, StoreOptions } from '../../kernel/ports/job-store.js';
import { openCascadedOne } from './decode.js';
import type { RedisRegistry } from './registry.js';
import type { RedisClientLike } from './client.js';
import type { Arg, Reply, ScriptRunner, Transition } from './script-runner.js';

/** Entries of an outbox that are carried at once. */
const PAGE = 500;
/** Failures that one call reports at most. */
const MAX_REPORTED = 1_000;

/** How long another node of a Cluster is waited for (ms), and how often it is tried. */
const PATIENCE_MS = 2_000;
const AGAIN_MS = 20;
/** How long a claim waits for what others left (ms). */
const MAKE_UP_MS = 250;
/** Pages of links that one task makes at most; what is left comes with the next look. */
const MAX_LINK_PAGES = 100;

interface Task {
  readonly queue: string;
  readonly work: number;
  readonly unlinked: readonly Reply[];
}

/** What is left to do, and what it did so far. */
interface Trip {
  readonly tasks: Task[];
  readonly cascaded: CascadedJob[];
  /** The same as it is noted for a resend: queue, id, head, error. */
  readonly raw: string[];
  readonly opts: StoreOptions | undefined;
}

/**
 * Carries to other slots what a transition did not do there itself. A script touches one slot only, so it leaves
 * messages in its slot's outbox; this peeks at them, applies them in the slots they are for, and only then removes them.
 * Whoever dies on the way, the next sweep goes on: the receiver knows the last message that it applied of each sender, so
 * nothing is applied twice.
 */
export class Carrier {
  /** Queues where somebody makes up for others right now. */
  readonly #makingUp = new Set<string>();

  constructor(
    private readonly client: RedisClientLike,
    private readonly scripts: ScriptRunner,
    private readonly registry: RedisRegistry,
    private readonly clock: Clock,
  ) {}

  /** Does what `done` left. Answers the jobs that failed elsewhere because of it. */
  async finish(queue: string, done: Transition, call?: CallId, opts?: StoreOptions): Promise<CascadedJob[]> {
    const before = openMore(done.more);
    if (done.work === 0) return before;
    const trip: Trip = { tasks: [{ queue, work: done.work, unlinked: done.unlinked }], cascaded: [], raw: [], opts };
    const began = this.clock.monotonic();
    for (;;) {
      try {
        await this.#travel(trip);
        break;
      } catch (error) {
        // The transition itself is done. What another slot refuses stays in the outbox for the sweep, which reports it;
        // so does what is for a node of a Cluster that stays away. A single server that is away is the lane's affair.
        if (!(error instanceof StoreUnreachableError)) break;
        if (this.client.isCluster !== true) throw error;
        if (this.clock.monotonic() - began > PATIENCE_MS) break;
        await new Promise<void>((go) => this.clock.timer(AGAIN_MS, go));
      }
    }
    if (call && trip.raw.length > 0) {
      const args = [call.client, call.n, ...done.more, ...trip.raw];
      await this.scripts.run(this.client, 'RedisJobStore', 'more', queue, args, opts);
    }
    return [...before, ...trip.cascaded];
  }

  /** The same for work that nobody's call is behind: what a sweep found. */
  async carry(queue: string, work: number, opts?: StoreOptions): Promise<CascadedJob[]> {
    if (work === 0) return [];
    const trip: Trip = { tasks: [{ queue, work, unlinked: [] }], cascaded: [], raw: [], opts };
    await this.#travel(trip);
    return trip.cascaded;
  }

  /**
   * The same for what a claim found that others had left. The jobs of that claim are not to wait for a node that stays away:
   * after a moment it goes on without them, and what fails is left for the next look or a sweep, which reports it.
   */
  async makeUp(queue: string, work: number, opts?: StoreOptions): Promise<CascadedJob[]> {
    if (work === 0 || this.#makingUp.has(queue)) return [];
    this.#makingUp.add(queue);
    const trip: Trip = { tasks: [{ queue, work, unlinked: [] }], cascaded: [], raw: [], opts };
    return new Promise((answer) => {
      const done = (): void => answer([...trip.cascaded]);
      const timer = this.clock.timer(MAKE_UP_MS, done);
      void this.#travel(trip)
        .catch(() => undefined)
        .finally(() => {
          this.#makingUp.delete(queue);
          timer.cancel();
          done();
        });
    });
  }

  async #travel(trip: Trip): Promise<void> {
    // The list grows while it is walked: a cascade through many slots is a loop. A task that fails stays on it.
    for (let task = trip.tasks[0]; task; task = trip.tasks[0]) {
      if (task.work & 2) await this.#tie(trip, task);
      if (task.work & 1) await this.#drain(trip, task.queue);
      trip.tasks.shift();
    }
  }

  /** Applies the outbox of one slot until it is empty. */
  async #drain(trip: Trip, queue: string): Promise<void> {
    let done = '';
    for (;;) {
      // One call removes what has been applied and answers what is next.
      const entries = (await this.#run('outbox', queue, [done, PAGE], trip)) as readonly Reply[];
      if (entries.length === 0) return;
      const byTarget = new Map<string, Arg[][]>();
      for (const [number, target, ...message] of entries as readonly (readonly string[])[]) {
        if (number === undefined || target === undefined) continue;
        const messages = byTarget.get(target);
        if (messages) messages.push([number, ...message]);
        else byTarget.set(target, [[number, ...message]]);
        done = number;
      }
      // A slot that cannot be reached keeps the messages in the outbox, but not those for others from being applied.
      let failure: unknown;
      for (const [target, messages] of byTarget) {
        try {
          await this.registry.ensure(target);
          const args = [queue, messages.length, ...messages.flat()];
          this.#note(trip, target, await this.#run('apply', target, args, trip));
        } catch (error) {
          failure ??= error;
        }
      }
      if (failure !== undefined) throw failure;
    }
  }

  /** Ties those jobs of a slot that are named, or all that are not tied yet. */
  async #tie(trip: Trip, { queue, unlinked }: Task): Promise<void> {
    if (unlinked.length > 0) return this.#link(trip, queue, unlinked);
    for (let page = 0; page < MAX_LINK_PAGES; page += 1) {
      const found = (await this.#run('unlinked', queue, [PAGE], trip)) as readonly Reply[];
      if (found.length === 0) return;
      await this.#link(trip, queue, found);
    }
  }

  /**
   * Ties jobs to their parents in other slots, and resolves what that found: a parent may have ended between the look at it
   * and now.
   */
  async #link(trip: Trip, own: string, found: readonly Reply[]): Promise<void> {
    const children = found.map((entry) => {
      const [id = '', birth = '', policy = '', ...flat] = entry as readonly string[];
      const parents = [];
      for (let i = 0; i < flat.length; i += 3) {
        parents.push({ queue: flat[i] ?? '', id: flat[i + 1] ?? '', birth: flat[i + 2] ?? '', answer: [] as Arg[] });
      }
      return { id, birth, policy, parents };
    });
    const slots = new Map<string, { readonly args: Arg[]; readonly parents: (typeof children)[number]['parents'] }>();
    for (const child of children) {
      for (const parent of child.parents) {
        let slot = slots.get(parent.queue);
        if (!slot) slots.set(parent.queue, (slot = { args: [], parents: [] }));
        slot.args.push(parent.id, parent.birth, own, child.id, child.birth, child.policy);
        slot.parents.push(parent);
      }
    }
    await Promise.all(
      [...slots].map(async ([queue, { args, parents }]) => {
        const answers = await this.#run('link', queue, [parents.length, ...args], trip);
        for (const [i, parent] of parents.entries()) parent.answer = answers.slice(3 * i, 3 * i + 3) as Arg[];
      }),
    );
    const args: Arg[] = [children.length];
    for (const { id, birth, policy, parents } of children) {
      args.push(id, birth, policy, parents.length);
      for (const parent of parents) args.push(parent.queue, parent.id, ...parent.answer);
    }
    this.#note(trip, own, await this.#run('resolve', own, args, trip));
  }

  #note(trip: Trip, queue: string, [cascaded, work, unlinked]: Reply): void {
    const list = cascaded as readonly string[];
    for (let i = 0; i < list.length && trip.cascaded.length < MAX_REPORTED; i += 3) {
      const one = list.slice(i, i + 3);
      trip.cascaded.push(openCascadedOne(queue, one));
      trip.raw.push(queue, ...one);
    }
    if (work !== 0) trip.tasks.push({ queue, work: work as number, unlinked: unlinked as Reply[] });
  }

  #run(name: Parameters<ScriptRunner['run']>[2], queue: string, args: readonly Arg[], trip: Trip): Promise<Reply> {
    return this.scripts.run(this.client, `RedisJobStore (queue "${queue}")`, name, queue, args, trip.opts);
  }
}

function openMore(more: readonly string[]): CascadedJob[] {
  const cascaded: CascadedJob[] = [];
  for (let i = 0; i < more.length; i += 4) cascaded.push(openCascadedOne(more[i] ?? '', more.slice(i + 1, i + 4)));
  return cascaded;
}
