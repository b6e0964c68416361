import { fork } from 'node:child_process';
import { join } from 'node:path';
import { addUp } from './index.mjs';

const CHILD = join(import.meta.dirname, 'seeds-child.mjs');

const KEPT_OUTPUT = 5_000;

/**
 * Runs seeds in processes of their own, which import what is built; answers what they counted together. `signal` ends
 * them.
 */
export async function sideBySide({ from = 1, seeds = 200, processes = 2, signal, ...rest }) {
  const count = Math.min(processes, seeds);
  const parts = Array.from({ length: count }, (_, part) => {
    const first = from + Math.floor((seeds * part) / count);
    return { ...rest, from: first, seeds: from + Math.floor((seeds * (part + 1)) / count) - first };
  });
  return addUp(await Promise.all(parts.map((part) => inProcess(part, signal))));
}

function inProcess(request, ending) {
  return new Promise((resolve, reject) => {
    // Pipes of their own: whoever reads what we print does not wait for them.
    const child = fork(CHILD, { stdio: ['ignore', 'pipe', 'pipe', 'ipc'], signal: ending, killSignal: 'SIGKILL' });
    let answer;
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => (output = `${output}${text}`.slice(-KEPT_OUTPUT)));
    }
    child.once('message', (message) => (answer = message));
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      if (answer) resolve(answer);
      else reject(new Error(`the simulation of ${JSON.stringify(request)} ended with ${signal ?? code}: ${output}`));
    });
    child.send(request);
  });
}
