import { Redis } from 'ioredis';
import { StoreUnreachableError } from '../../lib/kernel/errors/index.js';
import type { ConformanceSubject } from '../../lib/conformance/index.js';
import type { JobAdmin } from '../../lib/kernel/ports/job-admin.js';
import type { JobStore } from '../../lib/kernel/ports/job-store.js';

/** What goes wrong while calls are under way. */
export interface Chaos {
  /** It strikes beside one of so many calls. */
  readonly every: number;
  /** How often it struck. */
  strikes: number;
  /** Calls that lost their connection and were sent again. */
  resends: number;
}

/** A note that is sent twice may stand twice, and a sweep whose reply is lost has told nobody: the port says so. */
const TELLING = new Set<string | symbol>(['annotate', 'sweep']);

/** Sends calls that lost their connection again, under the same call number, as the engine's lanes do. */
function resending<T extends object>(target: T, strike: () => void, chaos: Chaos): T {
  return new Proxy(target, {
    get(object, name) {
      const value: unknown = Reflect.get(object, name, object);
      if (typeof value !== 'function') return value;
      return async (...args: unknown[]): Promise<unknown> => {
        const send = (): Promise<unknown> => (value as (...all: unknown[]) => Promise<unknown>).apply(object, args);
        if (!TELLING.has(name)) strike();
        for (let attempt = 0; ; attempt += 1) {
          try {
            return await send();
          } catch (error) {
            if (!(error instanceof StoreUnreachableError) || attempt === 2_000) throw error;
            chaos.resends += 1;
            await new Promise((resolve) => setTimeout(resolve, 2));
          }
        }
      };
    },
  });
}

/**
 * A subject whose server forgets its scripts and cuts the connections of commands and heartbeats again and again, while
 * calls are under way.
 */
export function chaotic(subject: ConformanceSubject, urls: readonly string[], chaos: Chaos): ConformanceSubject {
  const nemeses = urls.map((url) => new Redis(url));
  for (const nemesis of nemeses) nemesis.on('error', () => undefined);
  let calls = 0;
  const strike = (): void => {
    calls += 1;
    if (calls % chaos.every !== 0) return;
    chaos.strikes += 1;
    for (const nemesis of nemeses) {
      void nemesis.script('FLUSH').catch(() => undefined);
      void nemesis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes').catch(() => undefined);
    }
  };
  const admin = resending<JobAdmin>(subject.store.admin, strike, chaos);
  const store = new Proxy(resending<JobStore>(subject.store, strike, chaos), {
    get: (object, name) => (name === 'admin' ? admin : (Reflect.get(object, name) as unknown)),
  });
  const close = async (): Promise<void> => {
    for (const nemesis of nemeses) nemesis.disconnect();
    await subject.close();
  };
  const { signals } = subject;
  return { store, ...(signals && { signals: resending(signals, () => undefined, chaos) }), close };
}
