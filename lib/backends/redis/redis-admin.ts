import { StrategyMismatchError } from '../../kernel/errors/index.js';
import type { JobStatus } from '../../kernel/job/states.js';
import type { StoredJob } from '../../kernel/job/stored-job.js';
import type {
  CancelReply,
  ChangeReply,
  DeclareReply,
  EnableReply,
  FindReply,
  FindRequest,
  JobAdmin,
  JobCounts,
  QueueDeclaration,
  QueueRecord,
  RetryReply,
  VerifyReply,
  VerifyRequest,
} from '../../kernel/ports/job-admin.js';
import type { CallId, CascadedJob, StoreOptions } from '../../kernel/ports/job-store.js';
import { openCascaded, statusOf } from './decode.js';
import { BEHAVIORS, STRATEGIES } from './encode.js';
import type { RedisParts } from './parts.js';
import { RedisReads } from './redis-reads.js';
import type { Arg, Reply } from './script-runner.js';

/** One letter per state, see scripts/common/job.lua. */
const LETTERS: Readonly<Record<JobStatus, string>> = {
  waiting: 'w',
  delayed: 'd',
  'waiting-children': 'b',
  paused: 'h',
  active: 'a',
  completed: 'c',
  failed: 'f',
  cancelled: 'x',
};

interface Done {
  readonly reply: Reply;
  /** Failed in other slots. */
  readonly elsewhere: CascadedJob[];
}

/** The transitions that people ask for; what only reads is in {@link RedisReads}. */
export class RedisAdmin implements JobAdmin {
  readonly #reads: RedisReads;

  constructor(private readonly parts: () => RedisParts) {
    this.#reads = new RedisReads(parts);
  }

  async declare(call: CallId, queue: string, want: QueueDeclaration, opts?: StoreOptions): Promise<DeclareReply> {
    const args = [
      'declare',
      Math.max(0, STRATEGIES.indexOf(want.strategy)),
      want.paused ? 1 : 0,
      want.disabledBehavior ? BEHAVIORS.indexOf(want.disabledBehavior) : '',
      want.maxHeldJobs ?? '',
      want.version ?? 0,
    ];
    const { reply } = await this.#mutate('declare', 'queue', call, queue, args, opts);
    if (reply[0] === 'strategy') {
      throw new StrategyMismatchError(queue, STRATEGIES[reply[1] as number] ?? '', want.strategy ?? '');
    }
    const record = recordOf(queue, reply.slice(1));
    const before = reply[7] as number;
    return record.version > before && before > 0 ? { ...record, upgradedFrom: before } : record;
  }

  async record(queue: string, opts?: StoreOptions): Promise<QueueRecord | undefined> {
    const { scripts, connections } = this.parts();
    const where = `JobAdmin.record (queue "${queue}")`;
    const [recorded, ...rest] = await scripts.run(connections.commands, where, 'record', queue, [], opts);
    return recorded === 1 ? recordOf(queue, rest) : undefined;
  }

  get(queue: string, id: string, opts?: StoreOptions): Promise<StoredJob | undefined> {
    return this.#reads.get(queue, id, opts);
  }

  find(request: FindRequest, opts?: StoreOptions): Promise<FindReply> {
    return this.#reads.find(request, opts);
  }

  counts(queue: string, opts?: StoreOptions): Promise<JobCounts> {
    return this.#reads.counts(queue, opts);
  }

  locate(ids: readonly string[], opts?: StoreOptions): Promise<string[][]> {
    return this.#reads.locate(ids, opts);
  }

  verify(request: VerifyRequest, opts?: StoreOptions): Promise<VerifyReply> {
    return this.#reads.verify(request, opts);
  }

  queues(request: { limit: number; after?: string }, opts?: StoreOptions): Promise<string[]> {
    return this.#reads.queues(request, opts);
  }

  async cancel(
    call: CallId,
    queue: string,
    id: string,
    reason: string | undefined,
    opts?: StoreOptions,
  ): Promise<CancelReply> {
    const args = ['cancel', id, reason === undefined ? '' : 1, reason ?? ''];
    const { reply, elsewhere } = await this.#mutate('cancel', 'change', call, queue, args, opts);
    const [verdict, set, owner, fence, cascaded] = reply;
    if (verdict === 'unknown') return { verdict };
    const from = statusOf(set);
    if (verdict === 'refused') return { verdict: 'finished', status: from };
    const all = [...openCascaded(queue, cascaded as Reply), ...elsewhere];
    if (from !== 'active') return { verdict: 'cancelled', from, cascaded: all };
    return { verdict: 'cancelled', from, owner: owner as string, fence: fence as number, cascaded: all };
  }

  remove(call: CallId, queue: string, id: string, opts?: StoreOptions): Promise<ChangeReply> {
    return this.#change('remove', call, queue, ['remove', id], opts);
  }

  promote(call: CallId, queue: string, id: string, opts?: StoreOptions): Promise<ChangeReply> {
    return this.#change('promote', call, queue, ['promote', id], opts);
  }

  updateData(
    call: CallId,
    queue: string,
    id: string,
    data: string | undefined,
    opts?: StoreOptions,
  ): Promise<ChangeReply> {
    return this.#change('updateData', call, queue, ['data', id, data === undefined ? '' : 1, data ?? ''], opts);
  }

  changeDelay(call: CallId, queue: string, id: string, delayMs: number, opts?: StoreOptions): Promise<ChangeReply> {
    return this.#change('changeDelay', call, queue, ['delay', id, delayMs], opts);
  }

  changePriority(call: CallId, queue: string, id: string, priority: number, opts?: StoreOptions): Promise<ChangeReply> {
    return this.#change('changePriority', call, queue, ['priority', id, priority], opts);
  }

  async retry(
    call: CallId,
    queue: string,
    id: string,
    as: { readonly newId: string; readonly from: readonly JobStatus[] },
    opts?: StoreOptions,
  ): Promise<RetryReply> {
    const args = [id, as.newId, as.from.map((status) => LETTERS[status]).join('')];
    const { reply } = await this.#mutate('retry', 'retry', call, queue, args, opts);
    const [verdict, set, by] = reply;
    if (verdict === 'unknown') return { verdict };
    if (verdict === 'done') return { verdict, id: as.newId };
    return { verdict: 'refused', status: statusOf(set), retriedById: by === '' ? undefined : (by as string) };
  }

  async pause(call: CallId, queue: string, opts?: StoreOptions): Promise<boolean> {
    return this.#switch('pause', call, queue, ['pause'], opts);
  }

  async resume(call: CallId, queue: string, opts?: StoreOptions): Promise<boolean> {
    return this.#switch('resume', call, queue, ['resume'], opts);
  }

  async disable(call: CallId, queue: string, opts?: StoreOptions): Promise<boolean> {
    return this.#switch('disable', call, queue, ['disable'], opts);
  }

  async enable(call: CallId, queue: string, limit: number, opts?: StoreOptions): Promise<EnableReply> {
    const { reply } = await this.#mutate('enable', 'queue', call, queue, ['enable', limit], opts);
    return { changed: reply[1] === 1, more: reply[2] === 1 };
  }

  async obliterate(
    call: CallId,
    queue: string,
    { limit, force = false }: { limit: number; force?: boolean },
    opts?: StoreOptions,
  ): Promise<number> {
    const { reply } = await this.#mutate('obliterate', 'obliterate', call, queue, [limit, force ? 1 : 0], opts);
    return reply[0] as number;
  }

  async #switch(
    operation: string,
    call: CallId,
    queue: string,
    args: readonly Arg[],
    opts: StoreOptions | undefined,
  ): Promise<boolean> {
    return (await this.#mutate(operation, 'queue', call, queue, args, opts)).reply[1] === 1;
  }

  async #change(
    operation: string,
    call: CallId,
    queue: string,
    args: readonly Arg[],
    opts: StoreOptions | undefined,
  ): Promise<ChangeReply> {
    const { reply, elsewhere } = await this.#mutate(operation, 'change', call, queue, args, opts);
    const [verdict, set, , , here] = reply;
    if (verdict === 'unknown') return { verdict };
    if (verdict === 'refused') return { verdict, status: statusOf(set) };
    const cascaded = [...openCascaded(queue, here as Reply), ...elsewhere];
    return cascaded.length > 0 ? { verdict: 'done', cascaded } : { verdict: 'done' };
  }

  async #mutate(
    operation: string,
    name: 'change' | 'retry' | 'queue' | 'obliterate',
    call: CallId,
    queue: string,
    args: readonly Arg[],
    opts: StoreOptions | undefined,
  ): Promise<Done> {
    const { scripts, connections, registry, carrier } = this.parts();
    const where = `JobAdmin.${operation} (queue "${queue}")`;
    if (name === 'queue') await registry.ensure(queue);
    const done = await scripts.transition(connections.commands, where, name, queue, call, args, opts);
    return { reply: done.reply, elsewhere: await carrier.finish(queue, done, call, opts) };
  }
}

function recordOf(name: string, reply: Reply): QueueRecord {
  const [strategy, paused, disabled, behavior, maxHeldJobs, version] = reply as number[];
  return {
    name,
    strategy: STRATEGIES[strategy ?? 0] ?? 'fifo',
    paused: paused === 1,
    disabled: disabled === 1,
    disabledBehavior: BEHAVIORS[behavior ?? 0] ?? 'hold',
    maxHeldJobs: maxHeldJobs ?? 0,
    version: version ?? 0,
  };
}
