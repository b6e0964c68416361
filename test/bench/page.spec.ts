import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';

const page = readFileSync(new URL('../../docs/performance.md', import.meta.url), 'utf8');
const HEADING = '### Goals that are missed';

/** Names of the rows whose first cell is this mark. */
function rows(mark: string): string[] {
  const cells = page.split('\n').map((line) => line.split('|').map((cell) => cell.trim()));
  return [...new Set(cells.filter((line) => line[1] === mark).map((line) => line[2] ?? ''))].sort();
}

/** Names of the rows that the section explains. */
function explained(): string[] {
  const from = page.indexOf(HEADING);
  const section = page.slice(from, page.indexOf('\n## ', from));
  return [...section.matchAll(/^- \*\*(.+?)\*\*/gm)].flatMap(([, names = '']) => names.split(' · ')).sort();
}

describe('the page of figures', () => {
  it('says of each goal that is missed what stands in the way, and of no other', () => {
    expect(page).toContain(HEADING);
    expect(explained()).toEqual(rows('--'));
  });

  it('has goals that are met', () => {
    expect(rows('ok').length).toBeGreaterThan(0);
  });
});
