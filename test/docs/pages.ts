import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './support/root.js';

/** Every page of the documentation. */
export const PAGES: readonly string[] = [
  'README.md',
  ...readdirSync(join(ROOT, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .toSorted()
    .map((name) => `docs/${name}`),
];
