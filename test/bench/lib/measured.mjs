// A measured process, seen from the runner: `side-child.mjs` with one side's code and nobody else's heap.
import { fileURLToPath } from 'node:url';
import { endProcess, startNode } from './cleanup.mjs';

const CHILD = fileURLToPath(new URL('../side-child.mjs', import.meta.url));

/** A call that is not answered for this long fails its run: no benchmark hangs (ms). */
const CALL_MS = 180_000;

/** Starts a process of `side` (a file of `sides/`) that is connected to `store`. `node` = the binary. */
export async function startMeasured(side, store, node = process.execPath) {
  const child = startNode(CHILD, [JSON.stringify({ side, store })], { execPath: node });
  const waiting = new Map();
  let calls = 0;

  const fail = (error) => {
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  };
  child.on('message', ({ call, value, error }) => {
    const { resolve, reject } = waiting.get(call) ?? {};
    waiting.delete(call);
    if (error === undefined) resolve?.(value);
    else reject?.(new Error(`${side}: ${error}`));
  });
  child.once('error', fail);
  child.once('exit', (code, signal) => fail(new Error(`${side}: the measured process ended with ${signal ?? code}`)));

  const call = (what, options = {}) => {
    const answer = new Promise((resolve, reject) => {
      calls += 1;
      const text = `${side}: '${what}' was not done after ${CALL_MS / 1000} s`;
      const timer = setTimeout(() => reject(new Error(text)), CALL_MS);
      const ended = (settle) => (value) => {
        clearTimeout(timer);
        settle(value);
      };
      waiting.set(calls, { resolve: ended(resolve), reject: ended(reject) });
      child.send({ call: calls, what, options });
    });
    // Who awaits something else first, and fails there, never comes to await this.
    answer.catch(() => undefined);
    return answer;
  };

  await call('open');
  return {
    call,
    /** Closes what the side holds open, then ends the process. */
    async end() {
      if (child.exitCode !== null) return;
      await call('close');
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.disconnect();
      await ended;
    },
    kill: () => endProcess(child),
  };
}
