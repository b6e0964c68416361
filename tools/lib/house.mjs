// The house rules that no linter knows: how long a file may be and what no file may say.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './child.mjs';

const GENERATED = ['.git', 'node_modules', 'dist', 'coverage'];
const SOURCE = /^(lib|apps|libs|tools)\/.*\.(ts|mjs)$/;
const TEST = /^test\/.*\.(ts|mjs)$/;
const MAX_SOURCE_LINES = 400;
const MAX_TEST_LINES = 600;

const RULES = [
  { what: 'path of one machine', where: /./, pattern: /(?<![\w.*@})-])\/(work|home|root)\// },
  { what: 'registry host', where: /./, pattern: /registry\.npmjs\.org|registry\.yarnpkg\.com/ },
  { what: 'registry address in the lock file', where: /(^|\/)package-lock\.json$/, pattern: /"resolved":/ },
  { what: 'focused or skipped test', where: TEST, pattern: /\b(describe|it|test)(\.\w+)*\.(only|skip|todo)\b/ },
  { what: 'focused or skipped test', where: TEST, pattern: /\b(xit|xtest|xdescribe|fit|fdescribe)(\.each)?\(/ },
  { what: 'unfinished mark', where: /^(lib|apps|libs)\//, pattern: /\b(TODO|FIXME|XXX)\b/ },
];

function walk(folder) {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder ? `${folder}/${entry.name}` : entry.name;
    if (entry.isDirectory()) return GENERATED.includes(entry.name) ? [] : walk(path);
    return entry.isFile() ? [path] : [];
  });
}

/** Every file that git has or would take; outside a git clone every file that is not generated. */
function ourFiles() {
  try {
    const args = ['ls-files', '-z', '--cached', '--others', '--exclude-standard', '--deduplicate'];
    const output = execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    const isFile = (path) => existsSync(join(root, path)) && statSync(join(root, path)).isFile();
    return output.split('\0').filter((path) => path && isFile(path));
  } catch {
    return walk('');
  }
}

const read = (path) => readFileSync(join(root, path), 'utf8');

/** Files that are too long, one line each. */
export function fileSize() {
  return ourFiles().flatMap((path) => {
    const limit = SOURCE.test(path) ? MAX_SOURCE_LINES : TEST.test(path) ? MAX_TEST_LINES : Infinity;
    if (limit === Infinity) return [];
    const lines = read(path).trimEnd().split('\n').length;
    return lines > limit ? [`${path}: ${lines} lines, at most ${limit}`] : [];
  });
}

/** Text that must not be in the repository, one line each. */
export function textHygiene() {
  return ourFiles().flatMap((path) => {
    const rules = RULES.filter(({ where }) => where.test(path));
    const text = read(path);
    if (text.includes('\0')) return [];
    return text
      .split('\n')
      .flatMap((line, index) =>
        rules.filter(({ pattern }) => pattern.test(line)).map(({ what }) => `${path}:${index + 1}: ${what}`),
      );
  });
}
