import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from '../support/build.js';
import { until } from '../support/until.js';

/** The queue of all engine processes. */
export const QUEUE = 'work';

interface Settings {
  readonly name: string;
  /** `hold`: jobs run until `release`; `slow`: for 20 ms. Nothing: this process only adds. */
  readonly handler?: 'hold' | 'quick' | 'slow';
  /** Options of the consumer. */
  readonly worker?: object;
}

interface Message {
  readonly is: 'ready' | 'running' | 'added';
  readonly id?: string;
}

/** An engine in a process of its own. */
export class EngineProcess {
  readonly messages: Message[] = [];
  output = '';
  readonly #child: ChildProcess;
  readonly #ended: Promise<number | null>;

  constructor(
    home: object,
    ledger: Ledger,
    readonly settings: Settings,
  ) {
    const program = join(ROOT, 'test', 'engine-stores', 'engine-child.mjs');
    const argument = JSON.stringify({ home, ledger: ledger.path, ...settings });
    this.#child = spawn(process.execPath, [program, argument], {
      cwd: ROOT,
      env: { ...process.env, NODE_OPTIONS: '' },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    this.#child.on('message', (message) => this.messages.push(message as Message));
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => (this.output += text));
    this.#ended = new Promise((resolve) => this.#child.once('exit', resolve));
  }

  /** Ids of the messages of a kind, in order. */
  ids(is: Message['is']): string[] {
    return this.messages.filter((message) => message.is === is).map(({ id = '' }) => id);
  }

  async told(is: Message['is'], times = 1, deadlineMs = 15_000): Promise<void> {
    const what = `${times} x "${is}" of ${this.settings.name}`;
    await until(
      what,
      () => {
        if (this.#child.exitCode !== null) throw new Error(`it ended with ${this.#child.exitCode}: ${this.output}`);
        return this.ids(is).length >= times;
      },
      deadlineMs,
    );
  }

  add(count: number, prefix = 'job', chunk = 1_000): void {
    this.#child.send({ do: 'add', count, prefix, chunk });
  }

  /** Lets held jobs end. */
  release(): void {
    this.#child.send({ do: 'release' });
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Stops the engine and answers the exit code: an unhandled rejection or an open handle would not let it be 0. */
  async stop(): Promise<number | null> {
    this.#child.send({ do: 'stop' });
    return this.#ended;
  }

  /** For the end of a test, whatever became of it. */
  async end(): Promise<void> {
    // A stopped process takes no other signal.
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill('SIGKILL');
    await this.#ended;
  }
}

/** Which process ran which job, in order. Written before a handler does anything else. */
export class Ledger {
  readonly #folder = mkdtempSync(join(tmpdir(), 'oqronkit-ledger-'));
  readonly path = join(this.#folder, 'ledger');

  constructor() {
    writeFileSync(this.path, '');
  }

  /** How often each job was run. */
  runs(): Map<string, string[]> {
    const runs = new Map<string, string[]>();
    for (const line of readFileSync(this.path, 'utf8').split('\n')) {
      const [who, id] = line.split(' ');
      if (who === undefined || id === undefined) continue;
      const before = runs.get(id);
      if (before) before.push(who);
      else runs.set(id, [who]);
    }
    return runs;
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
