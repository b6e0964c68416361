// Stores with one protection taken out, see switches.mjs. Each takes a store and answers what to override in it.

let calls = 0;

/** Every call gets a number that no other one had, so no kept reply is ever found. */
const renumbered = (call) => ({ client: `${call.client}:${(calls += 1)}`, n: 1, acked: 0 });

const patient = (claim) => ({
  ...claim,
  policy: { ...claim.policy, key: `${claim.policy.key}-patient`, maxStalledCount: 1_000_000 },
});

export const BROKEN_STORES = {
  unfenced: (store) => ({
    async settle(call, request, opts) {
      const outcomes = await Promise.all(
        request.outcomes.map(async (outcome) => {
          const job = await store.admin.get(request.queue, outcome.id);
          return job?.status === 'active' ? { ...outcome, fence: job.fence } : outcome;
        }),
      );
      return store.settle(call, { ...request, outcomes }, opts);
    },
  }),

  /** Never gives a job up because of its crashes. */
  patient: (store) => ({
    claim: (requests, opts) => store.claim(requests.map(patient), opts),
    settle: (call, request, opts) =>
      store.settle(call, { ...request, ...(request.claim && { claim: patient(request.claim) }) }, opts),
  }),

  /** Takes the time from whoever calls. */
  credulous: (store) => ({
    claim: (requests) => store.claim(requests, { now: Date.now() }),
    sweep: (request) => store.sweep(request, { now: Date.now() }),
  }),

  forgetful: (store) => ({
    enqueue: (call, ...rest) => store.enqueue(renumbered(call), ...rest),
    settle: (call, ...rest) => store.settle(renumbered(call), ...rest),
    claim: (requests, opts) =>
      store.claim(
        requests.map((request) => ({ ...request, call: renumbered(request.call) })),
        opts,
      ),
  }),
};
