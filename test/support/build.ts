import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

export const ROOT = join(import.meta.dirname, '../..');

/** Compiles what is missing or stale; a build that is up to date costs nothing. */
export function build(): void {
  const code = "import('./tools/lib/ensure.mjs').then(({ ensureBuilt }) => ensureBuilt())";
  const { status, stdout, stderr } = spawnSync(process.execPath, ['-e', code], { cwd: ROOT, encoding: 'utf8' });
  if (status !== 0) throw new Error(`The build failed:\n${stdout}${stderr}`);
}
