// The Redis that both sides use: one of our own on loopback, or the one of REDIS_URL.
import { Redis } from 'ioredis';
import { createServer } from 'node:net';
import { endProcess, makeFolder, removeFolder, startProcess } from './cleanup.mjs';

export async function openRedis({ appendonly = false } = {}) {
  const given = process.env.REDIS_URL;
  const own = given ? undefined : await start(appendonly);
  const url = given ?? own.url;
  const client = new Redis(url);
  // A server that ends under our hands fails the next command anyway.
  client.on('error', () => undefined);
  const info = async (section) => parse(await client.info(section));
  const server = await info('server');
  const settings = await client.config('GET', 'appendonly', 'appendfsync', 'save').catch(() => []);
  const clients = async () => (await client.client('LIST')).trim().split('\n').length;
  /** The runs that are not cleared, and how many clients there were before each. */
  const spaces = new Map();

  return {
    async open(space) {
      spaces.set(space, await clients());
      return url;
    },

    about: { redis: server.redis_version, own: own !== undefined, settings: asObject(settings) },

    /** Totals since the server began: commands, those inside of scripts included, and CPU (us). */
    async totals() {
      const [stats, cpu] = [await info('commandstats'), await info('cpu')];
      const commands = {};
      for (const [key, value] of Object.entries(stats)) {
        const name = key.slice('cmdstat_'.length);
        if (!/^(info|config|client|hello|auth|select|quit)\b/.test(name)) {
          commands[name] = Number(/calls=(\d+)/.exec(value)[1]);
        }
      }
      return { commands, cpu: (Number(cpu.used_cpu_user) + Number(cpu.used_cpu_sys)) * 1e6 };
    },

    async used() {
      return Number((await info('memory')).used_memory);
    },

    /** How many commands clients sent while `work` ran. What a script does comes as from "lua", and is none of theirs. */
    async requests(work) {
      const monitor = await client.monitor();
      let sent = 0;
      monitor.on('error', () => undefined);
      monitor.on('monitor', (_time, _args, source) => {
        if (source !== 'lua') sent += 1;
      });
      try {
        await work();
        return sent;
      } finally {
        monitor.disconnect();
      }
    },

    connections: async (space) => (await clients()) - spaces.get(space),

    /** Removes the keys of one run. On somebody else's server, or while there are other runs, nothing else is touched. */
    async clear(space) {
      spaces.delete(space);
      if (own && spaces.size === 0) return void (await client.flushall());
      for (const pattern of [`oqron:{${space}:*`, `${space}:*`]) {
        for await (const keys of client.scanStream({ match: pattern, count: 1000 })) {
          if (keys.length > 0) await client.unlink(...keys);
        }
      }
    },

    async close() {
      client.disconnect();
      if (own) await own.stop();
    },
  };
}

async function start(appendonly) {
  const folder = makeFolder();
  const port = await freePort();
  const settings = ['--save', '', '--appendonly', appendonly ? 'yes' : 'no', '--appendfsync', 'everysec'];
  const args = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', folder, ...settings];
  const child = startProcess('redis-server', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise((resolve, reject) => {
    child.once('error', (error) =>
      reject(new Error(`bench: cannot start redis-server (${error.message}). Install Redis, or set REDIS_URL.`)),
    );
    child.once('exit', (code) => reject(new Error(`bench: redis-server ended with ${code}`)));
    child.stdout.on('data', (text) => text.includes('Ready to accept connections') && resolve());
  });
  return {
    url: `redis://127.0.0.1:${port}`,
    async stop() {
      await endProcess(child);
      removeFolder(folder);
    },
  };
}

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function parse(text) {
  const lines = text.split('\r\n').filter((line) => line.includes(':'));
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]));
}

/** `CONFIG GET` answers a list or an object, by the version of ioredis. */
function asObject(settings) {
  if (!Array.isArray(settings)) return settings;
  return Object.fromEntries(settings.flatMap((name, i) => (i % 2 === 0 ? [[name, settings[i + 1]]] : [])));
}
