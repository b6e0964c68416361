/**
 * Protections that are taken out, one at a time, between the processes and the store: each has to be noticed. `by` names
 * the rules of which one is broken first; `options` come before those of the seed.
 */
export const mutations = {
  'no fences': {
    by: ['I3'],
    async settle(run, [call, request, opts], server) {
      const outcomes = [];
      for (const outcome of request.outcomes) {
        const fence = (await fenceNow(server, request.queue, outcome.id)) ?? outcome.fence;
        outcomes.push({ ...outcome, fence });
      }
      return run(call, { ...request, outcomes }, opts);
    },
    async extend(run, [leases, opts], server) {
      const current = [];
      for (const lease of leases) {
        current.push({ ...lease, fence: (await fenceNow(server, lease.queue, lease.id)) ?? lease.fence });
      }
      return run(current, opts);
    },
  },

  'no replies are kept': {
    by: ['I5'],
    options: { loss: 0.05 },
    claim: (run, [requests, opts]) =>
      run(
        requests.map((request) => ({ ...request, call: fresh() })),
        opts,
      ),
    settle: (run, [, request, opts]) => run(fresh(), request, opts),
  },

  'the outbox is not drained': {
    by: ['I16'],
    async enqueue(run, [call, queue, groups, opts], server) {
      await server.run('enqueue', [fresh(), 'nobody', [[NEVER]]]);
      const stuck = ({ parents, ...job }) => {
        if (!parents) return job;
        const refs = parents.refs.map((ref) => (ref.queue === queue ? ref : { queue: 'nobody', id: NEVER.id }));
        return { ...job, parents: { ...parents, refs: unique(refs) } };
      };
      return run(
        call,
        queue,
        groups.map((group) => group.map(stuck)),
        opts,
      );
    },
  },

  'processes trust their leases for ever': {
    by: ['I3'],
    options: {
      leaseMs: 6_000,
      engineLeaseMs: 6_000_000,
      heartbeatMs: 2_000,
      faults: ['cut', 'storm'],
      faultEveryMs: 10_000,
    },
    claim: (run, [requests, opts]) =>
      run(
        requests.map((request) => ({ ...request, leaseMs: 6_000 })),
        opts,
      ),
    settle: (run, [call, request, opts]) =>
      run(call, request.claim ? { ...request, claim: { ...request.claim, leaseMs: 6_000 } } : request, opts),
    extend: (run, [leases, opts]) =>
      run(
        leases.map((lease) => ({ ...lease, leaseMs: 6_000 })),
        opts,
      ),
  },

  'wake-ups are lost and nobody polls': { by: ['I16'], options: { noWakes: true, pollMs: 3_600_000 } },

  'leases never expire': {
    by: ['I16'],
    claim: (run, [requests, opts]) =>
      run(
        requests.map((request) => ({ ...request, leaseMs: 1e9 })),
        opts,
      ),
    settle: (run, [call, request, opts]) =>
      run(call, request.claim ? { ...request, claim: { ...request.claim, leaseMs: 1e9 } } : request, opts),
    extend: (run, [leases, opts]) =>
      run(
        leases.map((lease) => ({ ...lease, leaseMs: 1e9 })),
        opts,
      ),
  },

  'renewals change nothing': {
    by: ['I5'],
    extend: (run, [leases]) => Promise.resolve(leases.map(() => 'kept')),
  },

  'an add is acknowledged before it is written': {
    by: ['I1', 'I16'],
    enqueue(run, [call, queue, groups, opts], server) {
      if (server.world.random.next() > 0.02) return run(call, queue, groups, opts);
      const { now } = server;
      const said = { created: true, status: 'waiting', createdAt: now, runAt: now };
      return Promise.resolve(groups.map((group) => group.map(({ id }) => ({ id, ...said }))));
    },
  },

  'an add is written twice': {
    by: ['I2'],
    async enqueue(run, [call, queue, groups, opts], server) {
      const again = groups.map((group) => group.map((job) => ({ ...job, id: `${job.id} again` })));
      if (server.world.random.next() < 0.02) await server.run('enqueue', [fresh(), queue, again]);
      return run(call, queue, groups, opts);
    },
  },

  'delays are forgotten': {
    by: ['I7'],
    enqueue: (run, [call, queue, groups, opts]) =>
      run(
        call,
        queue,
        groups.map((group) => group.map((job) => ({ ...job, delayMs: 0 }))),
        opts,
      ),
  },

  'delays are counted by the wall clock of whoever adds': {
    by: ['I7'],
    options: { skew: 300_000 },
    enqueue: (run, [call, queue, groups, opts], server, process) =>
      run(
        call,
        queue,
        groups.map((group) => group.map((job) => ({ ...job, runAt: process.clock.now() + job.delayMs }))),
        opts,
      ),
  },

  'deduplication keys are ignored': {
    by: ['I10'],
    enqueue: (run, [call, queue, groups, opts]) =>
      run(
        call,
        queue,
        groups.map((group) => group.map((job) => ({ ...job, dedup: undefined }))),
        opts,
      ),
  },

  'a failed attempt counts as a completion': {
    by: ['I1', 'I3'],
    settle: (run, [call, request, opts]) =>
      run(
        call,
        {
          ...request,
          outcomes: request.outcomes.map(({ kind, ...rest }) => ({
            kind: kind === 'retry' ? 'complete' : kind,
            ...rest,
          })),
        },
        opts,
      ),
  },

  'a settle that came too late is called settled': {
    by: ['I3'],
    async settle(run, args) {
      const reply = await run(...args);
      return { ...reply, verdicts: reply.verdicts.map(() => 'settled') };
    },
  },

  'dead letters are dropped': {
    by: ['I1'],
    claim: (run, [requests, opts]) => run(requests.map(withoutLetter), opts),
    settle: (run, [call, request, opts]) =>
      run(call, request.claim ? { ...request, claim: withoutLetter(request.claim) } : request, opts),
  },

  'a cancelled job goes on': {
    by: ['I3'],
    'admin.cancel': () => Promise.resolve({ verdict: 'cancelled', from: 'waiting', cascaded: [] }),
  },

  'a queue is not resumed': { by: ['I16'], 'admin.resume': () => Promise.resolve(true) },

  'results are mixed up': {
    by: ['I3'],
    settle: (run, [call, request, opts]) =>
      run(
        call,
        {
          ...request,
          outcomes: request.outcomes.map((outcome, i) =>
            i === 0 || outcome.kind !== 'complete' ? outcome : { ...outcome, result: request.outcomes[0].result },
          ),
        },
        opts,
      ),
  },
};

const NEVER = { id: 'never', idGiven: true, name: 'default', meta: {}, priority: 0, delayMs: 1e11 };

let calls = 0;

/** A call that nobody has made before. */
const fresh = () => ({ client: `mutant ${(calls += 1)}`, n: 1, acked: 0 });

const withoutLetter = ({ policy, ...request }) => ({
  ...request,
  policy: { ...policy, deadLetter: undefined, key: `${policy.key} without` },
});

const unique = (refs) => [...new Map(refs.map((ref) => [`${ref.queue}/${ref.id}`, ref])).values()];

async function fenceNow(server, queue, id) {
  const job = await server.run('admin.get', [queue, id]);
  return job?.status === 'active' ? job.fence : undefined;
}
