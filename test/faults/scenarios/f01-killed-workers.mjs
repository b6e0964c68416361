// F01: eight worker processes of 16 slots, one of them SIGKILLed every 300 ms and started again at once, while jobs of
// 0 to 20 ms keep coming; one in ten has a dependant in another queue. When the number of kills is reached and that of
// jobs is not, the kills go on more slowly: on few cores starting processes leaves little for anything else, and on slow
// ones nothing (then half of them, or all, have to be up before the next one is killed).
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

const EVERY_MS = 300;

export async function run(lab) {
  const server = await lab.server();
  const watcher = await lab.watcher(server);
  const fleet = lab.fleet(server);
  const [producers, workers] = await Promise.all([startAll(fleet, 'p', 2, {}), startAll(fleet, 'w', 8, WORKER)]);
  const load = new Load({
    producers: () => producers,
    make: chunks(lab.random.fork()),
    jobs: lab.goal.jobs,
    faults: () => lab.faults,
    wanted: lab.goal.faults,
    waiting: async () => (await watcher.open(QUEUES)).all,
  });
  const loading = load.run();
  let loaded = false;
  const over = loading.finally(() => (loaded = true));
  await storm(lab, {
    everyMs: EVERY_MS,
    kill: () => killOne(lab, fleet, workers),
    up: () => areReady(workers),
    over: () => loaded,
  });
  await over;
  lab.calm();
  await allReady(workers);
  await lab.drained(watcher, QUEUES, drainOf(lab));
  await fleet.stop();
  const left = await leftovers(server, watcher);
  return lab.judge({ watcher, queues: QUEUES, rules: rulesOf(drainOf(lab)), left });
}
