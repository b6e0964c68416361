// Puts the rows of `npm run bench -- --json` into docs/performance.md, between two marks.
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { format as pretty, resolveConfig } from 'prettier';
import { format, mark } from './lib/table.mjs';

const PAGE = fileURLToPath(new URL('../../docs/performance.md', import.meta.url));
const BEGIN = '<!-- figures: begin -->';
const END = '<!-- figures: end -->';
const TITLES = {
  memory: 'In the memory of one process',
  nest: 'NestJS against the plain engine',
  redis: 'Redis',
  postgres: 'PostgreSQL',
  latency: 'From add to start',
  idle: 'Idle queues',
  scale: 'Long queues, long histories, and how cost grows',
};
/** What `on` says beside versions. */
const NOT_VERSIONS = new Set([
  ...['date', 'platform', 'cpu', 'cores', 'memoryMiB', 'load', 'quick'],
  ...['own', 'settings', 'options', 'pairs', 'keep'],
]);

/** `file` holds the array of rows. */
export async function report(file) {
  // npm prints lines of its own before it, unless it is told to be silent.
  const text = await readFile(file, 'utf8');
  const rows = JSON.parse(text.slice(text.indexOf('[\n')));
  const page = await readFile(PAGE, 'utf8');
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`bench: ${PAGE} lacks "${BEGIN}" and "${END}".`);
  const filled = `${page.slice(0, begin)}${BEGIN}\n\n${figuresOf(rows)}\n\n${page.slice(end)}`;
  await writeFile(PAGE, await pretty(filled, { ...(await resolveConfig(PAGE)), filepath: PAGE }));
  console.log(`bench: ${rows.length} rows in docs/performance.md`);
}

/** The rows as Markdown. */
export function figuresOf(rows) {
  if (rows.length === 0) throw new Error('bench: there are no rows to report.');
  const goals = rows.filter(({ met }) => met !== null);
  const mixed = rows.some(({ on }) => on.quick) && rows.some(({ on }) => !on.quick);
  const groups = Object.entries(TITLES).flatMap(([target, title]) => {
    const mine = rows.filter((row) => row.target === target);
    return mine.length === 0 ? [] : [`### ${title}\n\n${settingsOf(mine, mixed)}\n\n${tableOf(mine)}`];
  });
  const met = goals.filter((row) => row.met).length;
  return [`${aboutOf(rows, mixed)} ${met} of ${goals.length} goals are met.`, ...groups].join('\n\n');
}

function aboutOf(rows, mixed) {
  const { date, cpu, cores, memoryMiB, platform } = rows[0].on;
  const quick = 'a quick run (`--quick`)';
  const full = rows.some(({ on }) => !on.quick);
  const how = !full ? quick : mixed ? `a full run, and ${quick} where it says so,` : 'a full run';
  // Not which kernel: it says more of who runs the machine than of the figures.
  const system = platform.split(' ').slice(0, 2).join(' ');
  const machine = `${cores} cores (${cpu}), ${Math.round(memoryMiB / 1024)} GiB of memory, ${system}`;
  return `Taken on ${date.slice(0, 10)}: ${how} on ${machine}.`;
}

/** One line for each server that the rows were measured on, and one for each side with options to tell. */
function settingsOf(rows, mixed) {
  const lines = rows.map(({ on }) => {
    const versions = Object.entries(on).filter(([key]) => !NOT_VERSIONS.has(key));
    const settings = Object.entries(on.settings ?? {}).filter(([, value]) => value !== '');
    const parts = [
      versions.map(([name, version]) => `${name} ${version}`).join(', '),
      ...(settings.length === 0 ? [] : [settings.map(([key, value]) => `\`${key}=${value}\``).join(' ')]),
      ...(on.pairs === undefined ? [] : [`${on.pairs} rounds`]),
      ...(mixed && on.quick ? ['quick'] : []),
    ];
    return `- ${parts.join('; ')}`;
  });
  const options = rows.flatMap(({ on }) =>
    Object.entries(on.options ?? {}).map(([name, text]) => `- ${name}: ${text}`),
  );
  return [...new Set([...lines, ...options])].join('\n');
}

function tableOf(rows) {
  const lines = rows.map((row) => cellsOf(row).join(' | '));
  const head = ['', 'row', 'against', 'unit', 'ours', 'peer', 'ratio', 'spread', 'goal'];
  return [head, head.map(() => '---')]
    .map((cells) => cells.join(' | '))
    .concat(lines)
    .map((line) => `| ${line} |`)
    .join('\n');
}

function cellsOf(row) {
  const figure = (value) => (value === null || value === undefined ? '' : format(value));
  if (row.failed !== undefined) return ['--', row.row, '', row.unit ?? '', 'failed', '', '', '', ''];
  const alone = row.ratio === null;
  const spread = row.spread?.map((value) => (alone ? format(value) : value.toFixed(2))).join(' to ') ?? '';
  const peer = row.best ? `${row.peerName} (best)` : (row.peerName ?? '');
  const goal = typeof row.goal === 'number' ? format(row.goal) : (row.goal ?? '');
  const ratio = alone ? '' : row.ratio.toFixed(2);
  return [mark(row), row.row, peer, row.unit, figure(row.ours), figure(row.peer), ratio, spread, goal];
}
