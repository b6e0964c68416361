import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { transformSync } from '@swc/core';
import { ROOT } from './root.js';
import type { Source } from './type-check.js';

/** A folder for compiled examples. It lies under node_modules, so that packages are found and nobody else looks. */
export class ModuleFolder {
  readonly #path: string;

  constructor() {
    const cache = join(ROOT, 'node_modules', '.cache', 'oqronkit');
    mkdirSync(cache, { recursive: true });
    this.#path = mkdtempSync(join(cache, 'examples-'));
  }

  /** Compiles a module, as Jest compiles tests. Imports between modules of one folder are relative. */
  write({ path, text }: Source): void {
    const file = this.#file(path);
    mkdirSync(dirname(file), { recursive: true });
    const { code } = transformSync(text, OPTIONS);
    writeFileSync(file, code);
    if (!path.endsWith('.worker.ts')) return;
    // A thread loads its file itself, without Jest, by the name that it has when it is compiled.
    writeFileSync(join(dirname(file), 'package.json'), '{ "type": "module" }');
    writeFileSync(file.replace(/\.mjs$/, '.js'), code);
  }

  /** Runs a module that was written. */
  async run(path: string): Promise<Record<string, unknown>> {
    return (await import(this.#file(path))) as Record<string, unknown>;
  }

  remove(): void {
    rmSync(this.#path, { recursive: true, force: true });
  }

  #file(path: string): string {
    return join(this.#path, path.replace(/\.ts$/, '.mjs'));
  }
}

const OPTIONS = {
  configFile: false,
  swcrc: false,
  jsc: {
    target: 'es2022',
    keepClassNames: true,
    parser: { syntax: 'typescript', decorators: true },
    transform: { legacyDecorator: true, decoratorMetadata: true },
  },
  module: { type: 'es6' },
} as const;
