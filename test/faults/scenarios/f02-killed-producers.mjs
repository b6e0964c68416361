// F02: as F01, and four producers are SIGKILLed as well, in the middle of their adds. What was acknowledged is there; what
// was not is there as a whole or not at all. Half of what a producer took with it is added again, by its ids.
import { leftovers } from '../lib/leftovers.mjs';
import { Load } from '../lib/load.mjs';
import {
  allReady,
  areReady,
  chunks,
  drainOf,
  killOne,
  QUEUES,
  rulesOf,
  startAll,
  storm,
  WORKER,
} from '../lib/storm.mjs';

const EVERY_MS = 400;

export async function run(lab) {
  const server = await lab.server();
  const watcher = await lab.watcher(server);
  const fleet = lab.fleet(server);
  const [producers, workers] = await Promise.all([startAll(fleet, 'p', 4, {}), startAll(fleet, 'w', 4, WORKER)]);
  const load = new Load({
    producers: () => producers.filter(({ isReady }) => isReady),
    make: chunks(lab.random.fork()),
    jobs: lab.goal.jobs,
    faults: () => lab.faults,
    wanted: lab.goal.faults,
    waiting: async () => (await watcher.open(QUEUES)).all,
    abandon: () => lab.random.chance(0.5),
  });
  let loaded = false;
  const loading = load.run().finally(() => (loaded = true));
  await storm(lab, {
    everyMs: EVERY_MS,
    kill: async (n) => {
      if (n % 3 === 0) await killOne(lab, fleet, workers);
      // The faults of this scenario are the killed producers.
      return killOne(lab, fleet, producers);
    },
    up: () => areReady(workers) && areReady(producers),
    over: () => loaded,
  });
  await loading;
  lab.calm();
  await allReady(workers);
  await lab.drained(watcher, QUEUES, drainOf(lab));
  await fleet.stop();
  const left = await leftovers(server, watcher);
  return lab.judge({ watcher, queues: QUEUES, rules: rulesOf(drainOf(lab)), left });
}
