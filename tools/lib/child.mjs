import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));

/** The path of a tool that npm installed. */
export const bin = (name) => join(root, 'node_modules', '.bin', name);

/**
 * A terminal signals its whole process group and npm passes signals on as well, so one Ctrl-C arrives several times.
 * Signals within this time are one wish to stop.
 */
const SAME_WISH_MS = 1000;

const exitCode = (code, signal) => (signal ? 128 + constants.signals[signal] : code);

/**
 * Runs a command with our stdio and resolves with its exit code (128 + n after signal n). The first signal to this
 * process is passed on once; a later one kills the child. With `detached` the child has a process group of its own,
 * so that it hears of a Ctrl-C from here only.
 */
export function run(command, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: 'inherit', ...options });
    let stopping;

    const onSignal = (signal) => {
      if (stopping === undefined) {
        stopping = performance.now();
        child.kill(signal);
      } else if (performance.now() - stopping > SAME_WISH_MS) {
        if (options.detached) process.kill(-child.pid, 'SIGKILL');
        else child.kill('SIGKILL');
      }
    };
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
    const end = (code) => {
      for (const signal of signals) process.off(signal, onSignal);
      resolve(code);
    };

    for (const signal of signals) process.on(signal, onSignal);
    child.once('error', (error) => {
      console.error(`Cannot run ${command}: ${error.message}`);
      end(127);
    });
    child.once('exit', (code, signal) => end(exitCode(code, signal)));
  });
}

/** Runs a command without stdin and resolves with its exit code and everything it printed. */
export function capture(command, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], ...options });
    let output = '';
    const collect = (chunk) => (output += chunk);
    child.stdout.setEncoding('utf8').on('data', collect);
    child.stderr.setEncoding('utf8').on('data', collect);
    child.once('error', (error) => resolve({ code: 127, output: `Cannot run ${command}: ${error.message}` }));
    child.once('close', (code, signal) => resolve({ code: exitCode(code, signal), output: output.trimEnd() }));
  });
}
