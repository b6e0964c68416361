import type { Edit } from './seeded-backend.js';

/** Ways to break the memory store that the model must notice. Each breaks another promise of the port. */
export const MODEL_DEFECTS: readonly (readonly [name: string, ...edits: Edit[]])[] = [
  defect(
    'a stale fence settles',
    'memory-queue.ts',
    'if (job.set !== this.leased || job.fence !== outcome.fence) {',
    'if (job.set !== this.leased) {',
  ),
  defect(
    'a retry of a failed parent forgets its children',
    'memory-links.ts',
    '      tiesOf(again).dependants.add(link);\n',
    '',
  ),
  defect(
    'the end of a job is not told to its dependants when it is cancelled',
    'memory-queue.ts',
    '    if (job.ties) this.host.links.ended(this, job);',
    "    if (job.ties && status !== 'cancelled') this.host.links.ended(this, job);",
  ),
  defect('a job in a diamond fails twice', 'memory-links.ts', '    job.ties?.waitsFor.clear();\n', ''),
  defect(
    'a parent is purged although a job depends on it',
    'memory-history.ts',
    'if (job.ties && job.ties.dependants.size > 0) place',
    'if (job.ties && job.ties.dependants.size < 0) place',
  ),
  defect(
    'a throttled key is free when its job has ended',
    'memory-dedup.ts',
    'if (entry?.job !== job || entry.throttle) return;',
    'if (entry?.job !== job) return;',
  ),
  defect(
    'keep-last lets two run at once',
    'memory-dedup.ts',
    "return mode === 'keep-last' ? { kind: 'after', job } : undefined;",
    'return undefined;',
  ),
  defect(
    'held jobs lose their delay',
    'memory-queue.ts',
    "      this.#timeline(job, { at: now, event: 'held', detail: 'until the queue was enabled' });\n",
    '      job.runAt = now;\n',
  ),
  defect(
    'maxActive is exceeded by one',
    'memory-limits.ts',
    'allowed = Math.max(0, maxActive - active);',
    'allowed = Math.max(0, Math.min(allowed, maxActive - active + 1));',
  ),
  defect(
    'a crash makes no dead letter',
    'memory-queue.ts',
    "const deadLetter = status === 'failed' ? job.policy?.deadLetter : undefined;",
    "const deadLetter = status === 'failed' && job.settledFence === job.fence ? job.policy?.deadLetter : undefined;",
  ),
  defect(
    'due jobs are promoted in the order in which they were added',
    'memory-queue.ts',
    '    place(job, this.delayed, runAt, job.ord);',
    '    place(job, this.delayed, Math.ceil(runAt / 1000) * 1000, job.ord);',
  ),
  defect(
    'a resent claim hands out leases that no longer hold',
    'memory-job-store.ts',
    'job !== undefined && job.set === queue.leased && job.fence === fence;',
    'job !== undefined && fence !== undefined;',
  ),
  defect(
    'a released job uses up an attempt',
    'memory-queue.ts',
    "      case 'release':\n        job.attempt -= 1;",
    "      case 'release':",
  ),
  defect(
    'a changed delay of a blocked job is forgotten',
    'memory-queue.ts',
    'if (job.set === this.blocked || job.set === this.held) job.runAt = Math.max(now, runAt);',
    'if (job.set === this.blocked || job.set === this.held) return;',
  ),
];

/** The part of them that concerns dependencies alone, and more of that kind. */
export const DAG_DEFECTS: readonly (readonly [name: string, ...edits: Edit[]])[] = [
  ...MODEL_DEFECTS.filter(([name]) => /parent|dependants|diamond/.test(name)),
  defect(
    'a failed parent counts as done for all',
    'memory-links.ts',
    "if (job.status === 'completed' || policy === 'ignore') {",
    "if (job.status !== 'cancelled' || policy === 'ignore') {",
  ),
  defect(
    'a job waits for its first parent only',
    'memory-queue.ts',
    'if (child.set === this.blocked && child.ties?.waitsFor.size === 0) this.#admit(child, now);',
    'if (child.set === this.blocked) { child.ties?.waitsFor.clear(); this.#admit(child, now); }',
  ),
];

/** The edits of one file, as pairs of what to find and what to put there. */
function defect(name: string, file: string, ...pairs: string[]): [string, ...Edit[]] {
  const edits: Edit[] = [];
  for (let i = 0; i < pairs.length; i += 2) edits.push({ file, find: pairs[i] ?? '', put: pairs[i + 1] ?? '' });
  return [name, ...edits];
}
