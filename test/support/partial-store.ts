import type { JobStore } from 'oqronkit';

/** A store of which a test needs only some operations; any other throws. */
export function partialStore(operations: Partial<JobStore>): JobStore {
  return new Proxy(operations as JobStore, {
    get(target, key) {
      if (key in target) return Reflect.get(target, key) as unknown;
      throw new Error(`the test did not expect store.${String(key)}`);
    },
  });
}
