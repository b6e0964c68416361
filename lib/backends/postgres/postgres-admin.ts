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
import type { CallId, StoreOptions } from '../../kernel/ports/job-store.js';
import { openCascaded, type CascadedRow } from './decode.js';
import type { FunctionRunner } from './function-runner.js';
import type { PostgresParts } from './parts.js';
import { BEHAVIORS, openRecord, PostgresReads, STRATEGIES, type RecordRow } from './postgres-reads.js';
import { placeOf, statusOf } from './records.js';
import { verifyPage } from './verify.js';

/** What admin_change_v1 answers. */
interface Changed {
  readonly verdict: 'done' | 'refused' | 'unknown';
  readonly place: number;
  readonly owner: string | null;
  readonly fence: number;
  readonly cascaded: readonly CascadedRow[];
}

type Operation = 'cancel' | 'remove' | 'promote' | 'data' | 'delay' | 'priority';

/** The transitions that people ask for: each is one function, see functions/admin-*.sql. */
export class PostgresAdmin implements JobAdmin {
  readonly #reads: PostgresReads;

  constructor(
    private readonly parts: () => PostgresParts,
    private readonly functions: FunctionRunner,
  ) {
    this.#reads = new PostgresReads(parts, functions);
  }

  async declare(call: CallId, queue: string, want: QueueDeclaration, opts?: StoreOptions): Promise<DeclareReply> {
    const args = [
      want.strategy === undefined ? null : STRATEGIES.indexOf(want.strategy),
      want.paused ?? false,
      want.disabledBehavior === undefined ? null : BEHAVIORS.indexOf(want.disabledBehavior),
      want.maxHeldJobs ?? null,
      want.version ?? 0,
    ];
    const reply = await this.#call<{ record?: RecordRow; before: number; stored: number }>(
      'declare',
      'admin_declare_v1',
      call,
      queue,
      args,
      opts,
    );
    if (!reply.record) throw new StrategyMismatchError(queue, STRATEGIES[reply.stored] ?? '', want.strategy ?? '');
    const record = openRecord(reply.record);
    const { before } = reply;
    return record.version > before && before > 0 ? { ...record, upgradedFrom: before } : record;
  }

  record(queue: string): Promise<QueueRecord | undefined> {
    return this.#reads.record(queue);
  }

  get(queue: string, id: string): Promise<StoredJob | undefined> {
    return this.#reads.get(queue, id);
  }

  find(request: FindRequest): Promise<FindReply> {
    return this.#reads.find(request);
  }

  counts(queue: string): Promise<JobCounts> {
    return this.#reads.counts(queue);
  }

  locate(ids: readonly string[]): Promise<string[][]> {
    return this.#reads.locate(ids);
  }

  verify(request: VerifyRequest): Promise<VerifyReply> {
    return verifyPage(this.parts(), this.functions, request);
  }

  queues(request: { limit: number; after?: string }): Promise<string[]> {
    return this.#reads.queues(request);
  }

  async cancel(
    call: CallId,
    queue: string,
    id: string,
    reason: string | undefined,
    opts?: StoreOptions,
  ): Promise<CancelReply> {
    const reply = await this.#changed('cancel', 'cancel', call, queue, id, reason, undefined, opts);
    if (reply.verdict === 'unknown') return { verdict: 'unknown' };
    const from = statusOf(reply.place);
    if (reply.verdict === 'refused') return { verdict: 'finished', status: from };
    const cascaded = openCascaded(reply.cascaded);
    if (from !== 'active') return { verdict: 'cancelled', from, cascaded };
    return { verdict: 'cancelled', from, owner: reply.owner ?? '', fence: reply.fence, cascaded };
  }

  remove(call: CallId, queue: string, id: string, opts?: StoreOptions): Promise<ChangeReply> {
    return this.#change('remove', 'remove', call, queue, id, undefined, undefined, opts);
  }

  promote(call: CallId, queue: string, id: string, opts?: StoreOptions): Promise<ChangeReply> {
    return this.#change('promote', 'promote', call, queue, id, undefined, undefined, opts);
  }

  updateData(
    call: CallId,
    queue: string,
    id: string,
    data: string | undefined,
    opts?: StoreOptions,
  ): Promise<ChangeReply> {
    return this.#change('updateData', 'data', call, queue, id, data, undefined, opts);
  }

  changeDelay(call: CallId, queue: string, id: string, delayMs: number, opts?: StoreOptions): Promise<ChangeReply> {
    return this.#change('changeDelay', 'delay', call, queue, id, undefined, delayMs, opts);
  }

  changePriority(call: CallId, queue: string, id: string, priority: number, opts?: StoreOptions): Promise<ChangeReply> {
    return this.#change('changePriority', 'priority', call, queue, id, undefined, priority, opts);
  }

  async retry(
    call: CallId,
    queue: string,
    id: string,
    as: { readonly newId: string; readonly from: readonly JobStatus[] },
    opts?: StoreOptions,
  ): Promise<RetryReply> {
    const args = [id, as.newId, as.from.map(placeOf)];
    const reply = await this.#call<{ verdict: Changed['verdict']; place: number; by: string | null }>(
      'retry',
      'admin_retry_v1',
      call,
      queue,
      args,
      opts,
    );
    if (reply.verdict === 'unknown') return { verdict: 'unknown' };
    if (reply.verdict === 'done') return { verdict: 'done', id: as.newId };
    return { verdict: 'refused', status: statusOf(reply.place), retriedById: reply.by ?? undefined };
  }

  pause(call: CallId, queue: string, opts?: StoreOptions): Promise<boolean> {
    return this.#switch('pause', call, queue, opts);
  }

  resume(call: CallId, queue: string, opts?: StoreOptions): Promise<boolean> {
    return this.#switch('resume', call, queue, opts);
  }

  disable(call: CallId, queue: string, opts?: StoreOptions): Promise<boolean> {
    return this.#switch('disable', call, queue, opts);
  }

  enable(call: CallId, queue: string, limit: number, opts?: StoreOptions): Promise<EnableReply> {
    return this.#switched('enable', call, queue, limit, opts);
  }

  obliterate(
    call: CallId,
    queue: string,
    { limit, force = false }: { limit: number; force?: boolean },
    opts?: StoreOptions,
  ): Promise<number> {
    return this.#call('obliterate', 'admin_obliterate_v1', call, queue, [limit, force], opts);
  }

  async #switch(
    operation: 'pause' | 'resume' | 'disable',
    call: CallId,
    queue: string,
    opts: StoreOptions | undefined,
  ): Promise<boolean> {
    return (await this.#switched(operation, call, queue, 0, opts)).changed;
  }

  #switched(
    operation: 'pause' | 'resume' | 'disable' | 'enable',
    call: CallId,
    queue: string,
    limit: number,
    opts: StoreOptions | undefined,
  ): Promise<EnableReply> {
    const args = [operation, limit, this.parts().limits.maxTimelineEntries];
    return this.#call(operation, 'admin_switch_v1', call, queue, args, opts);
  }

  async #change(
    name: string,
    operation: Operation,
    call: CallId,
    queue: string,
    id: string,
    text: string | undefined,
    number: number | undefined,
    opts: StoreOptions | undefined,
  ): Promise<ChangeReply> {
    const reply = await this.#changed(name, operation, call, queue, id, text, number, opts);
    if (reply.verdict === 'unknown') return { verdict: 'unknown' };
    if (reply.verdict === 'refused') return { verdict: 'refused', status: statusOf(reply.place) };
    const cascaded = openCascaded(reply.cascaded);
    return cascaded.length > 0 ? { verdict: 'done', cascaded } : { verdict: 'done' };
  }

  #changed(
    name: string,
    operation: Operation,
    call: CallId,
    queue: string,
    id: string,
    text: string | undefined,
    number: number | undefined,
    opts: StoreOptions | undefined,
  ): Promise<Changed> {
    const args = [operation, id, text ?? null, number ?? null, this.parts().limits.maxTimelineEntries];
    return this.#call(name, 'admin_change_v1', call, queue, args, opts);
  }

  /** One call of a function: project, environment, queue, the call, `args`, and the time. It answers JSON. */
  async #call<T>(
    operation: string,
    name: string,
    call: CallId,
    queue: string,
    args: readonly unknown[],
    opts: StoreOptions | undefined,
  ): Promise<T> {
    const { project, environment } = this.parts();
    const where = `JobAdmin.${operation} (queue "${queue}")`;
    const values = [project, environment, queue, call.client, call.n, call.acked, ...args, opts?.now ?? null];
    const places = values.map((_, i) => `$${i + 1}`).join(', ');
    const text = `select oqron.${name}(${places}) as reply`;
    return JSON.parse(await this.functions.reply<string>('main', where, text, values, call)) as T;
  }
}
