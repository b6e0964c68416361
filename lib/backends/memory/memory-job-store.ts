import { DEFAULT_HISTORY_LIMITS, type HistoryLimits } from '../../kernel/ports/backend.js';
import type { Clock } from '../../kernel/ports/clock.js';
import type { JobAdmin } from '../../kernel/ports/job-admin.js';
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
import { CallLog } from './call-log.js';
import { MemoryAdmin } from './memory-admin.js';
import { addAlways, addGroup } from './memory-enqueue.js';
import type { MemoryJob } from './memory-job.js';
import { MemoryLinks } from './memory-links.js';
import { MAX_ON_THE_WAY, MemoryQueue, type MemoryQueueHost } from './memory-queue.js';
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
  readonly #links = new MemoryLinks((name) => this.#find(name));
  readonly #host: MemoryQueueHost;

  constructor(
    private readonly clock: Clock,
    private readonly signals: MemorySignals,
    limits: HistoryLimits = DEFAULT_HISTORY_LIMITS,
  ) {
    this.#host = {
      limits,
      links: this.#links,
      deadLetter: (from, job, to, now) => this.#deadLetter(from, job, to, now),
    };
    this.admin = new MemoryAdmin({
      links: this.#links,
      now: (opts) => this.#now(opts),
      find: (name) => this.#find(name),
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
        const reply = groups.map((group) => addGroup(queue, group, now, (name) => this.#find(name)));
        // A child that is added as failed has dependants only later: nothing can cascade from here.
        this.#links.run(now);
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
        const cascaded = this.#links.run(now);
        const claim = request.claim ? this.#claim(queue, request.claim, now) : undefined;
        this.#hint(queue, now);
        const ended = { now, verdicts, cascaded };
        return {
          record: { ended, claim: claim?.record },
          reply: { ...ended, claim: claim?.reply },
        };
      },
      (record: { ended: Omit<SettleReply, 'claim'>; claim: ClaimRecord | undefined }) => ({
        ...record.ended,
        claim: record.claim && this.#claimAgain(queue, record.claim),
      }),
    );
  }

  async extend(leases: readonly LeaseRef[], opts?: StoreOptions): Promise<ExtendVerdict[]> {
    const now = this.#now(opts);
    return leases.map((lease) => this.#find(lease.queue)?.extend(lease, now) ?? 'lost');
  }

  async annotate(notes: readonly JobNote[]): Promise<void> {
    for (const note of notes) this.#find(note.queue)?.annotate(note);
  }

  async sweep(request: SweepRequest, opts?: StoreOptions): Promise<SweepReply> {
    const now = this.#now(opts);
    const swept: SweptJob[] = [];
    const cascaded: CascadedJob[] = [];
    let purges = request.limit;
    let held = false;
    for (const name of request.queues ?? this.#queues.keys()) {
      const queue = this.#find(name);
      if (!queue) continue;
      queue.begin(request.limit);
      swept.push(...queue.reap(now, request.limit - swept.length));
      purges -= queue.history.purge(now, purges);
      purges -= queue.dedup.forgetExpired(now, purges);
      if (!queue.disabled) queue.unhold(now, request.limit);
      held ||= !queue.disabled && queue.held.size > 0;
      cascaded.push(...this.#links.run(now));
      this.#hint(queue, now);
    }
    return { swept, cascaded, more: held || swept.length >= request.limit || purges <= 0 };
  }

  #addThen(then: readonly { queue: string; job: NewJob }[] | undefined, now: number): void {
    for (const { queue: name, job } of then ?? []) {
      const { queue } = this.#open(name);
      addAlways(queue, job, now);
      this.#links.touch(queue);
    }
  }

  #deadLetter(from: MemoryQueue, job: MemoryJob, to: string, now: number): void {
    const { queue } = this.#open(to);
    const { name, data, meta, priority, fence } = job;
    // The fence makes it one copy for each failure: an id may fail again in a later life.
    const id = `${from.name}/${fence}`;
    if (queue.jobs.has(id)) return;
    const copy = queue.add({ id, idGiven: false, name, data, meta, priority, delayMs: 0 }, now);
    copy.origin = { queue: from.name, id: job.id };
    copy.error = job.error;
    this.#links.touch(queue);
  }

  #claim(
    queue: MemoryQueue,
    request: Omit<ClaimRequest, 'call' | 'queue'>,
    now: number,
  ): { record: ClaimRecord; reply: ClaimReply } {
    const swept = queue.reap(now, MAX_ON_THE_WAY);
    const cascaded = this.#links.run(now);
    const taken = queue.closed ? [] : queue.claim(request, now);
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
      paused: queue.closed,
      retryAfterMs: queue.limits.retryAfterMs(request.limits, now),
      suspects: queue.suspects.size,
      swept,
      cascaded,
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

  /** Wakes whoever has something to do now, in this queue and in those that the transition touched. */
  #hint(queue: MemoryQueue, now: number): void {
    this.#hintOne(queue, now);
    for (const name of this.#links.takeTouched()) {
      const other = this.#find(name);
      if (other) this.#hintOne(other, now);
    }
  }

  #hintOne(queue: MemoryQueue, now: number): void {
    const freed = queue.limits.takeFreed(queue.leased.size, queue.ready.size + queue.suspects.size);
    const jobs = Math.max(freed, queue.readied) + (queue.sooner ? 1 : 0);
    queue.readied = 0;
    queue.sooner = false;
    if (jobs > 0 && !queue.closed) this.signals.hint(queue.name, jobs, now);
  }

  #find(name: string): MemoryQueue | undefined {
    return this.#queues.get(name)?.queue;
  }

  #open(name: string): { queue: MemoryQueue; calls: CallLog } {
    let entry = this.#queues.get(name);
    if (!entry) this.#queues.set(name, (entry = { queue: new MemoryQueue(name, this.#host), calls: new CallLog() }));
    return entry;
  }

  #now(opts: StoreOptions | undefined): number {
    return opts?.now ?? this.clock.now();
  }
}
