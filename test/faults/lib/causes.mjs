// Why a job went from one owner to the next, and how long each loss of an owner took to be made good.
import { leftUs, SLACK_US } from './late-starts.mjs';

const claimOf = (job, { who, fence }) => job.claims?.find((claim) => claim.who === who && claim.fence === fence);

/**
 * What ended `before`, a start or a claim, so that `next` could follow: `{ kind, from }`, or undefined when nothing did.
 * `from` is when its owner was last sure to be well (us); what was handed back has none.
 */
export function causeOf(job, before, next, { processes }, rules) {
  const handedBack = job.settles.some(
    ({ fence, kind, verdict }) =>
      fence === before.fence && (kind === 'retry' || kind === 'release') && verdict !== 'lost',
  );
  if (handedBack) return { kind: 'handed back' };
  const owner = processes.get(before.who);
  // A signal is on its way for as long as the machine likes: what a process does meanwhile it does before its end.
  const leftAt = owner?.leftAt ?? owner?.goneAt;
  if (leftAt >= before.at - SLACK_US && owner.goneAt <= next.at) {
    return { kind: 'kill', from: Math.max(owner.goneAt, before.at) };
  }
  const enough = leftUs(rules);
  const spans = owner ? [...owner.away, ...owner.spans] : [];
  const covers = ({ from, to }) =>
    to >= before.at && from <= next.at && Math.min(to, next.at) - from >= enough - SLACK_US;
  const planned = spans.find((span) => span.kind !== 'starved' && covers(span));
  if (planned) return planned;
  // Busy machines: nobody gets a turn, or the store takes its time.
  const busy = spans.find(covers) ?? owner?.slow.find(covers);
  if (busy) return { kind: busy.kind };
  // A lease runs from when the store gave it, also while its owner has not heard of it.
  const claim = claimOf(job, before);
  return claim && claim.at - claim.askedAt >= enough - SLACK_US ? { kind: 'slow' } : undefined;
}

/**
 * How long the job was without an owner, for each owner that it lost from the start `before` to the start `next` (ms):
 * whoever claimed it between and never came to start it has lost it too, also where its end came before the reply.
 */
export function recoveriesOf(job, before, next, history, rules) {
  const between = (job.claims ?? [])
    .filter(({ fence }) => fence > before.fence && fence < next.fence)
    .sort((a, b) => a.fence - b.fence);
  const found = [];
  let owner = before;
  for (const heir of [...between, next]) {
    const from = causeOf(job, owner, heir, history, rules)?.from;
    // The store counts what nobody is left to tell of.
    const counted = claimOf(job, heir)?.stalled - claimOf(job, owner)?.stalled;
    const losses = counted > 1 ? counted : 1;
    if (from !== undefined) {
      const each = Math.max(0, heir.at - from) / 1_000 / losses;
      found.push(...Array.from({ length: losses }, () => each));
    }
    owner = heir;
  }
  return found;
}
