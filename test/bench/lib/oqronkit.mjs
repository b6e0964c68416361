// The built library. By path: this folder has a package.json of its own, so the package's own name is not known here.
export { defineQueue, OqronEngine } from '../../../dist/lib/index.js';
