import type { JobAdmin } from '../../kernel/ports/job-admin.js';
import type { EnqueueOptions } from '../../kernel/ports/calls.js';
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
import { ClaimHintsOf } from './claim-hints.js';
import {
  openCascaded,
  openClaim,
  openHead,
  openJobs,
  openResults,
  openSwept,
  openVerdicts,
  type CascadedRow,
  type ClaimRow,
  type EnqueueRow,
  type SettleRow,
  type SweptRow,
} from './decode.js';
import { claimList, hasLinks, jobLists, noteOf, numberArray, outcomeLists, type ClaimHints } from './encode.js';
import { FunctionRunner } from './function-runner.js';
import { LeaseNumbers } from './lease-numbers.js';
import type { PostgresParts } from './parts.js';
import { PostgresAdmin } from './postgres-admin.js';
import { PostgresTransactions } from './postgres-transactions.js';

/** Measured: a call costs as much as some fifty jobs in it. */
const BATCH = 700;
/** Failures that one call reports at most. */
const MAX_REPORTED = 1_000;
/** Entries of the outbox that one statement carries out. */
const DRAIN_PAGE = 1_000;
/** For how long an add waits for an id that somebody's open transaction holds (ms). */
const ID_WAIT_MS = 500;
/** Queues whose rows are known to be there; beyond it they are asked for again. */
const MAX_PREPARED = 10_000;

const ENQUEUE = `select oqron.enqueue_v1($1::text, $2::text, $3::text, $4::text, $5::bigint, $6::bigint, $7::bigint,
  $8::int, $9::int[], $10::text[], $11::text[], $12::text[], $13::text[], $14::int[], $15::bigint[], $16::bigint[],
  $17::text[], $18::text, $19::boolean, $20::boolean, $21::int)::text as reply`;
const ENQUEUE_TX = 'select oqron.enqueue_tx_v1($1::text)::text as reply';
const CLAIM = 'select * from oqron.claim_v1($1, $2, $3, $4, $5)';
const SETTLE = `select * from oqron.settle_v1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,
  $17)`;
const EXTEND = 'select oqron.extend_v1($1, $2, $3, $4, $5, $6, $7, $8) as reply';
const ANNOTATE = 'select oqron.annotate_v1($1, $2, $3, $4)';
const SWEEP = 'select oqron.sweep_v1($1, $2, $3, $4, $5, $6, $7, $8) as reply';
const DRAIN = 'select oqron.drained_v1($1, $2, $3, $4) as reply';
const PASS_ON = 'select oqron.pass_on_v1($1, $2, $3, $4, $5)';
const PREPARE = 'select oqron.prepare_v1($1, $2, $3, $4)';

const EXTENDED: Readonly<Record<string, ExtendVerdict>> = { k: 'kept', b: 'busy', c: 'cancelled', l: 'lost' };

/** Look at everything, from the start: tests that set the time expect exact answers. */
const EXACT: ClaimHints = { look: true, from: 0, returned: 0 };

/**
 * The port on PostgreSQL: each operation is one statement, which calls one function. What a call could not carry out
 * itself, because somebody else worked on the links, is drained before it answers.
 */
export class PostgresJobStore implements JobStore {
  readonly admin: JobAdmin;
  readonly transactions: PostgresTransactions;
  readonly #functions: FunctionRunner;
  #hints: ClaimHintsOf | undefined;
  readonly #prepared = new Set<string>();
  readonly #numbers = new LeaseNumbers();

  constructor(
    private readonly parts: () => PostgresParts,
    private readonly durability: () => Capabilities['durability'],
  ) {
    this.#functions = new FunctionRunner(parts);
    this.admin = new PostgresAdmin(parts, this.#functions);
    this.transactions = new PostgresTransactions(parts, this.#functions, (opts) => this.drain(opts));
  }

  get capabilities(): Capabilities {
    return { backend: 'postgres', transactions: true, batch: BATCH, fenced: true, durability: this.durability() };
  }

  async enqueue(
    call: CallId,
    queue: string,
    groups: readonly (readonly NewJob[])[],
    opts?: EnqueueOptions,
  ): Promise<EnqueueResult[][]> {
    const where = `JobStore.enqueue (queue "${queue}")`;
    const { project, environment, limits } = this.parts();
    const jobs = groups.flat();
    if (jobs.length === 0) return groups.map(() => []);
    const given = jobs.some(({ idGiven, dedup }) => idGiven || dedup !== undefined);
    const values = [
      project,
      environment,
      queue,
      call.client,
      call.n,
      call.acked,
      opts?.now ?? null,
      limits.maxTimelineEntries,
      numberArray(groups.map((group) => group.length)),
      ...jobLists(jobs),
      opts?.tx !== undefined,
      given ? ID_WAIT_MS : null,
    ];
    if (opts?.tx) {
      await this.#prepare(where, queue, jobs);
      const [row] = await opts.tx.query(this.parts().names.sql(ENQUEUE_TX), [JSON.stringify(values)]);
      return openResults(groups, JSON.parse(String(row?.['reply'])) as EnqueueRow);
    }
    const text = await this.#functions.reply<string>('main', where, ENQUEUE, values, call);
    const reply = JSON.parse(text) as EnqueueRow;
    if (reply[2]) await this.drain(opts);
    return openResults(groups, reply);
  }

  async claim(requests: readonly ClaimRequest[], opts?: StoreOptions): Promise<ClaimReply[]> {
    if (requests.length === 0) return [];
    const { project, environment, limits } = this.parts();
    // In one order for all: two calls that are sent twice at once must not wait for each other.
    const sorted = [...requests.entries()].toSorted(([, a], [, b]) => (a.queue < b.queue ? -1 : 1));
    const hints = sorted.map(([, { queue }]) => this.#hintsFor(queue, opts));
    const list = sorted.map(([, request], i) => claimList(request.queue, request.call, request, hints[i] ?? EXACT));
    const [first] = requests;
    const where = `JobStore.claim (queue "${first?.queue}"${requests.length > 1 ? ', ...' : ''})`;
    const values = [project, environment, opts?.now ?? null, limits.maxTimelineEntries, JSON.stringify(list)];
    const call = requests.length === 1 ? first?.call : undefined;
    const rows = await this.#functions.rows<ClaimRow>('main', where, CLAIM, values, call);
    const replies: ClaimReply[] = [];
    let more = false;
    for (const [i, [place, request]] of sorted.entries()) {
      const row = rows[i] as ClaimRow;
      const { reply, left } = this.#openClaim(request.queue, request, hints[i] ?? EXACT, row.head, row.jobs, opts);
      replies[place] = reply;
      more ||= left;
    }
    const [one] = replies;
    if (more && one) replies[0] = { ...one, cascaded: await this.#withDrained(one.cascaded, opts) };
    return replies;
  }

  async settle(call: CallId, request: SettleRequest, opts?: StoreOptions): Promise<SettleReply> {
    const { queue, outcomes, claim } = request;
    const { project, environment, limits } = this.parts();
    const where = `JobStore.settle (queue "${queue}")`;
    const hints = this.#hintsFor(queue, opts);
    const [row] = await this.#functions.rows<SettleRow>(
      'settle',
      where,
      SETTLE,
      [
        project,
        environment,
        queue,
        call.client,
        call.n,
        call.acked,
        opts?.now ?? null,
        limits.maxTimelineEntries,
        limits.maxJobLogs,
        ...outcomeLists(outcomes, this.#numbers),
        claim ? JSON.stringify(claimList(queue, undefined, claim, hints)) : null,
      ],
      call,
    );
    const [now, letters, cascaded, more] = JSON.parse(row?.settled ?? '[]') as [number, string, CascadedRow[], boolean];
    this.#numbers.forget(outcomes);
    const head = row?.head;
    const claimed = claim && head ? this.#openClaim(queue, claim, hints, head, row.jobs, opts) : undefined;
    const here = openCascaded(cascaded);
    return {
      now,
      verdicts: openVerdicts(letters, outcomes.length),
      cascaded: more || claimed?.left ? await this.#withDrained(here, opts) : here,
      ...(claimed && { claim: claimed.reply }),
    };
  }

  async extend(leases: readonly LeaseRef[], opts?: StoreOptions): Promise<ExtendVerdict[]> {
    if (leases.length === 0) return [];
    const { project, environment } = this.parts();
    const verdicts = leases.map((): ExtendVerdict => 'lost');
    const order = [...leases.entries()].toSorted(([, a], [, b]) => a.fence - b.fence);
    // A fence names one lease: who asks twice under one fence, of two jobs, is wrong in one of them.
    for (let left = order; left.length > 0;) {
      const round = left.filter(([, { fence }], i) => i === 0 || left[i - 1]?.[1].fence !== fence);
      const letters = await this.#functions.reply<string>('heartbeat', 'JobStore.extend', EXTEND, [
        project,
        environment,
        opts?.now ?? null,
        round.map(([, { queue }]) => queue),
        round.map(([, { id }]) => id),
        numberArray(round.map(([, { fence, id }]) => this.#numbers.of(fence, id))),
        round.map(([, { fence }]) => fence),
        round.map(([, { leaseMs }]) => leaseMs),
      ]);
      for (const [i, [at]] of round.entries()) verdicts[at] = EXTENDED[letters[i] ?? ''] ?? 'lost';
      const done = new Set(round);
      left = left.filter((one) => !done.has(one));
    }
    return verdicts;
  }

  async annotate(notes: readonly JobNote[]): Promise<void> {
    if (notes.length === 0) return;
    const { project, environment, limits } = this.parts();
    const list = notes.map((note) => [note.queue, note.id, note.fence, noteOf(note)]);
    const values = [project, environment, limits.maxJobLogs, JSON.stringify(list)];
    await this.#functions.rows('heartbeat', 'JobStore.annotate', ANNOTATE, values);
  }

  async sweep(request: SweepRequest, opts?: StoreOptions): Promise<SweepReply> {
    const { project, environment, limits } = this.parts();
    const { queues, limit } = request;
    const swept: SweptJob[] = [];
    const cascaded: CascadedJob[] = [];
    let purges = limit;
    let held = false;
    for (let after: string | null = ''; after !== null;) {
      const values: unknown[] = [project, environment, opts?.now ?? null, limits.maxTimelineEntries];
      values.push(queues ?? null, after, Math.max(0, limit - swept.length), Math.max(0, purges));
      const text = await this.#functions.reply<string>('main', 'JobStore.sweep', SWEEP, values);
      const [rows, removed, more, last, links] = JSON.parse(text) as [
        [string, ...SweptRow][],
        number,
        boolean,
        string | null,
        boolean,
      ];
      for (const [queue, ...row] of rows) swept.push(...openSwept(queue, [row]));
      purges -= removed;
      held ||= more;
      if (links) cascaded.push(...(await this.drain(opts)));
      after = last;
    }
    return {
      swept,
      cascaded: cascaded.slice(0, MAX_REPORTED),
      more: held || swept.length >= limit || purges <= 0,
    };
  }

  /** A woken process that cannot take the job passes the hint on to another idle one. */
  async passOn(queue: string, from: string, opts?: StoreOptions): Promise<void> {
    const { project, environment } = this.parts();
    const values = [project, environment, opts?.now ?? null, queue, from];
    await this.#functions.rows('main', `Signals.passOn (queue "${queue}")`, PASS_ON, values);
  }

  /** Tells the dependants of ended jobs, and links children, that no call could tell; answers who failed by it. */
  async drain(opts?: StoreOptions): Promise<CascadedJob[]> {
    const { project, environment } = this.parts();
    const cascaded: CascadedJob[] = [];
    for (let more = true; more;) {
      const values = [project, environment, opts?.now ?? null, DRAIN_PAGE];
      const text = await this.#functions.reply<string>('main', 'JobStore (dependants)', DRAIN, values);
      const [rows, left] = JSON.parse(text) as [CascadedRow[], boolean];
      if (cascaded.length < MAX_REPORTED) cascaded.push(...openCascaded(rows));
      more = left;
    }
    return cascaded.slice(0, MAX_REPORTED);
  }

  async #withDrained(here: readonly CascadedJob[], opts: StoreOptions | undefined): Promise<CascadedJob[]> {
    return [...here, ...(await this.drain(opts))].slice(0, MAX_REPORTED);
  }

  #hintsFor(queue: string, opts: StoreOptions | undefined): ClaimHints {
    if (opts?.now !== undefined) return EXACT;
    return (this.#hints ??= new ClaimHintsOf(this.parts().clock)).for(queue);
  }

  #openClaim(
    queue: string,
    { count, leaseMs }: Pick<ClaimRequest, 'count' | 'leaseMs'>,
    sent: ClaimHints,
    text: string,
    list: string | null,
    opts: StoreOptions | undefined,
  ): { reply: ClaimReply; left: boolean } {
    const head = openHead(text);
    const jobs = openJobs(list, this.#numbers);
    const expiryAt =
      opts?.now === undefined && this.#hints
        ? this.#hints.learn(queue, sent, head, { count, leaseMs, got: jobs.length })
        : head.expiryAt;
    return { reply: openClaim(queue, head, expiryAt, jobs), left: head.more };
  }

  /** An add in a user's transaction must not change rows that others need, so those are made before. */
  async #prepare(where: string, queue: string, jobs: readonly NewJob[]): Promise<void> {
    const parents = new Set(jobs.flatMap(({ parents: ties }) => ties?.refs.map((ref) => ref.queue) ?? []));
    const linked = parents.size > 0 || hasLinks(jobs);
    const key = linked ? `${queue}\n${[...parents].toSorted().join('\n')}` : queue;
    if (this.#prepared.has(key)) return;
    const { project, environment } = this.parts();
    const values = [project, environment, queue, linked ? [...parents, queue] : []];
    await this.#functions.rows('main', where, PREPARE, values);
    if (this.#prepared.size >= MAX_PREPARED) this.#prepared.clear();
    this.#prepared.add(key);
  }
}
