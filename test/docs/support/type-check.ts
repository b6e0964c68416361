import { dirname, join, relative } from 'node:path';
import ts from 'typescript';
import { ROOT } from './root.js';

/** A module that exists only in memory. */
export interface Source {
  /** Relative to the repository; relative imports start here. */
  readonly path: string;
  readonly text: string;
}

/** One error of the compiler. */
export interface Problem {
  readonly path: string;
  readonly line: number;
  readonly code: number;
  readonly message: string;
}

/**
 * Type-checks modules with the repository's own settings. Examples may declare what they do not use; nothing else is
 * forgiven.
 */
export function typeCheck(sources: readonly Source[]): Problem[] {
  const texts = new Map(sources.map(({ path, text }) => [join(ROOT, path), text]));
  const folders = new Set([...texts.keys()].map((path) => dirname(path)));
  const options = { ...repositoryOptions(), noEmit: true, noUnusedLocals: false, noUnusedParameters: false };
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists, readFile, directoryExists } = host;
  host.fileExists = (path) => texts.has(path) || fileExists.call(host, path);
  host.readFile = (path) => texts.get(path) ?? readFile.call(host, path);
  host.directoryExists = (path) => folders.has(path) || (directoryExists?.call(host, path) ?? true);
  host.getSourceFile = (path, languageVersion, ...rest) => {
    const text = texts.get(path);
    if (text === undefined) return getSourceFile.call(host, path, languageVersion, ...rest);
    return ts.createSourceFile(path, text, languageVersion, true);
  };
  const program = ts.createProgram([...texts.keys()], options, host);
  return [...texts.keys()].flatMap((path) => {
    const file = program.getSourceFile(path);
    if (!file) throw new Error(`${path} was not compiled`);
    return [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)].map(problemOf);
  });
}

/** For a failing test: one line per problem. */
export function show({ path, line, code, message }: Problem): string {
  return `${path}:${line} TS${code}: ${message}`;
}

function repositoryOptions(): ts.CompilerOptions {
  const path = join(ROOT, 'tsconfig.json');
  const { config } = ts.readConfigFile(path, (name) => ts.sys.readFile(name)) as { config: unknown };
  return ts.parseJsonConfigFileContent(config, { ...ts.sys, readDirectory: () => [] }, ROOT).options;
}

function problemOf({ file, start, code, messageText }: ts.Diagnostic): Problem {
  const line = file && start !== undefined ? file.getLineAndCharacterOfPosition(start).line + 1 : 0;
  return {
    path: file ? relative(ROOT, file.fileName) : '',
    line,
    code,
    message: ts.flattenDiagnosticMessageText(messageText, ' '),
  };
}
