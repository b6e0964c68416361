// What stands between an engine and its store in a worker of the lab: writes down what the store answered, and dies,
// cuts or loses a reply at an exact call.

/** Leases that are renewed more slowly are written down (ms). */
const SLOW_MS = 250;

/**
 * Where a process or its connection dies. `points` are `{ op, hit, when: 'before' | 'lost' | 'after', how: 'process' |
 * 'connection' }`: at the `hit`th call of `op` before it is sent, when it was carried out and its reply is lost, or after
 * its reply. With `about` (texts) only calls count whose arguments contain all of them, with `found` only those whose
 * reply does. Each point strikes once, and a call is struck by one of them: the others wait for their next call.
 *
 * A process that dies `after` a reply has taken it: what the engine does with it at once is done. A connection that dies
 * after one is noticed by the next call, whatever that is, unless another point waits for that one; `reached` then hears
 * of the point again, with `next`.
 */
export function crashPoints({ ledger, points = [], unreachable, reached = () => undefined }) {
  const open = new Set(points);
  const hits = new Map();
  // Connections that died after a reply, and that nobody has noticed yet.
  const gone = [];

  /** `link`: the connection of this very call, where it can be cut for real. */
  const around = (op, args, run, link) => {
    if (open.size === 0 && gone.length === 0) return run();
    const about = [...open].filter((one) => one.op === op && isAbout(args, one.about));
    if (about.length === 0) return gone.length > 0 ? notice(gone.shift(), op) : run();
    const point = due(about.filter(({ found }) => !found));
    if (point) return strike(point, run, link);
    const answered = about.filter(({ found }) => found);
    return answered.length === 0 ? run() : look(answered, run, link);
  };

  const due = (list) => {
    for (const one of list) hits.set(one, (hits.get(one) ?? 0) + 1);
    return list.find((one) => hits.get(one) >= one.hit);
  };

  const notice = (point, op) => {
    ledger.note('point', '-', '-', '-', `${point.op}:${point.hit}:noticed:${op}`);
    reached({ ...point, next: op });
    return Promise.reject(unreachable(`the connection is gone (${op})`));
  };

  const strike = async (point, run, link) => {
    const { op, when, how } = point;
    if (when !== 'before') {
      // Nobody else may be struck by it while this call is under way. One that fails by itself was not carried out.
      open.delete(point);
      const reply = await run().catch((error) => {
        open.add(point);
        throw error;
      });
      return answer(point, reply, link);
    }
    mark(point);
    if (how === 'process') return die();
    throw link ? link.cut() : unreachable(`${op} was not sent`);
  };

  const look = async (answered, run, link) => {
    const reply = await run();
    const point = due(answered.filter((one) => open.has(one) && isAbout(reply, one.found)));
    return point ? answer(point, reply, link) : reply;
  };

  const answer = (point, reply, link) => {
    const { op, when, how } = point;
    mark(point);
    if (how === 'process') {
      if (when === 'lost') return die();
      setImmediate(die);
      return reply;
    }
    if (when === 'lost') throw link ? link.cut() : unreachable(`the reply to ${op} is lost`);
    if (!link) gone.push(point);
    else {
      link.cut();
      reached({ ...point, next: 'whatever comes on it' });
    }
    return reply;
  };

  const mark = (point) => {
    const { op, hit, when, how } = point;
    open.delete(point);
    ledger.note('point', '-', '-', '-', `${op}:${hit}:${when}:${how}`);
    reached({ ...point });
  };

  return { around };
}

/**
 * Wraps a store. `ledger` gets `claim`, `settle`, `lease` and `slow` events. `points` are those of `crashPoints`; their ops are
 * the methods of the store (`enqueue`, `claim`, `settle`, `extend`, `annotate`, `sweep`, `admin.cancel`,
 * `transactions.complete`, ...). `override` are functions instead of those of the store.
 */
export function hooked(store, { ledger, points = [], unreachable, override = {}, reached = () => undefined }) {
  const { around } = crashPoints({ ledger, points, unreachable, reached });

  const claimed = (reply, askedAt) => {
    if (!reply || reply.jobs.length === 0) return;
    const took = Math.round(performance.now() - askedAt);
    // How late, by the store's own clock; below 0 it is too early.
    const detail = (job) => `late=${reply.now - job.runAt},took=${took},stalled=${job.stalledCount}`;
    ledger.notes(reply.jobs.map((job) => ['claim', reply.queue, job.id, job.fence, detail(job)]));
  };

  const watched = {
    async claim(run) {
      const askedAt = performance.now();
      const replies = await run();
      for (const reply of replies) claimed(reply, askedAt);
      return replies;
    },
    async settle(run, [, request]) {
      const askedAt = performance.now();
      const reply = await run();
      ledger.notes(
        request.outcomes.map(({ id, fence, kind }, i) => [
          'settle',
          request.queue,
          id,
          fence,
          `verdict=${reply.verdicts[i]},kind=${kind}`,
        ]),
      );
      claimed(reply.claim, askedAt);
      return reply;
    },
    async extend(run, [leases]) {
      const askedAt = performance.now();
      const verdicts = await run();
      const took = Math.round(performance.now() - askedAt);
      if (took > SLOW_MS) ledger.note('slow', '-', '-', '-', took);
      const gone = leases.flatMap(({ queue, id, fence }, i) =>
        verdicts[i] === 'lost' || verdicts[i] === 'cancelled' ? [['lease', queue, id, fence, verdicts[i]]] : [],
      );
      ledger.notes(gone);
      return verdicts;
    },
  };

  const wrap = (target, prefix) =>
    new Proxy(target, {
      get(object, key) {
        const value = Reflect.get(object, key, object);
        if (value && (key === 'admin' || key === 'transactions')) return wrap(value, `${key}.`);
        if (typeof value !== 'function') return value;
        const op = `${prefix}${String(key)}`;
        const method = prefix === '' && override[key] ? override[key] : value.bind(object);
        const look = prefix === '' ? watched[key] : undefined;
        return (...args) => {
          const run = () => around(op, args, async () => method(...args));
          return look ? look(run, args) : run();
        };
      },
    });
  return wrap(store, '');
}

function isAbout(value, texts = []) {
  if (texts.length === 0) return true;
  const text = JSON.stringify(value, plain) ?? '';
  return texts.every((one) => text.includes(one));
}

/** Leaves out clients and pools, which nobody can write down. */
function plain(key, value) {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null ? value : undefined;
}

function die() {
  process.kill(process.pid, 'SIGKILL');
  // Nothing of this process may happen any more.
  return new Promise(() => undefined);
}
