import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, poolerBinary } from '../../tools/lib/postgres-cluster.mjs';
import { databaseUrl } from './postgres-server.js';

/** A pgbouncer before the database of the test run. */
export interface Pooler {
  /** Through it. */
  readonly url: string;
  stop(): Promise<void>;
}

const INSTALL =
  'Tests of poolers start a pgbouncer of their own: install it (apt-get install pgbouncer, brew install pgbouncer).';

/** It refuses to run as root. */
function identity(): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {};
  const id = (flag: string): number => Number(spawnSync('id', [flag, 'nobody'], { encoding: 'utf8' }).stdout);
  return { uid: id('-u'), gid: id('-g') };
}

/** Starts one in transaction mode, with `connections` to the server, and no startup parameter let through. */
export async function startPooler(connections = 10, direct = databaseUrl()): Promise<Pooler> {
  const program = poolerBinary();
  if (program === undefined) throw new Error(INSTALL);
  const { hostname, port: serverPort, username, password } = new URL(direct);
  const folder = mkdtempSync(join(tmpdir(), 'oqron-pgbouncer-'));
  const port = await freePort();
  const users = join(folder, 'users');
  const config = join(folder, 'pgbouncer.ini');
  const user = decodeURIComponent(username);
  writeFileSync(users, `"${user}" "${decodeURIComponent(password)}"\n`);
  writeFileSync(
    config,
    `[databases]
* = host=${hostname} port=${serverPort || 5432}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = trust
auth_file = ${users}
pool_mode = transaction
default_pool_size = ${connections}
max_client_conn = 500
`,
  );
  spawnSync('chmod', ['-R', 'a+rX', folder]);
  const child = spawn(program, [config], { ...identity(), stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  await new Promise<void>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`pgbouncer ended with ${code}: ${log}`)));
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      log = `${log}${text}`.slice(-10_000);
      if (text.includes('process up')) resolve();
    });
  });
  const url = new URL(direct);
  url.host = `127.0.0.1:${port}`;
  return {
    url: url.href,
    stop: async () => {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGINT');
      const timer = setTimeout(() => child.kill('SIGKILL'), 3_000);
      await ended;
      clearTimeout(timer);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
