// Crash points below the store, in a process of F03: the scripts that carry messages between the slots of Redis, and the
// statements of a user's own transaction on PostgreSQL.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import pg from 'pg';
import { openLedger } from './ledger.mjs';
import { crashPoints } from './store-hooks.mjs';

const { ledgers, who, library, connection, points = [] } = JSON.parse(process.argv[2]);
const from = (file) => import(pathToFileURL(join(library, file)).href);
const within = (layer) => points.filter(({ op }) => op.startsWith(layer));
const { StoreUnreachableError } = await from('index.js');
const layer = (name) =>
  crashPoints({
    ledger: openLedger(ledgers, who),
    points: within(name),
    unreachable: (text) => new StoreUnreachableError(text),
    reached: (point) => process.connected && process.send({ is: 'point', point }),
  });

if (within('script.').length > 0) {
  const { ScriptRunner } = await from('backends/redis/script-runner.js');
  const { around } = layer('script.');
  const { run } = ScriptRunner.prototype;
  ScriptRunner.prototype.run = function (client, where, name, queue, args, opts) {
    return around(`script.${name}`, [queue, ...args], () => run.call(this, client, where, name, queue, args, opts));
  };
}

/** What a statement of a transaction is, as the points call it. */
const KINDS = [
  [/_enqueue_tx_v\d/, 'client.enqueue'],
  [/_complete_tx_v\d/, 'client.complete'],
  [/^commit$/i, 'client.commit'],
];
const asking = new WeakMap();

/** The transactions of this process; made when it first needs one. */
export const transactions = () => (made ??= open());
let made;

/** Says for which queue a transaction of this pool was opened: its COMMIT names none. */
export const isFor = (client, queue) => void asking.set(client, queue);

function open() {
  const { around } = layer('client.');
  const pool = new pg.Pool({ connectionString: connection.url, max: 4 });
  pool.on('error', () => undefined);
  pool.on('connect', (client) => {
    client.on('error', () => undefined);
    const query = client.query.bind(client);
    const cut = () => {
      client.connection.stream.destroy();
      return Object.assign(new Error('Connection terminated unexpectedly'), { code: 'ECONNRESET' });
    };
    client.query = (...args) => {
      const [, op] = (typeof args[0] === 'string' && KINDS.find(([text]) => text.test(args[0]))) || [];
      return op ? around(op, [asking.get(client)], async () => query(...args), { cut }) : query(...args);
    };
  });
  return pool;
}
