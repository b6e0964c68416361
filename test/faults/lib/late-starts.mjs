// Starts that do not count: whoever has the job by then has a newer lease, and what the late one does is refused.

/** Clocks of one machine, read in different processes around system calls (us). */
export const SLACK_US = 1_000;
/** From the end of a stand-still to the first line of the handler that was about to be called (us). */
const ABOUT_US = 5_000;

/** Leases are renewed a heartbeat ago, or that is on its way: this much is left at least when an owner stops (us). */
export const leftUs = ({ leaseMs = 0, heartbeatMs = leaseMs / 4 }) => (leaseMs - 2 * heartbeatMs) * 1_000;

/** Leaves out of `job.starts` what does not count. `processes`: of the history; `careless`: see `check`. */
export function withoutLate(job, { processes }, rules) {
  const left = leftUs(rules) - SLACK_US;
  const all = job.starts;
  job.starts = all.filter((start) => {
    const newer = all.filter(({ fence }) => fence > start.fence);
    if (newer.length === 0) return true;
    const careless = rules.careless !== undefined && start.who.startsWith(rules.careless);
    if (careless && newer.some(({ at }) => at < start.at)) return false;
    const claim = job.claims?.find(({ who, fence }) => who === start.who && fence === start.fence);
    const owner = processes.get(start.who);
    if (!claim || !owner) return true;
    const covers = (span, from) => Math.min(span.to, start.at) - Math.max(span.from, from) >= left;
    if (careless) return !owner.spans.some((span) => covers(span, claim.askedAt));
    return !wasAbout(start, owner, (span) => covers(span, claim.at), left);
  });
}

/**
 * Whether its process was stopped between its last look at the lease and the first line of the handler: nothing can be
 * done about that. It is one job for each stand-still, the first that begins behind it, and at once: soon after it, or, as
 * a busy machine lets nobody go on at once, before the process had looked at its own clock again.
 */
function wasAbout(start, { spans, starts }, covers, left) {
  if (starts.some((at) => at < start.at && at > start.at - left)) return false;
  const sameTurn = (freeze) =>
    spans.some(({ kind, from, to }) => kind === 'starved' && from <= freeze.from + SLACK_US && start.at <= to);
  return spans.some(
    (span) => span.kind === 'freeze' && covers(span) && (start.at <= span.to + ABOUT_US || sameTurn(span)),
  );
}
