import { DEFAULT_HISTORY_LIMITS, type HistoryLimits } from '../../kernel/ports/backend.js';
import type { Clock } from '../../kernel/ports/clock.js';
import type { JobAdmin } from '../../kernel/ports/job-admin.js';
import type {
  CallId,
  Capabilities,
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
import { CallLog } from './call-log.js';
import { MemoryAdmin } from './memory-admin.js';
import type { MemoryJob } from './memory-job.js';
import { MAX_ON_THE_WAY, MemoryQueue } from './memory-queue.js';
import type { MemorySignals } from './memory-signals.js';

/** What a resent claim needs: which leases it made, never their payloads. */
interface ClaimRecord {
  readonly fences: readonly number[];
  readonly ids: readonly string[];
  readonly rest: Omit<ClaimReply, 'jobs'>;
}

/**
 * The reference for the semantics of the port: maps and ordered sets, no timers of its own, due work is computed at
 * claim. History is bounded by retention.
 */
export class MemoryJobStore implements JobStore {
  readonly capabilities: Capabilities = {
    backend: 'memory',
    transactions: false,
    fenced: true,
    durability: 'none',
  };
  readonly admin: JobAdmin;

  readonly #queues = new Map<string, { queue: MemoryQueue; calls: CallLog }>();

  constructor(
    private readonly clock: Clock,
    private readonly signals: MemorySignals,
    private readonly limits: HistoryLimits = DEFAULT_HISTORY_LIMITS,
  ) {
    this.admin = new MemoryAdmin({
      now: (opts) => this.#now(opts),
      find: (name) => this.#queues.get(name)?.queue,
      open: (name) => this.#open(name).queue,
      recorded: () => [...this.#queues].flatMap(([name, { queue }]) => (queue.recorded ? [name] : [])),
      once: (where, call, name, now, run) =>
        this.#open(name).calls.once(
          where,
          call,
          now,
          () => {
            const reply = run();
            return { record: reply, reply };
          },
          (record) => record,
        ),
      hint: (queue, now) => this.#hint(queue, now),
    });
  }

  async enqueue(
    call: CallId,
    queueName: string,
    groups: readonly (readonly NewJob[])[],
    opts?: StoreOptions,
  ): Promise<EnqueueResult[][]> {
    const now = this.#now(opts);
    const { queue, calls } = this.#open(queueName);
    return calls.once(
      `JobStore.enqueue (queue "${queueName}")`,
      call,
      now,
      () => {
        const reply = groups.map((group) => group.map((job) => this.#add(queue, job, now)));
        this.#hint(queue, now);
        return { record: reply, reply };
      },
      (record) => record,
    );
  }

  async claim(requests: readonly ClaimRequest[], opts?: StoreOptions): Promise<ClaimReply[]> {
    const now = this.#now(opts);
    return requests.map((request) => {
      const { queue, calls } = this.#open(request.queue);
      return calls.once(
        `JobStore.claim (queue "${request.queue}")`,
        request.call,
        now,
        () => {
          const claimed = this.#claim(queue, request, now);
          this.#hint(queue, now);
          return claimed;
        },
        (record) => this.#claimAgain(queue, record),
      );
    });
  }

  async settle(call: CallId, request: SettleRequest, opts?: StoreOptions): Promise<SettleReply> {
    const now = this.#now(opts);
    const { queue, calls } = this.#open(request.queue);
    return calls.once(
      `JobStore.settle (queue "${request.queue}")`,
      call,
      now,
      () => {
        queue.begin(request.outcomes.length);
        const verdicts = request.outcomes.map((outcome) => {
          const verdict = queue.settle(outcome, now);
          if (verdict === 'settled' && 'then' in outcome) this.#addThen(outcome.then, now);
          return verdict;
        });
        const claim = request.claim ? this.#claim(queue, request.claim, now) : undefined;
        this.#hint(queue, now);
        return {
          record: { now, verdicts, claim: claim?.record },
          reply: { now, verdicts, claim: claim?.reply },
        };
      },
      (record: { now: number; verdicts: SettleReply['verdicts']; claim: ClaimRecord | undefined }) => ({
        now: record.now,
        verdicts: record.verdicts,
        claim: record.claim && this.#claimAgain(queue, record.claim),
      }),
    );
  }

  async extend(leases: readonly LeaseRef[], opts?: StoreOptions): Promise<ExtendVerdict[]> {
    const now = this.#now(opts);
    return leases.map((lease) => this.#queues.get(lease.queue)?.queue.extend(lease, now) ?? 'lost');
  }

  async annotate(notes: readonly JobNote[]): Promise<void> {
    for (const note of notes) this.#queues.get(note.queue)?.queue.annotate(note);
  }

  async sweep(request: SweepRequest, opts?: StoreOptions): Promise<SweepReply> {
    const now = this.#now(opts);
    const swept: SweptJob[] = [];
    let purges = request.limit;
    for (const name of request.queues ?? this.#queues.keys()) {
      const queue = this.#queues.get(name)?.queue;
      if (!queue) continue;
      queue.begin(request.limit);
      swept.push(...queue.reap(now, request.limit - swept.length));
      purges -= queue.purge(now, purges);
      this.#hint(queue, now);
    }
    return { swept, more: swept.length >= request.limit || purges <= 0 };
  }

  #add(queue: MemoryQueue, input: NewJob, now: number): EnqueueResult {
    const standing = queue.jobs.get(input.id);
    const job = standing ?? queue.add(input, now);
    return {
      id: job.id,
      created: standing === undefined,
      status: job.status,
      createdAt: job.createdAt,
      runAt: job.runAt,
    };
  }

  #addThen(then: readonly { queue: string; job: NewJob }[] | undefined, now: number): void {
    for (const { queue: name, job } of then ?? []) {
      const { queue } = this.#open(name);
      this.#add(queue, job, now);
      this.#hint(queue, now);
    }
  }

  #claim(
    queue: MemoryQueue,
    request: Omit<ClaimRequest, 'call' | 'queue'>,
    now: number,
  ): { record: ClaimRecord; reply: ClaimReply } {
    const swept = queue.reap(now, MAX_ON_THE_WAY);
    const taken = queue.paused ? [] : queue.claim(request, now);
    // The claimer is busy when it got all it asked for; otherwise it waits for the next job of this queue.
    if (taken.length >= request.count) this.signals.markBusy(queue.name, request.owner);
    else this.signals.markIdle(queue.name, request.owner, now);
    queue.readied = Math.max(0, queue.readied - taken.length);
    // A claimer that waits for more sleeps until the next due job itself.
    if (taken.length < request.count) queue.sooner = false;
    const rest = {
      queue: queue.name,
      now,
      nextDueMs: queue.nextDueMs(now),
      paused: queue.paused,
      suspects: queue.suspects.size,
      swept,
    };
    return {
      record: { ids: taken.map((job) => job.id), fences: taken.map((job) => job.fence), rest },
      reply: { ...rest, jobs: taken.map((job) => job.toClaimed()) },
    };
  }

  /** The reply of a claim that is sent again: payloads are read anew, leases that no longer hold are left out. */
  #claimAgain(queue: MemoryQueue, { ids, fences, rest }: ClaimRecord): ClaimReply {
    const holds = (job: MemoryJob | undefined, fence: number | undefined): job is MemoryJob =>
      job !== undefined && job.set === queue.leased && job.fence === fence;
    const jobs = ids.map((id) => queue.jobs.get(id)).filter((job, i): job is MemoryJob => holds(job, fences[i]));
    return { ...rest, jobs: jobs.map((job) => job.toClaimed()) };
  }

  #hint(queue: MemoryQueue, now: number): void {
    const jobs = queue.readied + (queue.sooner ? 1 : 0);
    queue.readied = 0;
    queue.sooner = false;
    if (jobs > 0 && !queue.paused) this.signals.hint(queue.name, jobs, now);
  }

  #open(name: string): { queue: MemoryQueue; calls: CallLog } {
    let entry = this.#queues.get(name);
    if (!entry) this.#queues.set(name, (entry = { queue: new MemoryQueue(name, this.limits), calls: new CallLog() }));
    return entry;
  }

  #now(opts: StoreOptions | undefined): number {
    return opts?.now ?? this.clock.now();
  }
}
