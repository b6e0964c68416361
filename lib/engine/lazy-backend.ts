import { EngineStateError } from '../kernel/errors/index.js';
import type { Backend } from '../kernel/ports/backend.js';
import type { JobAdmin } from '../kernel/ports/job-admin.js';
import type { Capabilities, JobStore } from '../kernel/ports/job-store.js';
import type { LeaderElection } from '../kernel/ports/leader.js';
import type { ILockAdapter } from '../kernel/ports/lock.js';
import type { Signals } from '../kernel/ports/signals.js';

/** What a store does itself. */
type StoreMethods = Omit<JobStore, 'capabilities' | 'admin' | 'transactions'>;

/** Every method of a port; the compiler keeps the list complete. */
type MethodsOf<T> = { readonly [K in keyof T]-?: true };

const STORE: MethodsOf<StoreMethods> = {
  enqueue: true,
  claim: true,
  settle: true,
  extend: true,
  annotate: true,
  sweep: true,
};

const ADMIN: MethodsOf<JobAdmin> = {
  declare: true,
  record: true,
  get: true,
  find: true,
  counts: true,
  locate: true,
  verify: true,
  queues: true,
  cancel: true,
  remove: true,
  promote: true,
  updateData: true,
  changeDelay: true,
  changePriority: true,
  retry: true,
  pause: true,
  resume: true,
  disable: true,
  enable: true,
  obliterate: true,
};

const SIGNALS: MethodsOf<Signals> = { listen: true, send: true, broadcast: true, passOn: true };

const LEADER: MethodsOf<LeaderElection> = { campaign: true, resign: true, current: true };

const LOCK: MethodsOf<ILockAdapter> = { acquire: true, renew: true, release: true, isOwner: true, renewMany: true };

/**
 * A backend whose code is loaded with its first `open`: an engine is made synchronously, and a store that is not chosen
 * must not cost its users its client. Opening and closing take turns, so it can be opened again after a failure.
 */
export function lazyBackend(name: string, load: () => Promise<Backend>): Backend {
  let loaded: Backend | undefined;
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = (run: () => Promise<void>): Promise<void> => {
    const next = last.then(run);
    last = next.catch(() => undefined);
    return next;
  };
  const unknown: Capabilities = { backend: name, transactions: false, fenced: true, durability: 'unknown' };
  const admin = forwarding<JobAdmin>(ADMIN, () => loaded?.store.admin, name);
  const store = forwarding<StoreMethods>(STORE, () => loaded?.store, name);
  return {
    store: {
      ...store,
      admin,
      get capabilities() {
        return loaded?.store.capabilities ?? unknown;
      },
      get transactions() {
        return loaded?.store.transactions;
      },
    },
    signals: forwarding<Signals>(SIGNALS, () => loaded?.signals, name),
    leader: forwarding<LeaderElection>(LEADER, () => loaded?.leader, name),
    adapters: { lock: forwarding<ILockAdapter>(LOCK, () => loaded?.adapters?.lock, name) },
    get warnings() {
      return loaded?.warnings ?? [];
    },
    open: () =>
      inTurn(async () => {
        loaded ??= await load();
        await loaded.open();
      }),
    close: () => inTurn(async () => loaded?.close()),
  };
}

function forwarding<T extends object>(methods: MethodsOf<T>, target: () => T | undefined, name: string): T {
  const forward =
    (method: string) =>
    (...args: readonly unknown[]): Promise<unknown> => {
      const object = target();
      if (!object) return Promise.reject(new EngineStateError(`${name}.${method}`, 'the store has not been opened'));
      return Reflect.apply(Reflect.get(object, method) as (...all: unknown[]) => Promise<unknown>, object, args);
    };
  return Object.fromEntries(Object.keys(methods).map((method) => [method, forward(method)])) as T;
}
