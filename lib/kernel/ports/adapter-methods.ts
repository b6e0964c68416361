import type { IBrokerEngine } from './broker.js';
import type { LeaderElection } from './leader.js';
import type { ILockAdapter } from './lock.js';
import type { IStorageEngine } from './storage.js';

/** Every method of an adapter's interface, and whether an adapter must have it. The compiler keeps it complete. */
export type MethodTable<A> = { readonly [K in keyof A]-?: undefined extends A[K] ? 'optional' : 'required' };

/** The methods that an adapter may leave out. @publicApi */
export type OptionalMethod<A> = { [K in keyof A]-?: undefined extends A[K] ? K : never }[keyof A];

export const STORAGE_METHODS: MethodTable<IStorageEngine> = {
  save: 'required',
  get: 'required',
  list: 'required',
  delete: 'required',
  prune: 'required',
  count: 'required',
  saveIfAbsent: 'optional',
  bulkSave: 'optional',
  bulkGet: 'optional',
  bulkDelete: 'optional',
  increment: 'optional',
  compareAndSet: 'optional',
  bulkCompareAndSet: 'optional',
};

export const BROKER_METHODS: MethodTable<IBrokerEngine> = {
  publish: 'required',
  claim: 'required',
  extendLock: 'required',
  ack: 'required',
  nack: 'required',
  pause: 'required',
  resume: 'required',
  claimBlocking: 'optional',
  publishBatch: 'optional',
  remove: 'optional',
  isPaused: 'optional',
  size: 'optional',
  broadcast: 'optional',
  subscribe: 'optional',
};

export const LOCK_METHODS: MethodTable<ILockAdapter> = {
  acquire: 'required',
  renew: 'required',
  release: 'required',
  isOwner: 'required',
  renewMany: 'optional',
};

/** No public adapter: a part of a backend. */
export const LEADER_METHODS: MethodTable<LeaderElection> = {
  campaign: 'required',
  resign: 'required',
  current: 'required',
};
