// Rows as they come, in columns of fixed width.
const COLUMNS = [
  ['', 2],
  ['row', -56],
  ['against', -15],
  ['unit', -7],
  ['ours', 9],
  ['peer', 9],
  ['ratio', 6],
  ['pairs', -14],
  ['goal', -13],
  ['CPU us/job (node + server)', -30],
];

export const header = () => line(COLUMNS.map(([title]) => title));

/** What was measured with, and a line for each side that has options to tell. */
export const aboutLines = ({ options, ...about }) => [
  `  ${Object.entries(about).map(told).join(' · ')}`,
  ...Object.entries(options ?? {}).map(([name, text]) => `  ${name}: ${text}`),
];

/** One line for a row, whatever kind it is. */
export function rowLine(row) {
  if (row.failed !== undefined) return `  -- ${row.row}: failed: ${row.failed.split('\n')[0]}`;
  return row.peer === undefined ? singleRow(row) : pairRow(row);
}

/** `ok` or `--` for a row that has a goal. */
export const mark = ({ met }) => (met === undefined || met === null ? '' : met ? 'ok' : '--');

export function format(value) {
  return Math.abs(value) >= 1000 ? Math.round(value).toLocaleString('en-US') : String(Math.round(value * 100) / 100);
}

function pairRow({ peerName, unit, ours, peer, ratio, spread, goal = '', cpu, best, ...row }) {
  const both = cpu ? `${parts(cpu.ours)} against ${parts(cpu.peer)}` : '';
  const pairs = `${fixed(spread[0])} - ${fixed(spread[1])}`;
  const name = best ? `${peerName} *` : peerName;
  return line([mark(row), row.row, name, unit, format(ours), format(peer), fixed(ratio), pairs, goal, both]);
}

function singleRow({ unit, ours, spread, goal, note, ...row }) {
  const range = spread ? ` (${format(spread[0])} to ${format(spread[1])})` : '';
  const wanted = goal === undefined ? '' : `, goal ${format(goal)}`;
  return `  ${mark(row).padEnd(2)} ${row.row}: ${format(ours)} ${unit}${range}${wanted}${note ? `; ${note}` : ''}`;
}

function told([name, value]) {
  if (typeof value !== 'object') return `${name} ${value}`;
  return Object.entries(value)
    .map(([key, setting]) => `${key}=${setting || "''"}`)
    .join(' ');
}

const fixed = (value) => value.toFixed(2);
const parts = ({ node, server }) => [node, server].map((value) => value?.toFixed(1) ?? '?').join(' + ');

function line(cells) {
  const texts = cells.map((cell, i) => {
    const width = COLUMNS[i][1];
    return width < 0 ? cell.padEnd(-width) : cell.padStart(width);
  });
  return `  ${texts.join('  ')}`.trimEnd();
}
