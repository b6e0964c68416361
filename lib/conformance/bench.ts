import assert from 'node:assert/strict';
import type { FindRequest, JobAdmin, JobCounts, JobFilter, VerifyProblem } from '../kernel/ports/job-admin.js';
import type { JobStore, StoreOptions, SweepReply, SweptJob } from '../kernel/ports/job-store.js';
import type { Signals } from '../kernel/ports/signals.js';
import type { JobStatus, StoredJob } from './build.js';
import { Inbox } from './inbox.js';
import { Process, type World } from './process.js';

/** Where virtual time starts: a realistic epoch, so that microseconds and packed keys have their real width. */
const START = 1_700_000_000_000;

/** Real time (ms) that a hint may take. */
const SIGNAL_DEADLINE_MS = 2_000;

/** More pages than any case can fill: a cursor that runs in circles fails instead of hanging. */
const MAX_PAGES = 500;

const NO_JOBS: JobCounts = {
  waiting: 0,
  delayed: 0,
  'waiting-children': 0,
  paused: 0,
  active: 0,
  completed: 0,
  failed: 0,
  cancelled: 0,
};

/**
 * The world of one case: a store, virtual time that only cases move, and the processes that use the store.
 */
export class Bench implements World {
  /** Store time of the next operation. Cases about clocks set it; all others only move it on. */
  now = START;
  readonly admin: JobAdmin;

  readonly #processes = new Map<string, Process>();
  readonly #inboxes: Inbox[] = [];

  constructor(
    readonly store: JobStore,
    private readonly channel: Signals | undefined,
    private readonly signalDeadlineMs = SIGNAL_DEADLINE_MS,
  ) {
    this.admin = store.admin;
  }

  /** The last parameter of every operation. */
  get at(): StoreOptions {
    return { now: this.now };
  }

  forward(ms: number): void {
    this.now += ms;
  }

  get signals(): Signals {
    assert.ok(this.channel, 'the factory gave no `signals`; pass { signals: false } for a store that has no channel');
    return this.channel;
  }

  /** The process of that name: it counts its own calls and owns what it claims. */
  process(name: string): Process {
    let process = this.#processes.get(name);
    if (!process) this.#processes.set(name, (process = new Process(this, name)));
    return process;
  }

  /** Starts to receive what is sent to the process of that name. */
  async listen(process: string): Promise<Inbox> {
    const inbox = await Inbox.open(this.signals, process, this.signalDeadlineMs);
    this.#inboxes.push(inbox);
    return inbox;
  }

  async close(): Promise<void> {
    await Promise.all(this.#inboxes.map((inbox) => inbox.close()));
  }

  async sweep(queues?: readonly string[], limit = 1_000): Promise<SweptJob[]> {
    return (await this.sweepAll(queues, limit)).swept;
  }

  /** A sweep with all that it answers. */
  sweepAll(queues?: readonly string[], limit = 1_000): Promise<SweepReply> {
    return this.store.sweep({ ...(queues && { queues }), limit }, this.at);
  }

  get(queue: string, id: string): Promise<StoredJob | undefined> {
    return this.admin.get(queue, id, this.at);
  }

  /** A job that must be there. */
  async stored(queue: string, id: string): Promise<StoredJob> {
    const job = await this.get(queue, id);
    assert.ok(job, `job "${id}" of queue "${queue}" is not there`);
    return job;
  }

  /** The state of a job, or `undefined` where there is none. */
  async status(queue: string, id: string): Promise<JobStatus | undefined> {
    return (await this.get(queue, id))?.status;
  }

  /** All jobs of one state, page by page; from a cursor on, where one is given. */
  list(queue: string, status: JobStatus, limit = 100, from?: string): Promise<StoredJob[]> {
    return this.#walk({ queue, status, limit }, from);
  }

  /** The jobs of one state that a filter lets through. */
  filtered(queue: string, status: JobStatus, filter: JobFilter, limit = 100): Promise<StoredJob[]> {
    return this.#walk({ queue, status, limit, filter });
  }

  async #walk(request: FindRequest, from?: string): Promise<StoredJob[]> {
    const { queue, status, limit } = request;
    const found: StoredJob[] = [];
    let cursor = from;
    for (let page = 0; page < MAX_PAGES; page += 1) {
      const reply = await this.find({ ...request, ...(cursor !== undefined && { cursor }) });
      assert.ok(reply.jobs.length <= limit, `${reply.jobs.length} jobs on a page of ${limit}`);
      found.push(...reply.jobs);
      ({ cursor } = reply);
      if (cursor === undefined) return found;
    }
    assert.fail(`the list of ${status} jobs of "${queue}" did not end after ${MAX_PAGES} pages`);
  }

  find(request: FindRequest): ReturnType<JobAdmin['find']> {
    return this.admin.find(request, this.at);
  }

  /** What verify finds wrong in a queue, page by page, and how many jobs it looked at. */
  async verify(queue: string, limit = 1_000): Promise<{ problems: VerifyProblem[]; checked: number }> {
    const problems: VerifyProblem[] = [];
    let checked = 0;
    let cursor: string | undefined;
    for (let page = 0; page < MAX_PAGES; page += 1) {
      const reply = await this.admin.verify({ queue, limit, ...(cursor !== undefined && { cursor }) }, this.at);
      assert.ok(reply.checked <= limit, `${reply.checked} jobs verified on a page of ${limit}`);
      problems.push(...reply.problems);
      checked += reply.checked;
      ({ cursor } = reply);
      if (cursor === undefined) return { problems, checked };
    }
    assert.fail(`the verification of "${queue}" did not end after ${MAX_PAGES} pages`);
  }

  /** Asserts that every recorded queue is in order. */
  async sound(): Promise<void> {
    for (const queue of await this.admin.queues({ limit: 1_000 }, this.at)) {
      assert.deepEqual((await this.verify(queue)).problems, [], `verify of queue "${queue}"`);
    }
  }

  /** Asserts all counts of a queue; states that are not named must be empty. */
  async counts(queue: string, expected: Partial<JobCounts>): Promise<void> {
    assert.deepEqual({ ...(await this.admin.counts(queue, this.at)) }, { ...NO_JOBS, ...expected });
  }
}

/** Asserts that a call is refused with an error of this stable code. */
export async function refused(code: string, call: Promise<unknown>): Promise<void> {
  await assert.rejects(call, (error: unknown) => {
    assert.ok(error instanceof Error, `expected an error with code ${code}`);
    assert.equal((error as { code?: unknown }).code, code, `expected code ${code}, got: ${error.message}`);
    return true;
  });
}
