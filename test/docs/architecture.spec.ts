import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { readRepoFile, ROOT } from './support/root.js';

const PAGE = 'docs/architecture.md';

/** Paths of the files that the map lists: folders are headings, files the first column. */
function mapped(): string[] {
  return readRepoFile(PAGE)
    .split(/^### /m)
    .slice(1)
    .flatMap((part) => {
      const folder = part.split('\n')[0];
      const ofFolder = part.split(/^## /m)[0] ?? '';
      return [...ofFolder.matchAll(/^\| `([\w.-]+\.ts)`/gm)].map(([, file]) => `${folder}/${file}`);
    });
}

function existing(): string[] {
  return readdirSync(join(ROOT, 'lib'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => `lib/${file}`)
    .filter((file) => !file.startsWith('lib/conformance/job-store/'));
}

describe('the map of lib/', () => {
  it('lists every file, and none that is not there', () => {
    expect(mapped().toSorted()).toEqual(existing().toSorted());
  });

  it('lists no file twice', () => {
    expect(mapped()).toHaveLength(new Set(mapped()).size);
  });
});
