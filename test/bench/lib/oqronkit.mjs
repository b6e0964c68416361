// The built library. By path: this folder has a package.json of its own, so the package's own name is not known here.
import { readFileSync } from 'node:fs';

export { OqronEngine } from '../../../dist/lib/index.js';

export const ourVersion = () => JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url))).version;
