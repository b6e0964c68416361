// Where processes and connections die in F03: every operation of the store that changes something, on each store also
// what happens below it in several steps, and how a process is brought to call it. Each case has queues of its own.

const settles = (kind) => ({ op: 'settle', about: [`"kind":"${kind}"`] });
const found = (id) => [`"id":"${id}"`];
const is = (id, test) => async (admin, queue) => test((await admin.get(queue, id)) ?? { status: 'unknown' });
const exists = (id) => is(id, ({ status }) => status !== 'unknown');
const hasStatus = (id, ...statuses) => is(id, ({ status }) => statuses.includes(status));
const hasHappened = (id, what) => is(id, ({ timeline = [] }) => timeline.some(({ event }) => event === what));
const isRecorded = (test) => async (admin, queue) => test(await admin.record(queue));
const below = (test) => (admin, queue) => test(admin, `${queue}-down`);

const always = () => true;
/** What goes on at once when the process has the reply may or may not have arrived. */
const notYet = (when) => (when === 'after' ? undefined : false);

/** A job that goes on for a while when it first runs. */
const long = (ms, more) => ({ data: { first: { ms }, ...more } });
const FAR = { opts: { delay: 3_600_000 } };

/**
 * - `op`: method of the store, or what is below it: `script.` of Redis, `client.` a statement of a user's transaction;
 *   `about`, `found`: what its arguments and its reply contain; `stores`: those that have it
 * - `job`: a job `j` waits in the queue; `before`: what is asked for beforehand
 * - `act`: what the process is asked for (see crash-actor.mjs), else it consumes the queue; with `consumes` both; `apart`:
 *   also the case that ends a connection has a process of its own
 * - `with`: more queues of the case; `undo`: so that its jobs can run; `covers`: a method of the store that it stands for
 * - `took`: whether the operation has taken effect; it has not before it was sent, and has when it was carried out,
 *   unless `visible` says otherwise
 * - `leaves`: what the case's jobs end as, by default `j` completed; `*` is one more whose id nobody knows. Without jobs
 *   it is `gone`. `effects`: rows that its transactions have written
 */
const OPERATIONS = {
  sweep: {
    op: 'sweep',
    found: found('left'),
    // Who claims nothing has to sweep.
    slots: 1,
    act: 'abandon',
    consumes: true,
    job: long(9_000),
    // All such queues of a process are swept in one call.
    apart: true,
    took: is('left', ({ status }) => status !== 'active'),
    leaves: { j: 'completed', left: 'completed' },
    stalls: true,
  },
  add: { op: 'enqueue', act: 'add', took: exists('a'), leaves: { a: 'completed' } },
  bulk: {
    op: 'enqueue',
    act: 'bulk',
    took: exists('b3'),
    leaves: { b1: 'completed', b2: 'completed', b3: 'completed' },
  },
  parents: {
    op: 'enqueue',
    act: 'parents',
    with: ['up'],
    took: exists('a'),
    leaves: { a: 'completed', 'up/parent': 'completed' },
  },
  child: {
    op: 'enqueue',
    about: ['"child-j"'],
    job: { data: { child: true } },
    took: exists('child-j'),
    leaves: { j: 'completed', 'child-j': 'completed' },
  },
  claim: { op: 'claim', found: found('j'), job: {}, took: is('j', ({ fence }) => fence > 0) },
  due: {
    op: 'claim',
    hit: { before: 2 },
    found: found('later'),
    act: 'later',
    consumes: true,
    took: is('later', ({ fence }) => fence > 0),
    leaves: { later: 'completed' },
  },
  heartbeat: { op: 'extend', job: long(6_000) },
  progress: {
    op: 'annotate',
    job: long(2_500, { progress: true }),
    took: is('j', ({ progress }) => progress !== undefined),
  },
  complete: { ...settles('complete'), job: {}, took: hasStatus('j', 'completed') },
  dependants: {
    ...settles('complete'),
    job: {},
    before: ['dependant'],
    with: ['down'],
    took: hasStatus('j', 'completed'),
    leaves: { j: 'completed', 'down/d': 'completed' },
  },
  fail: {
    ...settles('fail'),
    job: { data: { fail: 99 } },
    took: hasStatus('j', 'failed'),
    leaves: { j: 'failed' },
  },
  retry: { ...settles('retry'), job: { data: { fail: 1 } }, took: hasHappened('j', 'attempt-failed') },
  release: { ...settles('release'), job: { data: { release: true } }, took: hasHappened('j', 'released') },
  declare: { op: 'admin.declare', took: isRecorded((record) => record !== undefined), leaves: {} },
  cancel: {
    op: 'admin.cancel',
    act: 'cancel',
    job: {},
    took: hasStatus('j', 'cancelled'),
    leaves: { j: 'cancelled' },
  },
  remove: { op: 'admin.remove', act: 'remove', job: {}, took: hasStatus('j', 'unknown'), gone: true },
  promote: { op: 'admin.promote', act: 'promote', job: FAR, took: hasStatus('j', 'waiting') },
  rerun: {
    op: 'admin.retry',
    act: 'rerun',
    job: {},
    before: ['cancel'],
    took: is('j', ({ retriedById }) => retriedById !== undefined),
    leaves: { j: 'cancelled', '*': 'completed' },
  },
  updateData: { op: 'admin.updateData', act: 'updateData', job: {}, took: is('j', ({ data }) => data === '{"ms":1}') },
  changeDelay: {
    op: 'admin.changeDelay',
    act: 'changeDelay',
    job: FAR,
    took: is('j', ({ runAt, createdAt }) => runAt - createdAt < 600_000),
  },
  changePriority: {
    op: 'admin.changePriority',
    act: 'changePriority',
    job: {},
    took: is('j', ({ priority }) => priority === 3),
  },
  pause: { op: 'admin.pause', act: 'pause', job: {}, undo: 'resume', took: isRecorded(({ paused }) => paused) },
  resume: { op: 'admin.resume', act: 'resume', job: {}, before: ['pause'], took: isRecorded(({ paused }) => !paused) },
  disable: {
    op: 'admin.disable',
    act: 'disable',
    job: {},
    undo: 'enable',
    took: isRecorded(({ disabled }) => disabled),
  },
  enable: {
    op: 'admin.enable',
    act: 'enable',
    job: {},
    before: ['disable', 'hold'],
    took: isRecorded(({ disabled }) => !disabled),
    leaves: { j: 'completed', held: 'completed' },
  },
  obliterate: { op: 'admin.obliterate', act: 'obliterate', job: {}, took: hasStatus('j', 'unknown'), gone: true },

  // What a transition leaves for other slots is carried there step by step.
  link: {
    op: 'script.link',
    stores: ['redis'],
    // A connection that another case cuts would have it take other steps.
    apart: true,
    act: 'linked',
    before: ['parent'],
    with: ['up'],
    took: exists('a'),
    visible: always,
    leaves: { a: 'completed', 'up/parent': 'completed' },
  },
  resolve: {
    op: 'script.resolve',
    stores: ['redis'],
    apart: true,
    act: 'linked',
    before: ['parent'],
    with: ['up'],
    took: exists('a'),
    visible: always,
    leaves: { a: 'completed', 'up/parent': 'completed' },
  },
  outbox: {
    op: 'script.outbox',
    stores: ['redis'],
    apart: true,
    job: {},
    before: ['dependant'],
    with: ['down'],
    took: below(is('d', ({ status }) => status !== 'waiting-children')),
    visible: notYet,
    leaves: { j: 'completed', 'down/d': 'completed' },
  },
  apply: {
    op: 'script.apply',
    stores: ['redis'],
    apart: true,
    job: {},
    before: ['dependant'],
    with: ['down'],
    took: below(is('d', ({ status }) => status !== 'waiting-children')),
    leaves: { j: 'completed', 'down/d': 'completed' },
  },
  applied: {
    op: 'script.outbox',
    hit: 2,
    stores: ['redis'],
    apart: true,
    job: {},
    before: ['dependant'],
    with: ['down'],
    took: below(is('d', ({ status }) => status !== 'waiting-children')),
    visible: always,
    leaves: { j: 'completed', 'down/d': 'completed' },
  },
  more: {
    op: 'script.more',
    stores: ['redis'],
    apart: true,
    job: { data: { fail: 99 } },
    before: ['doomed'],
    with: ['down'],
    took: below(hasStatus('d', 'failed')),
    visible: always,
    leaves: { j: 'failed', 'down/d': 'failed' },
  },

  // Transactions of the user's: nothing of them counts before their COMMIT.
  txAdd: {
    op: 'client.enqueue',
    stores: ['postgres'],
    act: 'addTx',
    took: exists('a'),
    visible: notYet,
    leaves: { a: 'completed' },
    effects: 1,
  },
  txAddCommit: {
    op: 'client.commit',
    stores: ['postgres'],
    act: 'addTx',
    took: exists('a'),
    leaves: { a: 'completed' },
    effects: 1,
  },
  txComplete: {
    op: 'client.complete',
    covers: 'transactions.complete',
    stores: ['postgres'],
    job: { data: { tx: true } },
    before: ['dependant'],
    with: ['down'],
    took: hasStatus('j', 'completed'),
    visible: notYet,
    leaves: { j: 'completed', 'down/d': 'completed' },
    effects: 1,
  },
  txCommit: {
    op: 'client.commit',
    stores: ['postgres'],
    job: { data: { tx: true } },
    before: ['dependant'],
    with: ['down'],
    took: hasStatus('j', 'completed'),
    leaves: { j: 'completed', 'down/d': 'completed' },
    effects: 1,
  },
};

const WHEN = ['before', 'lost', 'after'];
const HOW = ['process', 'connection'];

/** Each operation of a store at each point with each death. */
export function cases(store) {
  return Object.entries(OPERATIONS)
    .filter(([, { stores }]) => !stores || stores.includes(store))
    .flatMap(([name, operation]) =>
      WHEN.flatMap((when) =>
        HOW.map((how) => completed(operation, { name, when, how, queue: `${name}-${when}-${how}` })),
      ),
    );
}

function completed(operation, one) {
  const { gone = false, leaves = gone ? {} : { j: 'completed' }, before = [], visible = wasCarriedOut } = operation;
  const queues = [one.queue, ...(operation.with ?? []).map((suffix) => `${one.queue}-${suffix}`)];
  return { ...operation, ...one, gone, leaves, before, visible, queues };
}

const wasCarriedOut = (when) => when !== 'before';

/** The point of a case, as the hooks take it; it is named by its queue. */
export const pointOf = ({ op, hit = 1, when, how, queue, about = [], found: texts }) => ({
  op,
  name: queue,
  hit: typeof hit === 'number' ? hit : (hit[when] ?? 1),
  when,
  how,
  about: [`"${queue}"`, ...about],
  // What is not sent has no reply to look at.
  ...(texts && when !== 'before' && { found: texts }),
});

/** Why no case calls a method of the store. */
const ELSEWHERE = {
  'reads only': [
    ...['record', 'get', 'find', 'counts', 'locate', 'verify', 'queues'].map((method) => `admin.${method}`),
    ...['transactions.fateOf', 'transactions.opener'],
  ],
  'called by the other methods': ['drain', 'passOn'],
};

/** The same for scripts of Redis; those that a method of the store is are struck there. */
const SCRIPTS_ELSEWHERE = {
  'is a method': [
    'annotate',
    'change',
    'claim',
    'enqueue',
    'extend',
    'obliterate',
    'queue',
    'retry',
    'settle',
    'sweep',
  ],
  'reads only': ['counts', 'exists', 'find', 'get', 'peek', 'record', 'ties', 'unlinked', 'verify', 'leader_current'],
  'no part of the store': ['leader_campaign', 'leader_resign', 'lock_acquire', 'lock_release', 'lock_renew'],
  'hints, which may be lost': ['pass', 'publish'],
};

/** Methods and scripts of a store that no case calls: a new operation is noticed. */
export function uncovered(store, methods, scripts = []) {
  const mine = Object.values(OPERATIONS).filter(({ stores }) => !stores || stores.includes(store));
  const known = new Set([
    ...mine.flatMap(({ op, covers = op }) => [op, covers]),
    ...Object.values(ELSEWHERE).flat(),
    ...Object.values(SCRIPTS_ELSEWHERE)
      .flat()
      .map((script) => `script.${script}`),
  ]);
  return [...methods, ...scripts.map((script) => `script.${script}`)].filter((one) => !known.has(one));
}
