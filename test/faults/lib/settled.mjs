// Where ended jobs are not kept, the store cannot be asked what became of them: the ledgers can.
import { readDetail, readLedgers } from './ledger.mjs';

const TOLD = 5;

/** Every acknowledged job has to be settled for good once. Answers in words which were not. */
export function notOnce(lab) {
  const times = new Map();
  const ledgers = readLedgers(lab.ledgers);
  for (const { events } of ledgers) {
    for (const { event, queue, id } of events) if (event === 'ack') times.set(`${queue} ${id}`, 0);
  }
  for (const { events } of ledgers) {
    for (const { event, queue, id, detail } of events) {
      if (event !== 'settle') continue;
      const { verdict, kind } = readDetail(detail);
      if (verdict !== 'settled' || (kind !== 'complete' && kind !== 'fail')) continue;
      const key = `${queue} ${id}`;
      times.set(key, (times.get(key) ?? 0) + 1);
    }
  }
  const wrong = [...times].filter(([, n]) => n !== 1).map(([key, n]) => `${key} was settled ${n} times`);
  return wrong.length > TOLD ? [...wrong.slice(0, TOLD), `and ${wrong.length - TOLD} more`] : wrong;
}
