import { OqronEngine, type OqronConfig } from 'oqronkit';
import { build } from '../support/build.js';
import { until } from '../support/until.js';
import { EngineProcess, Ledger, QUEUE } from './engine-process.js';

/** Where engines of one test find each other: mode, connection, project. It goes to other processes as JSON. */
export type Home = Pick<OqronConfig, 'mode' | 'redis' | 'postgres' | 'project' | 'environment'>;

/** Engine processes of one project, an engine of the test beside them that looks, and their ledger. */
export class Fleet {
  readonly ledger = new Ledger();
  /** Consumes nothing. */
  readonly watcher: OqronEngine;
  readonly #processes: EngineProcess[] = [];

  constructor(readonly home: Home) {
    build();
    this.watcher = new OqronEngine({ ...home, logger: false, modules: [] });
  }

  /** Starts a process; it answers when its engine runs. */
  async start(settings: EngineProcess['settings']): Promise<EngineProcess> {
    const started = new EngineProcess(this.home, this.ledger, settings);
    this.#processes.push(started);
    await started.told('ready');
    return started;
  }

  get queue(): ReturnType<OqronEngine['producer']> {
    return this.watcher.producer(QUEUE);
  }

  async untilCompleted(count: number, deadlineMs: number): Promise<void> {
    await until(`${count} completed jobs`, async () => (await this.queue.count('completed')) >= count, deadlineMs);
  }

  /** Everything that `verify` finds. */
  async problems(): Promise<unknown[]> {
    const found: unknown[] = [];
    for await (const problem of this.watcher.manager.verifyAll()) found.push(problem);
    return found;
  }

  async end(): Promise<void> {
    for (const started of this.#processes) await started.end();
    await this.watcher.stop();
    this.ledger.remove();
  }
}
