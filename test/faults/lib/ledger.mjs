// What really happened, written outside the store under test: one append-only file per process incarnation, one line per
// event, `at event queue id fence detail`, with `-` for what does not apply. `at` is CLOCK_MONOTONIC in us, which all
// processes of a machine share, so that the files can be laid beside each other.
import { openSync, readFileSync, readdirSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const END = '.ledger';

/** Microseconds of the machine's monotonic clock. */
const micros = () => Number(process.hrtime.bigint() / 1000n);

/** A ledger of one incarnation. Lines of one `write` are appended whole and outlive a SIGKILL of the process. */
export function openLedger(folder, who) {
  const file = openSync(join(folder, `${who}${END}`), 'a');
  const line = (event, queue = '-', id = '-', fence = '-', detail = '-') =>
    `${micros()} ${event} ${queue} ${id} ${fence} ${String(detail).replaceAll(/\s+/g, '_') || '-'}\n`;
  return {
    /** One event. */
    note: (...fields) => void writeSync(file, line(...fields)),
    /** Many events in one write. */
    notes: (list) => void (list.length > 0 && writeSync(file, list.map((fields) => line(...fields)).join(''))),
  };
}

/** Events of one ledger's text, in the order in which they were written. A line that a crash cut short is left out. */
export function readEvents(text) {
  const events = [];
  let from = 0;
  for (let end = text.indexOf('\n', from); end >= 0; end = text.indexOf('\n', from)) {
    const [at, event, queue, id, fence, detail] = text.slice(from, end).split(' ');
    from = end + 1;
    if (detail === undefined) continue;
    events.push({ at: Number(at), event, queue, id, fence: fence === '-' ? undefined : Number(fence), detail });
  }
  return events;
}

/** Every ledger of a folder: who wrote it, and its events. */
export function readLedgers(folder) {
  return readdirSync(folder)
    .filter((name) => name.endsWith(END))
    .map((name) => ({
      who: name.slice(0, -END.length),
      events: readEvents(readFileSync(join(folder, name), 'utf8')),
    }));
}

/** `a=1,b=2` as an object; texts only. */
export function readDetail(detail) {
  if (detail === '-') return {};
  return Object.fromEntries(detail.split(',').map((part) => part.split(/=(.*)/s, 2)));
}

/** The other way; what is undefined is left out. */
export function writeDetail(values) {
  return Object.entries(values)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
}
