import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { transformSync } from '@swc/core';
import type { Backend } from '../../lib/kernel/ports/backend.js';
import type { Clock } from '../../lib/kernel/ports/clock.js';

const SOURCE = fileURLToPath(new URL('../../lib/backends/memory/', import.meta.url));
const KERNEL = fileURLToPath(new URL('../../lib/kernel/', import.meta.url));

/** One change to one file of the memory backend. */
export interface Edit {
  readonly file: string;
  /** Must occur exactly once in the file, or the defect would silently stop being one. */
  readonly find: string;
  readonly put: string;
}

type CreateBackend = (options?: { clock?: Clock }) => Backend;

interface BackendModule {
  readonly createMemoryBackend: CreateBackend;
}

/**
 * Copies of the memory backend with defects in them. A copy is compiled into a folder of its own and shares the
 * kernel with everything else, so its errors and its results are what the kit expects.
 */
export class SeededBackends {
  readonly #root = mkdtempSync(join(tmpdir(), 'oqronkit-seeded-'));
  readonly #sources = new Map(
    readdirSync(SOURCE)
      .filter((file) => file.endsWith('.ts'))
      .map((file) => [file, readFileSync(join(SOURCE, file), 'utf8')]),
  );
  /** Compiled texts: of a copy only the edited files are new. */
  readonly #compiled = new Map<string, string>();
  #copies = 0;

  async load(edits: readonly Edit[]): Promise<CreateBackend> {
    const sources = new Map(this.#sources);
    for (const edit of edits) sources.set(edit.file, apply(edit, sources.get(edit.file)));
    this.#copies += 1;
    const folder = join(this.#root, String(this.#copies));
    mkdirSync(folder);
    for (const [file, text] of sources) writeFileSync(join(folder, file.replace(/\.ts$/, '.mjs')), this.#compile(text));
    const { createMemoryBackend } = (await import(join(folder, 'index.mjs'))) as BackendModule;
    return createMemoryBackend;
  }

  #compile(text: string): string {
    const known = this.#compiled.get(text) ?? compile(text);
    this.#compiled.set(text, known);
    return known;
  }

  remove(): void {
    rmSync(this.#root, { recursive: true, force: true });
  }
}

function apply({ file, find, put }: Edit, text: string | undefined): string {
  if (text === undefined) throw new Error(`seeded defect: lib/backends/memory has no file ${file}`);
  const found = text.split(find).length - 1;
  if (found !== 1) {
    throw new Error(`seeded defect: ${file} must hold this snippet exactly once, it does ${found} times:\n${find}`);
  }
  return text.replace(find, () => put);
}

/** TypeScript to an ES module whose imports name files: its siblings' copies, and the one kernel. */
function compile(text: string): string {
  const { code } = transformSync(text, {
    swcrc: false,
    configFile: false,
    jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
    module: { type: 'es6' },
  });
  return code
    .replaceAll(
      /from (['"])\.\.\/\.\.\/kernel\/(.+?)\.js\1/g,
      (_all, _quote, path: string) => `from '${KERNEL}${path}.ts'`,
    )
    .replaceAll(/from (['"])(\.\/.+?)\.js\1/g, "from '$2.mjs'");
}
