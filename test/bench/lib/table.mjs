// Rows as they come, in columns of fixed width.
const COLUMNS = [
  ['', 2],
  ['row', -46],
  ['unit', -7],
  ['ours', 9],
  ['peer', 9],
  ['ratio', 6],
  ['pairs', -14],
  ['goal', -12],
  ['CPU us/job (node + server)', -30],
];

export const header = () => line(COLUMNS.map(([title]) => title));

/** What was measured with, in one line. */
export const aboutLine = (about) => `  ${Object.entries(about).map(told).join(' · ')}`;

export function pairRow({ row, unit, ours, peer, ratio, spread, goal = '', met, cpu }) {
  const mark = met === undefined ? '' : met ? 'ok' : '--';
  const both = cpu ? `${parts(cpu.ours)} against ${parts(cpu.peer)}` : '';
  const pairs = `${fixed(spread[0])} - ${fixed(spread[1])}`;
  return line([mark, row, unit, format(ours), format(peer), fixed(ratio), pairs, goal, both]);
}

export function singleRow({ row, unit, ours, spread, goal, met, note }) {
  const mark = met === undefined ? ' ' : met ? 'ok' : '--';
  const range = spread ? ` (${format(spread[0])} to ${format(spread[1])})` : '';
  const wanted = goal === undefined ? '' : `, goal ${format(goal)}`;
  return `  ${mark.padEnd(2)} ${row}: ${format(ours)} ${unit}${range}${wanted}${note ? `; ${note}` : ''}`;
}

function told([name, value]) {
  if (typeof value !== 'object') return `${name} ${value}`;
  return Object.entries(value)
    .map(([key, setting]) => `${key}=${setting || "''"}`)
    .join(' ');
}

const fixed = (value) => value.toFixed(2);
const parts = ({ node, server }) => `${node.toFixed(1)} + ${server.toFixed(1)}`;

function line(cells) {
  const texts = cells.map((cell, i) => {
    const width = COLUMNS[i][1];
    return width < 0 ? cell.padEnd(-width) : cell.padStart(width);
  });
  return `  ${texts.join('  ')}`.trimEnd();
}

function format(value) {
  return Math.abs(value) >= 1000 ? Math.round(value).toLocaleString('en-US') : String(Math.round(value * 100) / 100);
}
