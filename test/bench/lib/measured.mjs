// A measured process, seen from the runner: `side-child.mjs` with one side's code and nobody else's heap.
import { fileURLToPath } from 'node:url';
import { endProcess, startNode } from './cleanup.mjs';

const CHILD = fileURLToPath(new URL('../side-child.mjs', import.meta.url));

/** Starts a process of `side` (a file of `sides/`) that is connected to `store`. */
export async function startMeasured(side, store, execArgv = []) {
  const child = startNode(CHILD, [JSON.stringify({ side, store })], { execArgv });
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

  const call = (what, options = {}) =>
    new Promise((resolve, reject) => {
      calls += 1;
      waiting.set(calls, { resolve, reject });
      child.send({ call: calls, what, options });
    });

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
