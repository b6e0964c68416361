import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { ROOT } from '../support/build.js';
import { until } from '../support/until.js';

export type App = 'api' | 'worker' | 'demo';

/** The compiled program of an app. */
export const mainOf = (app: App): string => join(ROOT, 'dist', 'apps', app, 'src', 'main.js');

/** What an app is started with, but for its own settings. */
export const appEnv = (env: Record<string, string>): NodeJS.ProcessEnv => ({
  ...process.env,
  NODE_OPTIONS: '',
  NO_COLOR: '1',
  ...env,
});

export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A running program, with what it printed. */
export class AppProcess {
  output = '';
  readonly ended: Promise<Ending>;
  readonly #child: ChildProcess;

  constructor(command: string, args: readonly string[], env: Record<string, string>) {
    // A group of its own tells whether it left a process behind.
    this.#child = spawn(command, args, { cwd: ROOT, detached: true, env: appEnv(env) });
    this.ended = new Promise((resolve) => this.#child.once('exit', (code, signal) => resolve({ code, signal })));
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => (this.output += text));
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error('the process could not be started');
    return this.#child.pid;
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Waits until it has printed something; answers the first group, or all that matched. */
  async printed(what: RegExp, deadlineMs = 60_000): Promise<string> {
    const probe = (): string | undefined => {
      const found = what.exec(this.output);
      if (!found && !this.running) throw new Error(`the process ended:\n${this.output}`);
      return found?.[1] ?? found?.[0];
    };
    return until(`${what} to be printed`, probe, deadlineMs);
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** True when no process of its group is left. */
  get leftNothing(): boolean {
    try {
      process.kill(-this.pid, 0);
      return false;
    } catch {
      return true;
    }
  }

  /** For the end of a test, whatever became of it. */
  async end(): Promise<void> {
    if (!this.leftNothing) process.kill(-this.pid, 'SIGKILL');
    await this.ended;
  }
}

/** Starts a compiled app. */
export function startApp(app: App, env: Record<string, string>, args: readonly string[] = []): AppProcess {
  return new AppProcess(process.execPath, [mainOf(app), ...args], env);
}
