// What the runner started is gone when it ends, also by Ctrl-C or an error: processes by their id, and folders.
import { fork, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';

const children = new Set();
const folders = new Set();
const others = new Set();

// At the end nothing can be awaited any more. The servers hold nothing but measured jobs, so they are simply killed.
process.once('exit', () => {
  for (const child of children) child.kill('SIGKILL');
  for (const work of others) work();
  for (const folder of folders) remove(folder);
});

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.once(signal, () => process.exit(128 + constants.signals[signal]));
}

export const startProcess = (...args) => keep(spawn(...args));

/** What else is to be done, at once, should the runner end now. Answers how to forget it. */
export function onExit(work) {
  others.add(work);
  return () => others.delete(work);
}

/** A Node process with a channel to us. */
export const startNode = (...args) => keep(fork(...args));

export function makeFolder() {
  const folder = mkdtempSync(join(tmpdir(), 'oqron-bench-'));
  folders.add(folder);
  return folder;
}

export function removeFolder(folder) {
  remove(folder);
  folders.delete(folder);
}

/** Asks a process to end and resolves when it has. */
export async function endProcess(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await ended;
}

function keep(child) {
  children.add(child);
  child.once('exit', () => children.delete(child));
  return child;
}

function remove(folder) {
  rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
}
