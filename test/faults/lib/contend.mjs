// For worker.mjs: takes jobs and ends them by the store's own calls, many at once and in any order, without an engine
// that would keep such things apart.
import { percentile } from './figures.mjs';
import { seeded } from './random.mjs';

const CLAIM = 50;
const SETTLE = 100;
/** Taken ahead of what is settled, at most. */
const AHEAD = 4 * SETTLE;
const LEASE_MS = 60_000;
/** So long a settle waits for a full hundred. */
const PATIENCE_MS = 100;
const IDLE_MS = 10;
const SWEEP_EVERY_MS = 100;

const KEEP = { count: 100, ageMs: 3_600_000 };
const POLICY = {
  key: 'contend',
  guaranteedWorker: true,
  maxStalledCount: 3,
  stallBackoff: { delayMs: 0, maxDelayMs: 0 },
  keep: { defaults: { completed: KEEP, failed: KEEP } },
};

export function requests({ store, signals, ledger, config, sleep }) {
  const { who } = config;
  let over = false;

  return {
    finish: () => {
      over = true;
    },
    /** Resolves after `finish`, when nothing is left. Only who `listens` is woken by a NOTIFY. */
    contend: async ({ queue, seed, listens = false }) => {
      over = false;
      const random = seeded(seed);
      const took = [];
      const held = [];
      const told = { most: 0, claims: 0, settles: 0, swept: 0, heard: 0 };
      const hear = ({ kind }) => (told.heard += kind === 'wake' ? 1 : 0);
      const unlisten = listens ? await signals.listen(who, hear, () => undefined) : undefined;
      const want = { count: CLAIM, leaseMs: LEASE_MS, owner: who, policy: POLICY };
      const take = ({ jobs }) => {
        told.most = Math.max(told.most, jobs.length);
        ledger.notes(jobs.flatMap(({ id, fence }) => ['start', 'effect'].map((event) => [event, queue, id, fence])));
        held.push(...jobs.map(({ id, fence }) => ({ id, fence })));
        return jobs.length;
      };
      const claims = async () => {
        const call = caller(`${who}-${queue}-claims`);
        while (!over) {
          if (held.length < AHEAD) {
            told.claims += 1;
            const [reply] = await store.claim([{ ...want, call: call(), queue }]);
            if (take(reply) > 0) continue;
          }
          await sleep(IDLE_MS);
        }
      };
      const settles = async () => {
        const call = caller(`${who}-${queue}-settles`);
        let since = performance.now();
        while (!over || held.length > 0) {
          const patient = performance.now() - since < PATIENCE_MS;
          if (held.length === 0 || (held.length < SETTLE && patient && !over)) {
            await sleep(IDLE_MS);
            continue;
          }
          shuffle(held, random);
          const outcomes = held.splice(0, SETTLE).map(({ id, fence }) => ({ id, fence, kind: 'complete' }));
          told.settles += 1;
          const more = !over && random.chance(0.5) && held.length < AHEAD;
          const sent = performance.now();
          const reply = await store.settle(call(), { queue, outcomes, ...(more && { claim: want }) });
          took.push(performance.now() - sent);
          if (reply.claim) take(reply.claim);
          since = performance.now();
        }
      };
      const sweeps = async () => {
        while (!over) {
          told.swept += 1;
          await store.sweep({ queues: [queue], limit: 500 });
          await sleep(SWEEP_EVERY_MS);
        }
      };
      await Promise.all([claims(), settles(), sweeps()]);
      await unlisten?.();
      return { ...told, settleMs: percentile(took, 0.99) ?? 0 };
    },
  };
}

/** Numbers the calls of one client that waits for each answer. */
function caller(client) {
  let n = 0;
  return () => {
    n += 1;
    return { client, n, acked: n - 1 };
  };
}

function shuffle(list, random) {
  for (let i = list.length - 1; i > 0; i -= 1) {
    const j = random.whole(0, i);
    [list[i], list[j]] = [list[j], list[i]];
  }
}
