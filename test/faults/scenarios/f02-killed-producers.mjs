// F02: as F01, and four producers are SIGKILLed as well, in the middle of their adds. What was acknowledged is there; what
// was not is there as a whole or not at all. Half of what a producer took with it is added again, by its ids.
import { sleep } from '../lib/lab.mjs';
import { leftovers } from '../lib/leftovers.mjs';
import { Load } from '../lib/load.mjs';
import { allReady, chunks, drainOf, killOne, QUEUES, rulesOf, startAll, WORKER } from '../lib/storm.mjs';

const EVERY_MS = 400;
const SLOWLY_MS = 1_500;

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
  for (let n = 1; !loaded; n += 1) {
    const next = sleep(lab.faults < lab.goal.faults ? EVERY_MS : SLOWLY_MS);
    // The faults of this scenario are the killed producers.
    lab.faults += await killOne(lab, fleet, producers, 1);
    if (n % 3 === 0) await killOne(lab, fleet, workers, 1);
    await next;
  }
  await loading;
  lab.calm();
  await allReady(workers);
  await lab.drained(watcher, QUEUES, drainOf(lab));
  await fleet.stop();
  const left = await leftovers(server, watcher);
  return lab.judge({ watcher, queues: QUEUES, rules: rulesOf(drainOf(lab)), left });
}
