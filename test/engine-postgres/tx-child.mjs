// A worker whose handlers commit, roll back, or take the whole process with them, at random. See ctx-tx-crash.spec.ts.
import pg from 'pg';
import { OqronEngine } from 'oqronkit';

const { home, schema, crashes, rollbacks } = JSON.parse(process.argv[2]);
const CRASHES = ['before', 'between', 'at the end', 'instead of the commit', 'with the commit', 'after the commit'];

const die = () => {
  process.kill(process.pid, 'SIGKILL');
  // The signal comes when this process lets it.
  for (;;);
};

/** Where the next COMMIT of a client ends this process. */
const fates = new WeakMap();
const pool = new pg.Pool({ connectionString: home.postgres.connectionString, max: 10 });
pool.on('error', () => undefined);
pool.on('connect', (client) => {
  const query = client.query.bind(client);
  client.query = (...args) => {
    const fate = args[0] === 'COMMIT' ? fates.get(client) : undefined;
    fates.delete(client);
    if (fate === 'instead of the commit') die();
    if (fate === 'with the commit') {
      void query(...args);
      // It has to leave this process, and perhaps arrives.
      setTimeout(die, Math.random() * 3);
      return new Promise(() => undefined);
    }
    return query(...args);
  };
});

const engine = new OqronEngine({ ...home, logger: { level: 'error' }, shutdown: { timeout: 5_000 } });
const common = {
  concurrency: 5,
  // A job whose processes die is run again soon.
  heartbeatMs: 400,
  lockTtlMs: 1_200,
  maxStalledCount: 1_000,
  pollIntervalMs: 200,
  retries: { max: 1_000, strategy: 'fixed', baseDelay: 20 },
  removeOnComplete: false,
};

engine.queue({
  name: 'orders',
  ...common,
  handler: async (ctx) => {
    const luck = Math.random();
    const crash = luck < crashes ? CRASHES[Math.floor(Math.random() * CRASHES.length)] : undefined;
    const fails = !crash && luck < crashes + rollbacks;
    if (crash === 'before') die();
    await ctx.tx(
      async (client) => {
        await client.query(`insert into "${schema}".effect values ($1, 'first')`, [ctx.id]);
        if (crash === 'between') die();
        await ctx.spawnChild('receipts', { order: ctx.id }, { tx: client });
        await client.query(`insert into "${schema}".effect values ($1, 'second')`, [ctx.id]);
        if (fails) throw new Error('rolled back');
        if (crash === 'at the end') die();
        if (crash) fates.set(client, crash);
        return ctx.data;
      },
      { using: pool },
    );
    if (crash === 'after the commit') die();
  },
});

engine.queue({
  name: 'receipts',
  ...common,
  handler: (ctx) =>
    ctx.tx((client) =>
      client.query(`insert into "${schema}".effect values ($1, 'receipt')`, [ctx.data.order]).then(() => undefined),
    ),
});

process.once('disconnect', () => process.exit(1));
process.on('message', () => {
  void engine.stop().then(async () => {
    await pool.end();
    process.removeAllListeners('disconnect');
    process.disconnect();
  });
});

await engine.start();
process.send?.('ready');
