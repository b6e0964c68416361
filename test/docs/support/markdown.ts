/**
 * The examples of a page: its fenced `ts` blocks. Each is a module of its own, is type-checked and run, and every
 * `console.log` in it ends in a comment that says what it prints:
 *
 *     console.log(job.status); // completed
 *     console.log(job.id); // e.g. 0198c5b6-...       (anything, but it prints)
 *     console.log(ctx.attempt); // 1, then 2          (printed twice)
 *
 * An HTML comment right before a block says what else holds:
 *
 *     <!-- example: with=shop then=later -->  `<!-- setup: shop ... -->` comes before and `later` after: code that the page
 *                                             does not show
 *     <!-- example: file=mail.queue.ts -->   a file that other blocks of the page import; it is not run by itself
 *     <!-- example: file=main.ts run -->     such a file that is
 *     <!-- example: types -->                type-checked only
 */
export interface DocExample {
  /** The page, relative to the repository. */
  readonly page: string;
  /** Line of the page on which the code begins. */
  readonly line: number;
  /** Where the module seems to be, relative to the repository. */
  readonly path: string;
  /** The code between its setups. */
  readonly text: string;
  /** Lines before the code that the page does not show. */
  readonly setupLines: number;
  readonly kind: 'run' | 'file' | 'types';
  /** What is printed, by line of `text`. */
  readonly prints: ReadonlyMap<number, string>;
  /** Paths of the blocks that it imports. */
  readonly imports: readonly string[];
}

/** A page breaks the convention. */
export class PageError extends Error {}

const SETUP = /^<!-- setup: (\S+)$/;
const DIRECTIVE = /^<!-- example: (.+) -->$/;
const FENCE = /^```(\S*)/;
const PRINT = /\bconsole\.log\(/;
const PRINTS = /\bconsole\.log\(.* \/\/ (.+)$/;
const IMPORT = /(?:from|import) '(\.[^']*)\.js'/g;

interface Directive {
  readonly with: readonly string[];
  readonly then: readonly string[];
  readonly file?: string;
  readonly run: boolean;
  readonly types: boolean;
}

/** The examples of a page, in order. @throws PageError */
export function examplesOf(page: string, markdown: string): DocExample[] {
  const lines = markdown.split('\n');
  const setups = new Map<string, readonly string[]>();
  const examples: DocExample[] = [];
  let directive: { readonly line: number; readonly text: string } | undefined;
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at] ?? '';
    const setup = SETUP.exec(line);
    const fence = FENCE.exec(line);
    if (setup) {
      const end = indexFrom(lines, at + 1, '-->', page);
      setups.set(setup[1] as string, lines.slice(at + 1, end));
      at = end;
    } else if (fence) {
      const end = indexFrom(lines, at + 1, '```', page);
      if (fence[1] === 'ts') {
        const given = readDirective(page, directive?.text ?? '');
        examples.push(example(page, at + 2, lines.slice(at + 1, end), given, setups));
      } else if (directive) {
        throw new PageError(`${page}:${directive.line}: an example has to be a \`ts\` block`);
      }
      directive = undefined;
      at = end;
    } else if (line.startsWith('<!-- example')) {
      const text = DIRECTIVE.exec(line)?.[1];
      if (text === undefined) throw new PageError(`${page}:${at + 1}: not a directive: ${line}`);
      directive = { line: at + 1, text };
    } else if (directive && line !== '') {
      throw new PageError(`${page}:${directive.line}: a directive stands right before its block`);
    }
  }
  return examples;
}

/** The line of the page for a line of the module, as `page:line`. */
export function placeOf({ page, line, setupLines }: DocExample, moduleLine: number): string {
  return moduleLine > setupLines
    ? `${page}:${line + moduleLine - setupLines - 1}`
    : `${page}:${line} (setup, line ${moduleLine})`;
}

function example(
  page: string,
  line: number,
  code: readonly string[],
  given: Directive,
  setups: ReadonlyMap<string, readonly string[]>,
): DocExample {
  const hidden = (names: readonly string[]): readonly string[] =>
    names.flatMap((name) => {
      const found = setups.get(name);
      if (!found) throw new PageError(`${page}:${line}: there is no setup "${name}" above`);
      return found;
    });
  const setup = hidden(given.with);
  const all = [...setup, ...code, ...hidden(given.then)];
  const folder = `test/docs/examples/${page.replace(/\.md$/, '').replaceAll('/', '-')}`;
  const kind = given.types ? 'types' : given.file !== undefined && !given.run ? 'file' : 'run';
  const prints = new Map<number, string>();
  all.forEach((text, i) => {
    if (!PRINT.test(text) || kind === 'types') return;
    const expected = PRINTS.exec(text)?.[1];
    if (expected === undefined) throw new PageError(`${page}:${line}: it does not say what it prints: ${text.trim()}`);
    prints.set(i + 1, expected);
  });
  return {
    page,
    line,
    path: `${folder}/${given.file ?? `line-${line}.ts`}`,
    text: [...all, 'export {};', ''].join('\n'),
    setupLines: setup.length,
    kind,
    prints,
    imports: [...all.join('\n').matchAll(IMPORT)].map(([, name = '']) => `${folder}/${name.replace(/^\.\//, '')}.ts`),
  };
}

function readDirective(page: string, text: string): Directive {
  const directive = {
    with: [] as string[],
    then: [] as string[],
    file: undefined as string | undefined,
    run: false,
    types: false,
  };
  for (const word of text.split(' ').filter((one) => one !== '')) {
    const [key, value] = word.split('=');
    if (key === 'with' && value) directive.with = value.split(',');
    else if (key === 'then' && value) directive.then = value.split(',');
    else if (key === 'file' && value) directive.file = value;
    else if (word === 'run') directive.run = true;
    else if (word === 'types') directive.types = true;
    else throw new PageError(`${page}: unknown word "${word}" in <!-- example: ${text} -->`);
  }
  return directive;
}

function indexFrom(lines: readonly string[], from: number, end: string, page: string): number {
  const at = lines.indexOf(end, from);
  if (at < 0) throw new PageError(`${page}:${from}: it does not end with ${end}`);
  return at;
}
