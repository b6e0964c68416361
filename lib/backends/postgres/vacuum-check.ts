import type { FunctionRunner } from './function-runner.js';

/** A transaction that is open for longer than this keeps vacuum from clearing what changes all the time (ms). */
const LONG_TRANSACTION_MS = 600_000;
/** Where the age of a transaction is not ours to see: how many others began since (transactions). */
const LONG_TRANSACTION_XIDS = 5_000_000;
/** Dead rows that are worth a warning, if they are more than the live ones. */
const MANY_DEAD = 200_000;
/** A narrow table smaller than this is not worth a warning, however empty (bytes). */
const SMALL_TABLE = 128 * 1024 * 1024;
/** What a row of a narrow table takes at most, all in all (bytes). */
const ROW_BYTES = 250;

/** One finding: `who` is a transaction, a slot or a table. */
interface Finding {
  readonly kind: 'off' | 'transaction' | 'prepared' | 'slot' | 'dead' | 'bloat';
  readonly who: string;
  readonly n: number;
  readonly more: number;
}

const FIND = `
with ours as (
  select c.oid, c.relname, pg_relation_size(c.oid) as bytes,
    greatest(s.n_live_tup, c.reltuples)::int8 as live, s.n_dead_tup as dead, narrow.oid is not null as narrow
  from pg_class c
  join pg_stat_all_tables s on s.relid = c.oid
  left join (values ('oqron.ready'::regclass), ('oqron.parked'::regclass), ('oqron.lease'::regclass),
    ('oqron.count'::regclass), ('oqron.idle'::regclass)) narrow (oid) on narrow.oid = c.oid
  where c.oid in ('oqron.job'::regclass, 'oqron.ready'::regclass, 'oqron.parked'::regclass, 'oqron.lease'::regclass,
    'oqron.done'::regclass, 'oqron.history'::regclass, 'oqron.link'::regclass, 'oqron.count'::regclass,
    'oqron.call'::regclass, 'oqron.idle'::regclass)
)
select 'off' as kind, s.name as who, 0::int8 as n, 0::int8 as more
from pg_settings s where s.name in ('autovacuum', 'track_counts') and s.setting = 'off'
union all
select 'transaction', concat_ws(', ', 'pid ' || a.pid, nullif(a.usename, ''), nullif(a.application_name, ''), a.state),
  (extract(epoch from clock_timestamp() - a.xact_start) * 1000)::int8,
  greatest(age(a.backend_xmin), age(a.backend_xid))::int8
from pg_stat_activity a
where a.datname = current_database() and a.pid <> pg_backend_pid() and a.backend_type = 'client backend'
  and (a.backend_xmin is not null or a.backend_xid is not null)
  and (a.xact_start < clock_timestamp() - $1 * interval '1 ms'
    or (a.xact_start is null and greatest(age(a.backend_xmin), age(a.backend_xid)) > $2))
union all
select 'prepared', p.gid, (extract(epoch from clock_timestamp() - p.prepared) * 1000)::int8, age(p.transaction)::int8
from pg_prepared_xacts p
where p.database = current_database() and p.prepared < clock_timestamp() - $1 * interval '1 ms'
union all
select 'slot', r.slot_name, 0, age(r.xmin)::int8 from pg_replication_slots r where age(r.xmin) > $2
union all
select 'dead', o.relname, o.dead, o.live from ours o where o.dead > $3 and o.dead > o.live
union all
select 'bloat', o.relname, o.bytes, o.live from ours o
where o.narrow and o.bytes > $4 and (o.live + o.dead) * $5 * 4 < o.bytes
limit 50`;

/**
 * What keeps our tables from being cleaned, or shows that they were not: one sentence each, nothing when all is well.
 * Looks at statistics of the server only, whatever the size of the tables.
 *
 * @throws StoreUnreachableError
 */
export async function vacuumWarnings(functions: FunctionRunner, longerThanMs = LONG_TRANSACTION_MS): Promise<string[]> {
  const values = [longerThanMs, LONG_TRANSACTION_XIDS, MANY_DEAD, SMALL_TABLE, ROW_BYTES];
  const found = await functions.rows<Finding>('main', 'PostgresBackend.health', FIND, values);
  return found.map(sentence);
}

function sentence({ kind, who, n, more }: Finding): string {
  switch (kind) {
    case 'off':
      return `the setting ${who} is off: dead rows stay, and claims get slower and slower`;
    case 'transaction':
      return `a transaction${n > 0 ? ` has been open for ${minutes(n)}` : ' is very old'} (${who}) and keeps vacuum from clearing dead rows: end it, or claims get slower`;
    case 'prepared':
      return `the prepared transaction "${who}" has been open for ${minutes(n)} and keeps vacuum from clearing dead rows`;
    case 'slot':
      return `the replication slot "${who}" is ${more} transactions behind and keeps vacuum from clearing dead rows`;
    case 'dead':
      return `table ${who} has ${n} dead rows beside ${more} live ones: autovacuum does not keep up`;
    case 'bloat':
      return `table ${who} takes ${Math.round(n / 1_048_576)} MiB for ${more} rows: VACUUM (FULL) it in a quiet minute`;
  }
}

function minutes(ms: number): string {
  return `${Math.round(ms / 60_000)} min`;
}
