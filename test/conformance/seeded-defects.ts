import type { Edit } from './seeded-backend.js';

/** A way to break the port, and the cases that must notice. */
export interface Defect {
  readonly name: string;
  readonly edits: readonly Edit[];
  /** Exact names of cases that must turn red; others may, too. */
  readonly red: readonly string[];
}

const QUEUE = 'memory-queue.ts';
const SIGNALS = 'memory-signals.ts';
const STORE = 'memory-job-store.ts';
const ADMIN = 'memory-admin.ts';
const CALLS = 'call-log.ts';
const HISTORY = 'memory-history.ts';
const ENQUEUE = 'memory-enqueue.ts';
const READS = 'memory-reads.ts';

function defect(name: string, file: string, find: string, put: string, ...red: string[]): Defect {
  return { name, edits: [{ file, find, put }], red };
}

export const DEFECTS: readonly Defect[] = [
  defect(
    'a stale fence is accepted at settle',
    QUEUE,
    'if (job.set !== this.leased || job.fence !== outcome.fence) {',
    'if (job.set !== this.leased) {',
    '[rule 3] a stale fence settles nothing',
    '[rule 3] a fence that nobody was given settles nothing',
    '[rule 3] a frozen owner cannot touch a new job of the same id',
  ),
  defect(
    'a stale fence is accepted at annotate',
    QUEUE,
    'if (job && job.set === this.leased && job.fence === note.fence) this.#note(job, note);',
    'if (job && job.set === this.leased) this.#note(job, note);',
    '[rule 3] a stale fence annotates nothing',
    '[rule 3] a frozen owner cannot touch a new job of the same id',
  ),
  defect(
    'a note is accepted after the outcome',
    QUEUE,
    'if (job && job.set === this.leased && job.fence === note.fence) this.#note(job, note);',
    'if (job && job.fence === note.fence) this.#note(job, note);',
    '[notes] a note after the outcome is dropped',
    '[notes] a note after a cancel is dropped',
  ),
  defect(
    'extend of a lost lease says kept',
    QUEUE,
    "if (!job || job.fence !== lease.fence) return 'lost';",
    "if (!job) return 'lost';\n    if (job.fence !== lease.fence) return 'kept';",
    '[rule 3] a stale fence extends nothing, and not the lease of the present owner',
    '[cancel] an earlier owner of a cancelled job is told that its lease is lost',
  ),
  defect(
    'extend by a stale owner renews the lease of the present one',
    QUEUE,
    "if (!job || job.fence !== lease.fence) return 'lost';",
    "if (!job) return 'lost';",
    '[rule 3] a stale fence extends nothing, and not the lease of the present owner',
  ),
  defect(
    'extend does not move the end of the lease',
    QUEUE,
    'place(job, this.leased, now + lease.leaseMs, job.fence);',
    '',
    '[lease] extend renews from the time of the store',
    '[lease] a job that is renewed again and again never stalls',
    '[stall] without guaranteedWorker renewed leases are left alone',
  ),
  defect(
    'a delay is ignored',
    QUEUE,
    'if (job.runAt > now) this.#toDelayed(job, job.runAt);',
    'if (job.runAt > Infinity) this.#toDelayed(job, job.runAt);',
    '[delay] a delayed job is not handed out 1 ms early, and is when it is due',
    '[delay] an absolute instant wins over a delay',
  ),
  defect(
    'a delayed job is promoted 1 ms early',
    QUEUE,
    'if (!job || job.k1 > now) return;',
    'if (!job || job.k1 > now + 1) return;',
    '[delay] a delayed job is not handed out 1 ms early, and is when it is due',
    '[settle] retry delays the job, counts the attempt and keeps its error',
    '[rule 5] a second stall waits its backoff and then goes behind its peers',
  ),
  defect(
    'due jobs keep the turn of their adding instead of that of their due time',
    QUEUE,
    '      this.#toReady(job, true);\n    }\n  }\n\n  #lease(',
    '      this.#toReady(job, false);\n    }\n  }\n\n  #lease(',
    '[rule 5] due jobs are promoted in order of when they were due, then of adding',
    '[rule 5] a due job goes behind what was added before the claim that promoted it',
  ),
  defect(
    'a settle is lost: the verdict says settled, the job stays leased and comes back',
    QUEUE,
    "        this.finish(job, 'completed', now);",
    '',
    '[settle] complete stores the result and the finish time',
    '[settle] a finished job never comes back',
    '[rule 3] 8 concurrent workers that settle and claim in one call finish each job once',
  ),
  defect(
    'an id is handed out twice',
    QUEUE,
    'place(job, this.leased, now + request.leaseMs, job.fence);',
    'place(job, this.leased, now + request.leaseMs, job.fence);\n' +
      '    if (this.leased.size === 3) {\n' +
      '      const twin = Object.assign(Object.create(job), { k1: job.rank, k2: job.ord, set: this.ready });\n' +
      '      this.ready.add(twin);\n' +
      '    }',
    '[claim] hands out at most as many jobs as asked for',
    '[claim] two processes share a queue and never a job',
    '[rule 3] 8 concurrent claimers never share one of 2 000 jobs, and leave none',
  ),
  defect(
    'a resent enqueue runs twice',
    STORE,
    'return { record: reply, reply };\n      },\n      (record) => record,\n    );\n  }\n\n  async claim(',
    'return { record: reply, reply };\n      },\n' +
      '      () => groups.map((group) => addGroup(queue, group, now, (name) => this.#find(name))),\n    );\n  }\n\n  async claim(',
    '[rule 4] a resent enqueue answers the same and adds nothing',
    '[rule 4] a job that finished and was removed before the resend is not added again',
  ),
  defect(
    'a resent claim runs twice',
    STORE,
    '(record) => this.#claimAgain(queue, record),',
    '() => this.#claim(queue, request, now).reply,',
    '[rule 4] a resent claim answers the same leases with their payloads and takes no more',
    '[rule 4] a resent claim that got nothing gets nothing, whatever was added meanwhile',
    '[rule 4] a claim that is sent twice at once takes one batch',
  ),
  defect(
    'a resent claim hands out leases that no longer hold',
    STORE,
    'job !== undefined && job.set === queue.leased && job.fence === fence;',
    'job !== undefined && fence !== undefined;',
    '[rule 4] a resent claim leaves out leases that no longer hold',
    '[rule 4] a resent claim leaves out leases that expired and were taken back',
    '[rule 4] a resent settle leaves out of its claim what no longer holds',
  ),
  defect(
    'a resent settle runs twice',
    STORE,
    '        ...record.ended,',
    '        ...record.ended,\n        verdicts: request.outcomes.map((outcome) => queue.settle(outcome, now)),',
    '[rule 4] a resent settle answers the same verdicts and changes nothing',
    '[rule 4] a resent settle with a claim answers both and takes no second batch',
  ),
  defect(
    'a resent admin mutation runs twice',
    STORE,
    '            return { record: reply, reply };\n          },\n          (record) => record,',
    '            return { record: reply, reply };\n          },\n          () => run(),',
    '[rule 4] resent admin mutations answer the same and change nothing',
    '[rule 4] a resent removal does not remove a later job of the same id',
    '[rule 4] a resent obliterate answers the same number and deletes no more',
  ),
  defect(
    'a confirmed call runs again',
    CALLS,
    'if (call.n <= log.acked) throw new CallRefusedError(where, call.n, log.acked);',
    'void CallRefusedError;\n    void where;',
    '[rule 4] a call that was confirmed is refused and runs nothing',
    '[rule 4] a call that confirms itself is refused',
  ),
  defect(
    'replies of one client push out those of another',
    CALLS,
    'if (other.lastAt >= now - KEEP_MS) break;',
    'if (other === log) break;',
    '[rule 4] clients do not disturb each other',
    '[rule 4] a reply is kept for 60 s',
  ),
  defect(
    'the order of priorities is reversed',
    QUEUE,
    "job.rank = this.strategy === 'priority' ? job.priority : 0;",
    "job.rank = this.strategy === 'priority' ? -job.priority : 0;",
    '[rule 5] priority hands out the lowest number first and the oldest among equals',
    '[rule 5] a more urgent job overtakes what waits, call by call',
  ),
  defect(
    'a priority counts on a fifo queue',
    QUEUE,
    "job.rank = this.strategy === 'priority' ? job.priority : 0;",
    'job.rank = job.priority;',
    '[rule 5] a priority on a fifo queue is kept, ignored for order, and strands nothing',
    '[rule 5] a changed priority is ignored for order on a fifo queue',
  ),
  defect(
    'lifo is served as fifo',
    QUEUE,
    "return this.strategy === 'lifo' ? set.last() : set.first();",
    'return set.first();',
    '[rule 5] lifo hands out the newest first',
    '[read] waiting jobs are listed in the order of claiming: lifo',
  ),
  defect(
    'a release goes to the end of the queue',
    QUEUE,
    'this.#later(job, outcome.delayMs, now, false);',
    'this.#later(job, outcome.delayMs, now, true);',
    '[rule 5] a release without delay keeps its place',
    '[rule 5] a release keeps its place among equal priorities',
  ),
  defect(
    'the pause is ignored',
    STORE,
    'const taken = queue.closed ? [] : queue.claim(request, now);',
    'const taken = queue.claim(request, now);',
    '[pause] a paused queue yields nothing, for every process, until resumed',
    '[settle] a claim that the pause refuses does not undo the settles',
  ),
  defect(
    'retention is ignored',
    HISTORY,
    '    this.#trimLeft -= this.#trim(this.done[status], rule, now, this.#trimLeft);',
    '',
    '[rule 7] count: the newest finished jobs stay',
    '[rule 7] age: a settle removes what is too old, and no earlier',
  ),
  defect(
    'retention removes one job too many',
    HISTORY,
    'set.size > rule.count',
    'set.size >= rule.count',
    '[rule 7] count: the newest finished jobs stay',
    '[rule 7] completed and failed jobs have their own rules',
  ),
  defect(
    'retention forgets a live job',
    QUEUE,
    'new MemoryHistory((job) => this.forget(job));',
    'new MemoryHistory((job) => this.forget(this.ready.first() ?? this.leased.first() ?? job));',
    '[rule 7] retention never touches a job that has not finished',
  ),
  defect(
    'retention removes the tombstone of a cancelled job',
    HISTORY,
    'const rule = retentionFor(status, job.keep, job.policy?.keep);',
    "const rule = retentionFor(status === 'cancelled' ? 'failed' : status, job.keep, job.policy?.keep);",
    '[rule 7] the tombstone of a cancelled job stays even where failed jobs are removed at once',
  ),
  defect(
    'a late settle overwrites a cancel',
    QUEUE,
    'if (job.set !== this.leased || job.fence !== outcome.fence) {',
    "if ((job.set !== this.leased && job.status !== 'cancelled') || job.fence !== outcome.fence) {",
    '[cancel] the owner of a cancelled job learns it from extend, and settles nothing',
    '[rule 3] of a settle and a cancel at once exactly one wins, and both learn which',
    '[rule 3] a lost outcome creates no follow-up jobs',
  ),
  defect(
    'the owner of a cancelled job is told kept',
    QUEUE,
    "if (job.status === 'cancelled') return 'cancelled';",
    "if (job.status === 'cancelled') return 'kept';",
    '[cancel] the owner of a cancelled job learns it from extend, and settles nothing',
    '[lease] many leases are renewed in one call, and each is answered in order',
  ),
  defect(
    'fences restart with each record',
    QUEUE,
    'this.#fence = Math.max(this.#fence + 1, now * 1000);',
    'this.#fence = Math.max(job.fence + 1, now * 1000);',
    '[rule 3] fences grow over the removal of a job and a new one of its id',
    '[rule 3] fences grow over obliterate',
    '[rule 3] jobs of one claim have different fences',
  ),
  defect(
    'fences are the bare clock',
    QUEUE,
    'this.#fence = Math.max(this.#fence + 1, now * 1000);',
    'this.#fence = now * 1000;',
    '[rule 3] every claim of a job has a larger fence than the one before',
    '[rule 3] fences grow when the clock of the store steps back',
  ),
  defect(
    'a release does not refund the attempt',
    QUEUE,
    "      case 'release':\n        job.attempt -= 1;",
    "      case 'release':",
    '[settle] release refunds the attempt',
    '[settle] release with a delay keeps the job away for exactly that long',
  ),
  defect(
    'a stall uses up an attempt',
    QUEUE,
    '      job.attempt -= 1;\n      job.stalledCount += 1;',
    '      job.stalledCount += 1;',
    '[stall] a stall is counted, refunds the attempt and stands in the timeline',
  ),
  defect(
    'a stall is not counted',
    QUEUE,
    '      job.stalledCount += 1;',
    '',
    '[stall] a stall is counted, refunds the attempt and stands in the timeline',
    '[stall] past maxStalledCount the job fails, and says so',
    '[suspect] only the poison job passes the cap, its neighbours never do',
  ),
  defect(
    'guaranteedWorker: false is run again after a crash',
    QUEUE,
    'if (!policy.guaranteedWorker) {',
    'if (policy.maxStalledCount < 0) {',
    '[stall] without guaranteedWorker an expired lease fails the job as crashed',
    '[stall] each lease is judged by the policy under which it was claimed',
  ),
  defect(
    'a suspect is handed out beside others',
    QUEUE,
    'job.suspect = job.stalledCount >= policy.maxStalledCount;',
    '',
    '[suspect] a job at its stall cap is passed over by a process that runs others, and counted',
    '[suspect] a suspect is handed out alone, with nothing beside it',
    '[suspect] two suspects never share a process, and come in their order',
  ),
  defect(
    'an id that exists is added again',
    ENQUEUE,
    '    if (same) return resultOf(same);\n    const { id, status',
    '    const { id, status',
    '[insert] an id that exists is not added again and its payload stays',
    '[insert] 50 concurrent adds of one id by many processes create one job',
  ),
  defect(
    'an id twice in one call becomes two jobs',
    STORE,
    'const reply = groups.map((group) => addGroup(queue, group, now, (name) => this.#find(name)));',
    'const before = new Set(queue.jobs.keys());\n' +
      '        const reply = groups.map((group) =>\n' +
      '          group.map((job) => (before.has(job.id) || queue.add(job, now), addAlways(queue, job, now))),\n' +
      '        );\n' +
      '        for (const result of reply.flat()) Object.assign(result, { created: !before.has(result.id) });',
    '[insert] an id twice in one group is one job with the first payload',
    '[insert] an id in two groups of one call is one job',
  ),
  defect(
    'a group is added job by job',
    STORE,
    '    const now = this.#now(opts);\n    const { queue, calls } = this.#open(queueName);\n    return calls.once(',
    '    if ((groups[0]?.length ?? 0) > 1) {\n' +
      '      const [[...rest], ...others] = groups as NewJob[][];\n' +
      '      const { queue } = this.#open(queueName);\n' +
      '      if (!queue.jobs.has(rest[0].id)) {\n' +
      '        const early = [addAlways(queue, rest.shift(), this.#now(opts))];\n' +
      '        for (let turn = 0; turn < 5; turn += 1) await undefined;\n' +
      '        const [late, ...more] = await this.enqueue(call, queueName, [rest, ...others], opts);\n' +
      '        return [[...early, ...late], ...more];\n' +
      '      }\n' +
      '    }\n' +
      '    const now = this.#now(opts);\n    const { queue, calls } = this.#open(queueName);\n    return calls.once(',
    '[insert] a group becomes visible all at once',
    '[insert] one process never finds part of a group',
  ),
  defect(
    'an idle process that claims again is written down until its earlier time',
    SIGNALS,
    'idle.set(process, now + IDLE_MS);',
    'if (!((idle.get(process) ?? 0) > now + IDLE_MS / 2)) idle.set(process, now + IDLE_MS);',
    '[rule 9] who claims again after 7 s sleeps for 10 s more and is woken',
  ),
  defect(
    'the wake-up hint is dropped',
    STORE,
    'if (jobs > 0 && !queue.closed) this.signals.hint(queue.name, jobs, now);',
    '',
    '[rule 9] an idle process is woken by an added job',
    '[rule 9] an idle process is woken by resume',
    '[rule 9] as many processes are woken as there are jobs, each once',
  ),
  defect(
    'sleepers do not learn of a job that is due sooner',
    QUEUE,
    'if (this.delayed.first() === job) this.sooner = true;',
    '',
    '[rule 9] a delayed job that becomes the earliest due one wakes one idle process',
    '[rule 9] a delay that is shortened wakes one idle process',
  ),
  defect(
    'one hint wakes everybody',
    STORE,
    'if (jobs > 0 && !queue.closed) this.signals.hint(queue.name, jobs, now);',
    'if (jobs > 0 && !queue.closed) this.signals.hint(queue.name, Infinity, now);',
    '[rule 9] as many processes are woken as there are jobs, each once',
    '[rule 9] a hint that one process passes on reaches another idle one, never itself',
  ),
  defect(
    'a reply is not cut at 1 MiB',
    QUEUE,
    'if (taken.length > 0 && bytes > MAX_BATCH_BYTES) break;',
    'void MAX_BATCH_BYTES;',
    '[rule 1] a reply is cut at 1 MiB of payload, and the next claim goes on',
    '[rule 1] a payload above 1 MiB travels alone and does not block the queue',
  ),
  defect(
    'counts drift: a removed job is still counted',
    ADMIN,
    "      (job) => job.status !== 'active',\n      (queue, job) => queue.forget(job),",
    "      (job) => job.status !== 'active',\n      (queue, job) => queue.jobs.delete(job.id),",
    '[remove] deletes a job in every state but a running one',
    '[rule 7] counts are exact after every transition of a life',
    '[rule 7] counts equal the lists after a long mixed run',
  ),
  defect(
    'a running job can be removed',
    ADMIN,
    "      (job) => job.status !== 'active',",
    '      () => true,',
    '[remove] deletes a job in every state but a running one',
  ),
  defect(
    'obliterate ignores its limit',
    ADMIN,
    'for (let job = set.first(); job && removed < limit; job = set.first(), removed += 1) queue.forget(job);',
    'for (let job = set.first(); job; job = set.first(), removed += 1) queue.forget(job);',
    '[obliterate] deletes in bounded steps, spares running jobs and says how many it deleted',
  ),
  defect(
    'a lost outcome still creates its follow-up jobs',
    STORE,
    "if (verdict === 'settled' && 'then' in outcome) this.#addThen(outcome.then, now);",
    "if ('then' in outcome) this.#addThen(outcome.then, now);",
    '[rule 3] a lost outcome creates no follow-up jobs',
    '[rule 3] an outcome that settled already creates no second follow-up',
  ),
  defect(
    'follow-up jobs are forgotten',
    STORE,
    "if (verdict === 'settled' && 'then' in outcome) this.#addThen(outcome.then, now);",
    '',
    '[rule 7] complete creates its follow-up jobs, in its own queue and in others',
    '[rule 7] fail creates its dead letter with it',
  ),
  defect(
    'the next page skips a job',
    READS,
    'start ? step(set, start, descending)',
    'start ? step(set, { ...start, k1: start.k1 + (descending ? -1 : 1) }, descending)',
    '[read] pages hold at most `limit` jobs, are complete and have no doubles',
    '[read] many jobs that are due in the same ms are all listed, page by page',
  ),
];
