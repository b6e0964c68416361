// What is measured. By path: not every package shows its package.json, and none is to be loaded here.
import { readFileSync } from 'node:fs';

export const versionsOf = (peers) => ({
  oqronkit: versionIn('../../../package.json'),
  ...Object.fromEntries(peers.map((name) => [name, versionIn(`../node_modules/${name}/package.json`)])),
});

const versionIn = (path) => JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8')).version;
