import { Client } from 'pg';
import { StoreUnreachableError } from '../../lib/kernel/errors/index.js';
import type { ConformanceSubject } from '../../lib/conformance/index.js';
import type { JobAdmin } from '../../lib/kernel/ports/job-admin.js';
import type { JobStore } from '../../lib/kernel/ports/job-store.js';

/** What goes wrong while calls are under way. */
export interface Chaos {
  /** It strikes beside one of so many calls. */
  readonly every: number;
  calls: number;
  /** How often it struck. */
  strikes: number;
  /** Connections that were ended. */
  ended: number;
  /** Calls that lost their connection and were sent again. */
  resends: number;
}

/** A note that is sent twice may stand twice, and a sweep whose reply is lost has told nobody: the port says so. */
const TELLING = new Set<string | symbol>(['annotate', 'sweep']);

/** Ends the connections that bear one name, again and again. */
export class Nemesis {
  #client: Client | undefined;
  #under: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly url: string,
    /** The `application_name` of the connections that it may end. */
    private readonly victims: string,
    private readonly chaos: Chaos,
  ) {}

  async open(): Promise<void> {
    this.#client = new Client({ connectionString: this.url });
    this.#client.on('error', () => undefined);
    await this.#client.connect();
  }

  async close(): Promise<void> {
    await this.#under;
    await this.#client?.end();
  }

  /** Beside every so many calls, while they are under way. The connection that listens stays. */
  strike(): void {
    this.chaos.calls += 1;
    if (this.chaos.calls % this.chaos.every !== 0) return;
    this.chaos.strikes += 1;
    this.#under = this.#under.then(() => this.#strike());
  }

  /** After the last strike. */
  async calm(): Promise<void> {
    await this.#under;
  }

  async #strike(): Promise<void> {
    const text = `select pg_terminate_backend(pid) from pg_stat_activity
      where application_name = $1 and pid <> pg_backend_pid() and query !~* '^listen'`;
    const { rowCount } = (await this.#client?.query(text, [this.victims])) ?? { rowCount: 0 };
    this.chaos.ended += rowCount ?? 0;
  }

  /** Sends calls that lost their connection again, under the same call number, as the engine's lanes do. */
  resending<T extends object>(target: T): T {
    return new Proxy(target, {
      get: (object, name) => {
        const value: unknown = Reflect.get(object, name, object);
        if (typeof value !== 'function') return value;
        return async (...args: unknown[]): Promise<unknown> => {
          if (TELLING.has(name)) await this.calm();
          else this.strike();
          for (let attempt = 0; ; attempt += 1) {
            try {
              return await (value as (...all: unknown[]) => Promise<unknown>).apply(object, args);
            } catch (error) {
              if (!(error instanceof StoreUnreachableError) || attempt === 500) throw error;
              this.chaos.resends += 1;
              await new Promise((resolve) => setTimeout(resolve, 2));
            }
          }
        };
      },
    });
  }

  /** The subject, struck. */
  haunt(subject: ConformanceSubject): ConformanceSubject {
    const admin = this.resending<JobAdmin>(subject.store.admin);
    const store = new Proxy(this.resending<JobStore>(subject.store), {
      get: (object, name) => (name === 'admin' ? admin : (Reflect.get(object, name) as unknown)),
    });
    const { signals } = subject;
    return { store, ...(signals && { signals: this.resending(signals) }), close: () => subject.close() };
  }
}

/** An address whose connections bear a name. */
export function named(url: string, name: string): string {
  const named_ = new URL(url);
  named_.searchParams.set('application_name', name);
  return named_.href;
}
