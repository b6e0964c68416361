// Redis and PostgreSQL of a run: on private ports of loopback, in folders of their own, ended with the run.
import pg from 'pg';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { startCluster, freePort } from '../../../tools/lib/postgres-cluster.mjs';
import { onExit, startProcess } from '../../bench/lib/cleanup.mjs';

const HOST = '127.0.0.1';
const KEPT_OUTPUT = 5_000;

const ended = (child) => child.exitCode !== null || child.signalCode !== null;

async function end(child, signal) {
  if (ended(child)) return;
  const exit = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  await exit;
}

/** A redis-server. `settings` are arguments: `['--appendonly', 'yes']`. */
export async function startRedis(folder, settings = []) {
  const port = await freePort();
  const data = join(folder, `redis-${port}`);
  mkdirSync(data);
  const args = ['--port', `${port}`, '--bind', HOST, '--dir', data, '--save', '', '--appendonly', 'no', ...settings];
  let child;
  const start = async () => {
    // Pipes of its own: whoever reads what the run prints does not wait for a server that outlived it.
    const started = startProcess('redis-server', args, { stdio: ['ignore', 'pipe', 'pipe'] });
    child = started;
    let output = '';
    await new Promise((resolve, reject) => {
      started.once('error', (error) => reject(new Error(`faults: cannot run redis-server: ${error.message}`)));
      started.once('exit', (code) => reject(new Error(`faults: redis-server ended with ${code}: ${output}`)));
      for (const stream of [started.stdout, started.stderr]) {
        stream.setEncoding('utf8').on('data', (text) => {
          output = `${output}${text}`.slice(-KEPT_OUTPUT);
          if (output.includes('Ready to accept connections')) resolve();
        });
      }
    });
  };
  await start();
  return {
    kind: 'redis',
    port,
    target: { host: HOST, port },
    /** How a process reaches it, by default without a proxy between. */
    connection: (at = port) => ({ kind: 'redis', url: `redis://${HOST}:${at}` }),
    start,
    /** As a crash: without a word. */
    kill: () => end(child, 'SIGKILL'),
    stop: async () => {
      await end(child, 'SIGKILL');
      rmSync(data, { recursive: true, force: true });
    },
  };
}

/** Crashes of processes lose nothing without these either, and two busy cores need not wait for the disk. */
const FAST = ['fsync=off', 'full_page_writes=off', 'synchronous_commit=on'];

/** A PostgreSQL cluster. `settings` are `name=value`. `database(name)` makes one and answers it as a server. */
export async function startPostgres(settings = []) {
  const cluster = await startCluster({
    settings: ['max_connections=500', 'shared_buffers=256MB', 'max_wal_size=2GB', ...FAST, ...settings],
    detached: true,
  });
  const pid = () => Number(readFileSync(join(cluster.folder, 'data', 'postmaster.pid'), 'utf8').split('\n')[0]);
  let alive = pid();
  const forget = onExit(() => {
    if (alive) process.kill(alive, 'SIGQUIT');
    rmSync(cluster.folder, { recursive: true, force: true });
  });
  const start = async () => {
    await cluster.start();
    alive = pid();
  };
  const kill = async () => {
    alive = undefined;
    await cluster.end('SIGQUIT');
  };
  const stop = async () => {
    alive = undefined;
    await cluster.stop();
    forget();
  };
  const sql = async (text, values, database = 'postgres') => {
    const client = new pg.Client(`postgresql://postgres@${HOST}:${cluster.port}/${database}`);
    client.on('error', () => undefined);
    await client.connect();
    try {
      return (await client.query(text, values)).rows;
    } finally {
      await client.end();
    }
  };
  return {
    kind: 'postgres',
    stop,
    database: async (name) => {
      await sql(`create database "${name}"`);
      return {
        kind: 'postgres',
        port: cluster.port,
        target: { host: HOST, port: cluster.port },
        connection: (at = cluster.port) => ({
          kind: 'postgres',
          url: `postgresql://postgres@${HOST}:${at}/${name}`,
        }),
        /** A statement of the scenario's own; `database` is `postgres` unless this one is asked for. */
        sql: (text, values) => sql(text, values, name),
        start,
        /** `pg_ctl -m immediate`: as a crash. */
        kill,
        log: () => cluster.log(),
        stop: async () => {
          if (alive) await sql(`drop database if exists "${name}" with (force)`);
        },
      };
    },
  };
}
