import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks';

/** What goes along with everything that code does, also behind its awaits. */
export interface Ambient {
  /** The context of the running job. */
  readonly job?: object | undefined;
  readonly correlationId?: string | undefined;
}

const storage = new AsyncLocalStorage<Ambient>();

/** Made as this module loads: in it there is no request's and no other job's context, of nobody's storage. */
const outside = new AsyncResource('oqronkit', { requireManualDestroy: true });

const NOTHING: Ambient = {};

let used = false;

/**
 * Somebody in this process wants to know where code runs. Until then nothing is kept: from the first use of an
 * `AsyncLocalStorage` on, every promise of the process costs more on Node 20 and 22.
 */
export function useAmbient(): void {
  used = true;
}

export function ambientIsUsed(): boolean {
  return used;
}

export function ambient(): Ambient | undefined {
  return used ? storage.getStore() : undefined;
}

/** Runs `code` where it is, with something more around it. */
export function withAmbient<T>(more: Ambient, code: () => T): T {
  used = true;
  return storage.run({ ...storage.getStore(), ...more }, code);
}

/** Runs code with this and nothing else around it. */
export function withOnly<T>(own: Ambient, code: () => T): T {
  return storage.run(own, code);
}

/**
 * Runs code without what the caller happens to be in, of anybody's storage. Loops are woken by whoever adds a job, and
 * a job must not see the request, user or span of another one.
 */
export function apart<T>(code: () => T): T {
  return outside.runInAsyncScope(code);
}

/** Runs code that belongs to no job and no request, such as listeners: what it adds must not carry anybody's id. */
export function runWithoutAmbient<T>(code: () => T): T {
  return used && storage.getStore() ? storage.run(NOTHING, code) : code();
}
