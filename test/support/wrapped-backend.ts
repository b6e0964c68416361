import type { Backend, JobStore } from 'oqronkit';

/** `enqueue`, `claim`, ..., and `admin.get`, `admin.cancel`, ... */
export type StoreOperation = string;

/** Runs around each operation of a store; calls `run` as often as it likes. */
export type Around = (operation: StoreOperation, args: readonly unknown[], run: () => Promise<unknown>) => unknown;

type Method = (...args: readonly unknown[]) => Promise<unknown>;

function wrap<T extends object>(target: T, prefix: string, around: Around): T {
  return new Proxy(target, {
    get(object, key) {
      const value: unknown = Reflect.get(object, key, object);
      if (key === 'admin' && typeof value === 'object' && value !== null) return wrap(value, 'admin.', around);
      if (typeof value !== 'function') return value;
      const method = value as Method;
      return async (...args: readonly unknown[]) =>
        around(`${prefix}${String(key)}`, args, () => Reflect.apply(method, object, args) as Promise<unknown>);
    },
  });
}

/** A store whose every operation passes through `around`. */
function wrapStore(store: JobStore, around: Around): JobStore {
  return wrap(store, '', around);
}

/** The same backend with such a store; other parts may be replaced too. */
export function wrapBackend(backend: Backend, around: Around, parts: Partial<Backend> = {}): Backend {
  return {
    store: wrapStore(backend.store, around),
    signals: backend.signals,
    open: () => backend.open(),
    close: () => backend.close(),
    ...parts,
  };
}
