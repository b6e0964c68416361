// A private PostgreSQL on loopback, in a folder of its own: for the tests, and for those of them that stop or break it.
import { spawn, spawnSync } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

const DEBIAN = '/usr/lib/postgresql';

const output = (command, ...args) => {
  const { status, stdout } = spawnSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  return status === 0 ? stdout.trim() : '';
};

/** The folder with `initdb` and `postgres`: of the PATH, as `pg_config` says, or where Debian hides it. */
export function postgresBinaries() {
  const debian = existsSync(DEBIAN) ? readdirSync(DEBIAN).sort((a, b) => Number(b) - Number(a)) : [];
  const folders = [
    ...(process.env.PATH ?? '').split(delimiter),
    output('pg_config', '--bindir'),
    ...debian.map((version) => join(DEBIAN, version, 'bin')),
  ];
  return folders.find((folder) => folder && existsSync(join(folder, 'initdb')) && existsSync(join(folder, 'postgres')));
}

/** The program of the pooler. Debian puts it where only root looks. */
export function poolerBinary() {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'];
  return folders.map((folder) => join(folder, 'pgbouncer')).find((path) => existsSync(path));
}

/** PostgreSQL refuses to run as root. */
function identity() {
  if (process.getuid?.() !== 0) return {};
  for (const user of ['postgres', 'nobody']) {
    const uid = output('id', '-u', user);
    if (uid) return { uid: Number(uid), gid: Number(output('id', '-g', user)) };
  }
  throw new Error('PostgreSQL does not run as root, and there is no user "postgres" or "nobody" to run it as.');
}

export async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const FAST = ['fsync=off', 'full_page_writes=off', 'synchronous_commit=on', 'max_connections=300'];

/**
 * Makes a cluster and starts it. Everybody on this machine may connect, as `postgres`, to the database `postgres`.
 * `settings` are `name=value`. With `detached`, a Ctrl-C in the terminal does not reach it.
 */
export async function startCluster({ settings = FAST, detached = false } = {}) {
  const bin = postgresBinaries();
  if (!bin) throw new Error('There is no initdb and postgres.');
  const who = identity();
  const folder = mkdtempSync(join(tmpdir(), 'oqronkit-postgres-'));
  if (who.uid !== undefined) chownSync(folder, who.uid, who.gid);
  const data = join(folder, 'data');
  const options = { ...who, cwd: folder, env: { ...process.env, LC_ALL: 'C', PGDATA: data } };
  const made = spawnSync(
    join(bin, 'initdb'),
    ['-D', data, '-U', 'postgres', '--auth=trust', '--encoding=UTF8', '--locale=C', '--no-sync'],
    { ...options, encoding: 'utf8' },
  );
  if (made.status !== 0) {
    rmSync(folder, { recursive: true, force: true });
    throw new Error(`initdb failed: ${made.stderr ?? made.error}`);
  }
  const port = await freePort();
  const all = [...settings, `port=${port}`, 'listen_addresses=127.0.0.1', `unix_socket_directories=${folder}`];
  let child;
  let log = '';
  const statements = [];

  const start = async () => {
    log = '';
    child = spawn(join(bin, 'postgres'), ['-D', data, ...all.flatMap((setting) => ['-c', setting])], {
      ...options,
      detached,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const started = child;
    await new Promise((resolve, reject) => {
      started.once('error', reject);
      started.once('exit', (code) => reject(new Error(`postgres ended with ${code}: ${log}`)));
      started.stderr.setEncoding('utf8').on('data', (text) => {
        log = `${log}${text}`.slice(-200_000);
        statements.push(...(text.match(/LOG: {2}(statement|execute [^:]*): .*/g) ?? []));
        if (text.includes('ready to accept connections')) resolve();
      });
    });
  };
  /** `SIGTERM` waits for clients, `SIGINT` sends them away, `SIGQUIT` is as a crash. */
  const end = async (signal) => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exit = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await exit;
  };

  try {
    await start();
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
  return {
    url: `postgresql://postgres@127.0.0.1:${port}/postgres`,
    port,
    folder,
    log: () => log,
    statements: () => statements,
    start,
    end,
    stop: async () => {
      await end('SIGQUIT');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
