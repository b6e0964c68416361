// npm start [demo|api|worker] [-- args]: from a fresh clone to a running app.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root, run } from './lib/child.mjs';
import { checkNode, ensureBuilt, ensureInstalled } from './lib/ensure.mjs';

checkNode();

const apps = readdirSync(join(root, 'apps')).filter((name) => existsSync(join(root, 'apps', name, 'src', 'main.ts')));
const [first] = process.argv.slice(2);
const named = first !== undefined && !first.startsWith('-');
const app = named ? first : 'demo';
if (!apps.includes(app)) {
  console.error(`There is no app "${app}". Apps: ${apps.join(', ')}.`);
  process.exit(1);
}

await ensureInstalled();
await ensureBuilt();

// npm passes SIGTERM on (the scripts in package.json `exec` node, so that no shell swallows it), but not its own death.
if (process.env.npm_lifecycle_event?.startsWith('start')) {
  const npm = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === npm) return;
    clearInterval(watch);
    process.kill(process.pid, 'SIGTERM');
  }, 500).unref();
}

const guard = pathToFileURL(join(root, 'tools', 'lib', 'stop-with-parent.mjs')).href;
const main = join(root, 'dist', 'apps', app, 'src', 'main.js');
const code = await run(
  process.execPath,
  ['--enable-source-maps', '--import', guard, main, ...process.argv.slice(named ? 3 : 2)],
  { detached: process.platform !== 'win32', stdio: ['inherit', 'inherit', 'inherit', 'ipc'] },
);
process.exit(code);
