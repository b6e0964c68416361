import { createHash } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { root } from './child.mjs';

// Outside the tree: `npm ci` removes node_modules and a build removes dist.
const file = join(tmpdir(), `oqronkit-${createHash('sha256').update(root).digest('hex').slice(0, 12)}.lock`);

function owner() {
  try {
    return Number(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}

function alive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

function take() {
  try {
    writeFileSync(file, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
    const pid = owner();
    if (pid && !alive(pid)) rmSync(file, { force: true });
    return false;
  }
}

/** Lets only one process of this working tree install or build: `start:api` and `start:worker` may begin together. */
export async function alone(work) {
  let told = false;
  while (!take()) {
    if (!told) console.error(`Waiting for process ${owner()} to install or build (${file}).`);
    told = true;
    await sleep(100);
  }
  try {
    return await work();
  } finally {
    rmSync(file, { force: true });
  }
}
