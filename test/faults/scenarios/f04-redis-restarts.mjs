// F04: Redis is killed and started again, away for 200 to 2 000 ms, while jobs keep coming. With `appendfsync always`
// nothing that was acknowledged is lost. With `everysec` what was acknowledged in the last 2 s before a kill may be.
import { sleep, until } from '../lib/lab.mjs';
import { readLedgers } from '../lib/ledger.mjs';
import { BETWEEN_MS, outage, resumed, underOutages } from '../lib/outages.mjs';

/** Redis itself waits that long for a slow disk before it stops answering (ms). */
const AT_RISK_MS = 2_000;
/** So long nobody waits for a part of the load. */
const LOAD_MS = 300_000;
/** A server that went back in time gives a fence out again, and runs again what had ended. */
const TIME_TRAVEL = new Set(['I3', 'I4', 'I5']);

export async function always(lab) {
  const found = await restarts(lab, 'always');
  const { slowest, late } = resumed(lab);
  const row = await lab.judge({ ...found, more: late });
  return { ...row, told: { 'slowest back after ms': slowest } };
}

export async function everySecond(lab) {
  const found = await restarts(lab, 'everysec');
  const { slowest, late } = resumed(lab);
  const states = await found.watcher.states(found.queues);
  const { lost, tooOld } = losses(lab, new Set(states.map(({ queue, id }) => `${queue} ${id}`)));
  const row = await lab.judge({
    ...found,
    rules: { ...found.rules, allowLost: Infinity },
    more: [...late, ...tooOld],
  });
  const violations = row.violations.filter(({ invariant }) => !TIME_TRAVEL.has(invariant));
  const told = { 'lost of the last 2 s': lost, 'slowest back after ms': slowest };
  return { ...row, violations, pass: violations.length === 0, told };
}

async function restarts(lab, fsync) {
  const server = await lab.server({ settings: ['--appendonly', 'yes', '--appendfsync', fsync] });
  return underOutages(lab, server, async (load) => {
    await sleep(BETWEEN_MS);
    while (lab.faults < lab.goal.faults) {
      // Spread over the whole of the load.
      const due = (lab.goal.jobs * (lab.faults + 0.5)) / lab.goal.faults;
      await until(`${due} jobs`, () => load.added >= due, LOAD_MS);
      await outage(lab, async () => {
        await server.kill();
        await sleep(lab.random.whole(200, 2_000));
        await server.start();
      });
    }
  });
}

/** Acknowledged jobs that are gone, and those of them that had been there for too long before the next kill. */
function losses(lab, there) {
  const ledgers = readLedgers(lab.ledgers);
  const { events: marks } = ledgers.find(({ who }) => who === 'nemesis');
  const kills = marks.filter(({ event }) => event === 'outage').map(({ at }) => at);
  const acks = new Map();
  for (const { events } of ledgers) {
    for (const { event, queue, id, at } of events) {
      const key = `${queue} ${id}`;
      if (event === 'ack' && !there.has(key)) acks.set(key, Math.max(at, acks.get(key) ?? 0));
    }
  }
  const atRisk = (ack) => kills.some((kill) => ack >= kill - AT_RISK_MS * 1_000 && ack <= kill + 1_000);
  const tooOld = [...acks]
    .filter(([, ack]) => !atRisk(ack))
    .map(([key]) => `${key} is lost, and was not of the last 2 s`);
  return { lost: acks.size, tooOld };
}
