// F05: PostgreSQL is restarted as after a crash, sends all its clients away every 500 ms, and takes no writes for a
// while. Nothing that was acknowledged is lost, and everybody goes on when it is back.
import { sleep } from '../lib/lab.mjs';
import { BETWEEN_MS, outage, resumed, underOutages } from '../lib/outages.mjs';

const EVERY_MS = 500;
const READ_ONLY_MS = 10_000;
const READ_ONLY_QUICK_MS = 3_000;
const AWAY =
  'select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and datname = current_database()';

export async function run(lab) {
  const server = await lab.server({ own: true });
  // One of the faults is the time without writes, and one in nine of the others a restart.
  const restarts = Math.max(1, Math.floor((lab.goal.faults - 1) / 9));
  const told = {};
  const found = await underOutages(lab, server, async () => {
    await sleep(BETWEEN_MS);
    for (let n = 0; n < restarts; n += 1) {
      await outage(lab, async () => {
        await server.kill();
        await sleep(lab.random.whole(200, 1_000));
        await server.start();
      });
    }
    told.restarts = restarts;
    told.disconnects = 0;
    // Who is sent away so often may find no time to renew a lease: all of it is one outage.
    lab.nemesis.note('outage');
    while (lab.faults < lab.goal.faults - 1) {
      const next = sleep(EVERY_MS);
      await server.sql(AWAY);
      lab.faults += 1;
      told.disconnects += 1;
      await next;
    }
    lab.nemesis.note('restored');
    await sleep(BETWEEN_MS);
    await outage(lab, async () => {
      await readOnly(server, 'on');
      await sleep(lab.quick ? READ_ONLY_QUICK_MS : READ_ONLY_MS);
      await readOnly(server, 'off');
    });
  });
  const { slowest, late } = resumed(lab);
  const row = await lab.judge({ ...found, more: late });
  return { ...row, told: { ...told, 'slowest back after ms': slowest } };
}

async function readOnly(server, value) {
  await server.sql(`alter system set default_transaction_read_only = ${value}`);
  await server.sql('select pg_reload_conf()');
}
