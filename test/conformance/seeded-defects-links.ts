import type { Edit } from './seeded-backend.js';
import type { Defect } from './seeded-defects.js';

const QUEUE = 'memory-queue.ts';
const STORE = 'memory-job-store.ts';
const ADMIN = 'memory-admin.ts';
const LINKS = 'memory-links.ts';
const DEDUP = 'memory-dedup.ts';
const ENQUEUE = 'memory-enqueue.ts';
const LIMITS = 'memory-limits.ts';
const HISTORY = 'memory-history.ts';
const READS = 'memory-reads.ts';

function defect(name: string, file: string, find: string, put: string, ...red: string[]): Defect {
  const edits: Edit[] = [{ file, find, put }];
  return { name, edits, red };
}

/** Defects of dependencies, deduplication, disabled queues, limits and dead letters. */
export const LINK_DEFECTS: readonly Defect[] = [
  defect(
    'the end of a parent is told to nobody',
    LINKS,
    '      this.#tellDependants(queue, job, now);',
    '',
    '[parents] a job waits for the last of its parents',
    '[parents] the child of a diamond runs once',
  ),
  defect(
    'one parent that is done is enough',
    QUEUE,
    'if (child.set === this.blocked && child.ties?.waitsFor.size === 0) this.#admit(child, now);',
    'child.ties?.waitsFor.clear();\n    if (child.set === this.blocked) this.#admit(child, now);',
    '[parents] a job waits for the last of its parents',
  ),
  defect(
    'a failed parent counts as done under block',
    LINKS,
    "if (job.status === 'completed' || policy === 'ignore') {",
    "if (job.status === 'completed' || policy !== 'cascade-fail') {",
    '[retry] of a failed parent inherits the children that it blocks',
  ),
  defect(
    'a child is failed by each of its parents',
    LINKS,
    '    job.ties?.waitsFor.clear();\n',
    '',
    '[parents] the bottom of a diamond fails once when its top fails',
  ),
  defect(
    'a cascade stops after one level',
    LINKS,
    '    for (const { queue, job } of this.#ended) {',
    '    for (const { queue, job } of [...this.#ended]) {',
    '[parents] a cascade reaches all descendants, 1 000 levels deep',
  ),
  defect(
    'a retry leaves the children with the old job',
    ADMIN,
    '      this.store.links.inherit(queue, job, again, now);\n',
    '',
    '[retry] of a failed parent inherits the children that it blocks',
    '[retry] the retry of a retry inherits them, too',
  ),
  defect(
    'parents that were done before are waited for',
    LINKS,
    "if (state === 'completed' || (isFinal(state) && policy === 'ignore')) job.ties?.waitsFor.delete(link);",
    "if (isFinal(state) && policy === 'ignore') job.ties?.waitsFor.delete(link);",
    '[parents] a parent that has completed counts at once',
  ),
  defect(
    'an unknown parent is taken for one to come',
    ENQUEUE,
    "return { why: 'unknown-parent', parent };",
    'continue;',
    '[parents] an unknown parent refuses the whole group, and nothing of it is added',
    '[parents] a job is no parent of its own',
  ),
  defect(
    'retention takes parents from unfinished children',
    HISTORY,
    'if (job.ties && job.ties.dependants.size > 0) place(job, this.kept[status], now, ord);',
    'if (job.ties && job.ties.dependants.size < 0) place(job, this.kept[status], now, ord);',
    '[rule 7] count: a parent with an unfinished dependant is passed over, and the rule holds for the others',
    '[rule 7] a failed parent stays while a child waits for its retry',
  ),
  defect(
    'a parent is never let go',
    LINKS,
    'if (parent.ties.dependants.size === 0) this.find(link.parent.queue)?.history.letGo(parent, now);',
    '',
    '[rule 7] age: a parent with an unfinished dependant outlives it, and goes after',
  ),
  defect(
    'a removed parent leaves its children waiting',
    QUEUE,
    'if (job.ties && !isFinal(job.status)) this.host.links.ended(this, job);',
    '',
    '[remove] of a job that waits for parents unlinks it',
    '[parents] an obliterated parent counts as failed, a running one with force',
  ),
  defect(
    'the delay of a child is forgotten',
    QUEUE,
    '    } else if (job.runAt > now) this.#toDelayed(job, job.runAt);\n    else {\n      job.runAt = now;',
    '    } else if (job.runAt > now && !job.ties) this.#toDelayed(job, job.runAt);\n    else {\n      job.runAt = now;',
    '[parents] a child waits with its delay, and is delayed where that is still ahead',
  ),
  {
    name: 'a deduplication key is never free',
    edits: [
      { file: DEDUP, find: 'if (isFinal(job.status) || job.set === undefined) return undefined;', put: '' },
      { file: QUEUE, find: 'if (job.dedupKey !== undefined) this.dedup.free(job);', put: '' },
    ],
    red: ['[dedup] while-unfinished: the key is free once its job completed'],
  },
  defect(
    'a throttle ends with its job',
    DEDUP,
    'if (entry?.job !== job || entry.throttle) return;',
    'if (entry?.job !== job) return;',
    '[dedup] throttle: the first stands for its time although it completed',
  ),
  defect(
    'debounce keeps the first delay',
    ENQUEUE,
    '    queue.postpone(job, input.runAt ?? now + input.delayMs, now);\n',
    '',
    '[dedup] debounce: the last content counts, and the delay runs anew from the last add',
  ),
  defect(
    'keep-last runs the newest beside the one that runs',
    ENQUEUE,
    "verdict?.kind === 'after' ? verdict.job : undefined",
    "verdict?.kind === 'stands' ? (verdict as never) : undefined",
    '[dedup] keep-last: one after the other, none at the same time',
  ),
  defect(
    'a disabled queue still hands out',
    QUEUE,
    'return this.paused || this.disabled;',
    'return this.paused;',
    '[disable] a queue yields nothing to any process until it is enabled',
  ),
  defect(
    'held jobs have no limit',
    ENQUEUE,
    "return tooMany ? { why: 'held-full', limit: queue.maxHeldJobs } : undefined;",
    'return tooMany ? undefined : undefined;',
    '[disable] hold: beyond the limit a group is refused whole, and nothing is dropped silently',
  ),
  defect(
    'enable forgets the parents of held jobs',
    QUEUE,
    'if (job.ties && job.ties.waitsFor.size > 0) {',
    'if (job.ties && job.ties.waitsFor.size > 0 && job.set !== this.held) {',
    '[enable] lets held jobs go: delay, priority, order and parents are kept',
  ),
  defect(
    'a follow-up job is dropped by a disabled queue',
    STORE,
    '      addAlways(queue, job, now);\n',
    '      if (!queue.disabled) addAlways(queue, job, now);\n',
    '[disable] skip: follow-up jobs, dead letters and retries are held, beyond the limit too',
  ),
  defect(
    'maxActive is of each process',
    LIMITS,
    'allowed = Math.max(0, maxActive - active);',
    'allowed = Math.min(allowed, maxActive);',
    '[limits] maxActive holds over all processes',
  ),
  defect(
    'a slot of maxActive that gets free wakes nobody',
    LIMITS,
    'if (this.#cap === undefined || active >= this.#cap) return 0;',
    'if (this.#cap === undefined || active < Infinity) return 0;',
    '[rule 9] a settle that frees a slot of maxActive wakes an idle process when jobs wait',
  ),
  defect(
    'the rate counts nothing',
    LIMITS,
    'for (const window of this.#started.values()) window.add(n, now);',
    'void n;\n    void now;',
    '[limits] rate: at most max leases begin in a span, over all processes, and then it says when',
    '[limits] rate: no sliding span sees more than max, whenever people claim',
  ),
  defect(
    'a failure writes no dead letter',
    STORE,
    '    copy.origin = { queue: from.name, id: job.id };',
    '',
    '[dead] many that fail in one call have a copy each',
  ),
  defect(
    'dead letters of one id overwrite each other',
    STORE,
    'const id = `${from.name}/${fence}`;',
    'const id = `${from.name}/${fence > 0 ? job.id : fence}`;',
    '[dead] each failure has its copy: of a later job of the same id, and of its retry',
  ),
  defect(
    'verify takes whoever waits for stuck',
    READS,
    "if (job.status === 'waiting-children' && job.ties?.waitsFor.size === 0) report('stuck', 'it waits for no parent');",
    "if (job.status === 'waiting-children') report('stuck', 'it waits for no parent');",
    '[verify] parents that are gone or have failed are in order where the policy lets a job wait',
  ),
];
