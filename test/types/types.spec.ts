import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from '@jest/globals';
import ts from 'typescript';

const HERE = dirname(fileURLToPath(import.meta.url));
const CONFIG = join(HERE, '../../tsconfig.json');
const FILES = readdirSync(HERE)
  .filter((file) => file.endsWith('.types.ts'))
  .map((file) => join(HERE, file));

/** Violates an expectation of each kind that the files here use. */
const VIOLATIONS = `
import { defineQueue, queue } from 'oqronkit';
import type { Equal, Expect } from './expect.js';
const Encode = defineQueue<{ file: string }, string>('encode');
export type Unequal = Expect<Equal<string, number>>;
export type TooWide = Expect<Equal<{ file: string }, unknown>>;
export type Loose = Expect<Equal<string, any>>;
// @ts-expect-error nothing is wrong here
void queue(Encode).add({ file: 'a' });
void queue(Encode).add({ file: 5 });
`;

/** Compiles files in memory, as `tsc --noEmit` does with the project's options. */
class Compiler {
  readonly #options: ts.CompilerOptions;
  #last: ts.Program | undefined;

  constructor() {
    const { config } = ts.readConfigFile(CONFIG, (file) => ts.sys.readFile(file)) as { config: unknown };
    const { options, errors } = ts.parseJsonConfigFileContent(config, ts.sys, dirname(CONFIG));
    if (errors.length > 0) throw new Error(ts.formatDiagnostics(errors, FORMAT));
    this.#options = { ...options, noEmit: true };
  }

  /** Every problem in these files, as `file:line: message`. `extra` are files that exist here only. */
  problems(files: readonly string[], extra: Readonly<Record<string, string>> = {}): string[] {
    const host = ts.createCompilerHost(this.#options);
    const { fileExists, readFile } = host;
    host.fileExists = (file) => file in extra || fileExists(file);
    host.readFile = (file) => extra[file] ?? readFile(file);
    const program = ts.createProgram([...files, ...Object.keys(extra)], this.#options, host, this.#last);
    this.#last = program;
    const wanted = new Set([...files, ...Object.keys(extra)]);
    return program
      .getSourceFiles()
      .filter(({ fileName }) => wanted.has(fileName))
      .flatMap((file) => [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)])
      .map(({ file, start = 0, messageText }) => {
        const { line = 0 } = file?.getLineAndCharacterOfPosition(start) ?? {};
        return `${line + 1}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`;
      });
  }
}

const FORMAT: ts.FormatDiagnosticsHost = {
  getCanonicalFileName: (file) => file,
  getCurrentDirectory: () => HERE,
  getNewLine: () => '\n',
};

describe('the types', () => {
  let compiler: Compiler;
  beforeAll(() => {
    compiler = new Compiler();
  });

  it("a contract types `add('welcome', w)` and `@Handler(contract, 'welcome')`: every file here accepts what is right and refuses what is wrong", () => {
    expect(FILES.length).toBeGreaterThanOrEqual(3);
    expect(compiler.problems(FILES)).toEqual([]);
  }, 60_000);

  it('are really compared: a violated expectation of each kind is found', () => {
    const file = join(HERE, 'violations.types.ts');
    expect(compiler.problems([], { [file]: VIOLATIONS })).toEqual([
      expect.stringMatching(/^5: Type 'false' does not satisfy the constraint 'true'/),
      expect.stringMatching(/^6: Type 'false' does not satisfy the constraint 'true'/),
      expect.stringMatching(/^7: Type 'false' does not satisfy the constraint 'true'/),
      expect.stringMatching(/^8: Unused '@ts-expect-error' directive/),
      expect.stringMatching(/^10: Type 'number' is not assignable to type 'string'/),
    ]);
  }, 60_000);
});
