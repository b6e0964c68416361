import type { Server } from 'node:http';
import { EngineStateError } from '../kernel/errors/index.js';
import { textOf } from '../kernel/job/stored-error.js';
import type { Clock, Timer } from '../kernel/ports/clock.js';
import type { Logger } from '../kernel/ports/logger.js';
import type { Duration } from '../kernel/job/duration.js';

/**
 * How a process without HTTP shows that it lives: a file that is touched, a port that answers, or both.
 * @publicApi
 */
export interface LivenessOptions {
  /** Touched on every tick on which all background loops turn; removed when the engine has stopped. @default none */
  file?: string;
  /** Answers HTTP: 200 while all background loops turn, else 503. 0 = any free one, which the log names. @default none */
  port?: number;
  /** The address that the port is bound to. The kubelet's `httpGet` needs `'0.0.0.0'`. @default '127.0.0.1' */
  host?: string;
  /** How often the file is touched: 100 ms or more. @default 5_000 ms */
  interval?: Duration;
}

/** The same, checked. */
export interface LivenessSettings {
  readonly file?: string | undefined;
  readonly port?: number | undefined;
  readonly host: string;
  readonly interval: number;
}

interface LivenessHost {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Background loops that turn no more. */
  stuck(): readonly string[];
}

/**
 * Runs from the start of an engine until it has stopped, its drain included. A process whose event loop is blocked
 * touches no file and answers no request, which is the point; one with a dead background loop refuses to. The store is
 * not asked: to restart workers because their server is away would help nobody.
 */
export class Liveness {
  #timer: Timer | undefined;
  #server: Server | undefined;
  #state: 'off' | 'on' = 'off';
  #stuck: readonly string[] = [];
  /** When the file was to be touched last (ms), while that is still to be done. */
  #due: number | undefined;
  #writing: Promise<void> | undefined;
  #failing = false;

  constructor(
    private readonly settings: LivenessSettings,
    private readonly host: LivenessHost,
  ) {}

  /** Idempotent. @throws EngineStateError when the port cannot be had or the file cannot be written */
  async start(): Promise<void> {
    if (this.#state === 'on') return;
    const { file, port } = this.settings;
    this.#state = 'on';
    try {
      if (port !== undefined) await this.#listen(port);
      if (file !== undefined) await touch(file, this.host.clock.now());
    } catch (error) {
      await this.stop();
      throw new EngineStateError('liveness', `it could not be set up: ${textOf(error)}`);
    }
    this.#arm();
  }

  /** Closes the port and removes the file. Idempotent. */
  async stop(): Promise<void> {
    if (this.#state === 'off') return;
    this.#state = 'off';
    this.#timer?.cancel();
    this.#timer = undefined;
    const server = this.#server;
    this.#server = undefined;
    if (server) {
      // A probe that keeps its connection open must not keep the process.
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    }
    this.#due = undefined;
    await this.#writing;
    const { file } = this.settings;
    if (file === undefined) return;
    const { rm } = await import('node:fs/promises');
    await rm(file, { force: true }).catch(() => undefined);
  }

  #arm(): void {
    if (this.#state === 'off') return;
    this.#timer = this.host.clock.timer(this.settings.interval, () => {
      this.#tick();
      this.#arm();
    });
    this.#timer.unref();
  }

  #tick(): void {
    this.#look();
    const { file } = this.settings;
    if (file === undefined || this.#stuck.length > 0) return;
    this.#due = this.host.clock.now();
    this.#writing ??= this.#write(file);
  }

  /** Touches until nothing is due: a slow disk must not make writes pile up. Never rejects. */
  async #write(file: string): Promise<void> {
    for (let at = this.#due; at !== undefined; at = this.#due) {
      this.#due = undefined;
      try {
        await touch(file, at);
        this.#failing = false;
      } catch (error) {
        if (!this.#failing) this.host.logger.error(`liveness: ${file} could not be touched: ${textOf(error)}`);
        this.#failing = true;
      }
    }
    this.#writing = undefined;
  }

  #look(): void {
    const before = this.#stuck.length;
    this.#stuck = this.host.stuck();
    if (this.#stuck.length > 0 && before === 0) {
      this.host.logger.error('liveness: this process should be replaced', { stuck: this.#stuck });
    }
  }

  async #listen(port: number): Promise<void> {
    const { createServer } = await import('node:http');
    const server = createServer((request, response) => {
      request.resume();
      this.#look();
      const alive = this.#stuck.length === 0;
      response.writeHead(alive ? 200 : 503, { 'content-type': 'application/json', connection: 'close' });
      response.end(JSON.stringify({ status: alive ? 'up' : 'down', stuck: this.#stuck }));
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, this.settings.host, resolve);
    });
    server.on('error', (error) => this.host.logger.error(`liveness: ${textOf(error)}`));
    server.unref();
    this.#server = server;
    const address = server.address();
    if (port === 0 && typeof address === 'object') {
      this.host.logger.info(`liveness: http://${this.settings.host}:${address?.port}/`, { port: address?.port });
    }
  }
}

/** Makes the file look as if it was written at that instant (ms). */
async function touch(file: string, ms: number): Promise<void> {
  const { utimes, writeFile } = await import('node:fs/promises');
  const at = new Date(ms);
  try {
    await utimes(file, at, at);
  } catch {
    // The first time, or somebody tidied up.
    await writeFile(file, '');
    await utimes(file, at, at);
  }
}
