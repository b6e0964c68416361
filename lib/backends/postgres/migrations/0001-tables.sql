-- The tables of the job store.
--
-- A job's wide data stands in `job` and is written once. Its state is the narrow table that holds its `seq`: `ready`,
-- `parked` (suspect, delayed, blocked, held), `lease` or `done`. A transition takes the narrow row out of one and puts it
-- into another, so that nothing wide is rewritten and the tables that change all the time stay small.
--
-- Places (the column `place`, and the state of a job everywhere): 1 ready, 2 suspect (ready, but at its stall cap),
-- 3 delayed, 4 blocked (waits for parents), 5 held (added while its queue was disabled), 6 leased, 7 completed, 8 failed,
-- 9 cancelled; 10, 11 and 12 are 7, 8 and 9 while somebody unfinished depends on the job, which keeps it from retention.
--
-- Flags (bits of the column `flags`): 1 it has links to parents, 2 somebody depends on it (or did), 4 it has a row in
-- `history`, 8 it has a deduplication key, 16 it brings a retention rule of its own, 32 suspect, 64 dead letter,
-- 128 it has rows in `child`, 256 it says itself that it goes as soon as it completes, 512 it brings a rule, but says
-- nothing itself of how long it stays when it completes.
--
-- Times are ms since the epoch. Texts that are compared are compared by their bytes.

-- Numbers jobs (`seq`) and turns (`ord`). One sequence for both: the turn of a job that was just added is its own number.
create sequence oqron.ord;

-- Fences. Never behind store time in us (see fence_v1).
create sequence oqron.fence;

-- Grows when a job comes back to an old place of `ready`: claims that remember where they stopped look from the start.
create sequence oqron.returned;

create table oqron.space (
  id int generated always as identity primary key,
  project text collate "C" not null,
  environment text collate "C" not null,
  unique (project, environment)
);

create table oqron.queue (
  id int generated always as identity primary key,
  space_id int not null,
  name text collate "C" not null,
  -- null: nobody said; 0 fifo, 1 lifo, 2 priority
  strategy smallint,
  paused boolean not null default false,
  disabled boolean not null default false,
  -- 0 hold, 1 skip, 2 reject
  behavior smallint not null default 0,
  max_held int not null default 10000,
  version int not null default 0,
  declared boolean not null default false,
  -- Somebody declared it, paused it or added to it: a mere claim does not bring a queue into being.
  recorded boolean not null default false,
  -- Some of its jobs are or were linked to others: endings look before they lock.
  linked boolean not null default false,
  -- Claims with a rate were made: every claim counts for `rate`.
  rated boolean not null default false,
  -- A claim was cut short by this maxActive: whoever ends a lease has news for idle processes.
  cap int,
  unique (space_id, name)
) with (fillfactor = 50);

create table oqron.job (
  seq bigint primary key default nextval('oqron.ord'),
  queue_id int not null,
  created_at bigint not null,
  priority int not null default 0,
  id text collate "C" not null,
  name text collate "C" not null,
  -- JSON; null = {}
  meta text,
  data text,
  -- JSON, see JobKeep
  keep text,
  dedup_key text collate "C",
  unique (queue_id, id)
) with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.1, autovacuum_vacuum_cost_delay = 0);

create table oqron.ready (
  ord bigint not null,
  seq bigint not null,
  run_at bigint not null,
  -- Of the last lease; 0 = none yet.
  fence bigint not null default 0,
  queue_id int not null,
  rank int not null,
  -- Characters of the payload: a claim takes 1 MiB at most.
  size int not null,
  flags int not null default 0,
  attempt int not null default 0,
  stalled int not null default 0,
  policy int,
  -- The fence of the last outcome that counted.
  settled bigint,
  started_at bigint,
  -- The first of the releases in a row for an unknown job name.
  unknown_since bigint,
  primary key (queue_id, rank, ord)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);
create index on oqron.ready (seq);

-- Places 2 to 5. `k1` is the rank of a suspect, `run_at` of a delayed job, 0 elsewhere.
create table oqron.parked (
  seq bigint primary key,
  ord bigint not null,
  run_at bigint not null,
  k1 bigint not null,
  fence bigint not null default 0,
  queue_id int not null,
  size int not null,
  flags int not null default 0,
  attempt int not null default 0,
  stalled int not null default 0,
  place smallint not null,
  policy int,
  settled bigint,
  started_at bigint,
  unknown_since bigint
) with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);
create unique index on oqron.parked (queue_id, place, k1, ord);

-- `until` is in no index, so that a heartbeat rewrites a row within its page (HOT) and nothing else.
create table oqron.lease (
  fence bigint not null,
  seq bigint not null,
  until bigint not null,
  ord bigint not null,
  run_at bigint not null,
  started_at bigint not null,
  queue_id int not null,
  size int not null,
  flags int not null,
  attempt int not null,
  stalled int not null,
  policy int not null,
  settled bigint,
  unknown_since bigint,
  id text collate "C" not null,
  owner text collate "C" not null,
  -- One index is all: each more is an entry for every job that runs. So leases are found by the number of their job.
  primary key (queue_id, seq)
) with (fillfactor = 60, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);

create table oqron.done (
  seq bigint primary key,
  finished_at bigint not null,
  ord bigint not null,
  run_at bigint not null,
  fence bigint not null,
  queue_id int not null,
  flags int not null,
  attempt int not null,
  stalled int not null,
  -- 7 to 12
  place smallint not null,
  policy int,
  settled bigint,
  started_at bigint,
  owner text collate "C",
  result text,
  -- JSON, or a short code for what functions write: see error_v1.
  error text,
  reason text
) with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
create unique index on oqron.done (queue_id, place, finished_at, ord);

-- What not every job has. `timeline` and `logs` are oldest first; lines of `timeline` are `<letter><at>:<attempt>:<detail>`.
create table oqron.history (
  seq bigint primary key,
  -- Of the last failed attempt; a completed job has none, a failed one may have a newer one in `done`.
  error text,
  progress text,
  timeline text[],
  logs text[],
  -- `<queue>\n<id>` of the job of which this one is the dead letter's copy.
  origin text,
  retried_from text,
  retried_by text
) with (fillfactor = 80);

-- One link of a child to a parent. `parent` is the seq of the parent as it is called now; it may be gone.
create table oqron.link (
  child bigint not null,
  n int not null,
  parent bigint not null,
  -- Queue and id of the parent, for people to read.
  queue_id int not null,
  id text collate "C" not null,
  -- 0 block, 1 cascade-fail, 2 ignore
  policy smallint not null,
  -- It still holds the child.
  waits boolean not null,
  -- The child has not finished: the parent is kept for it.
  bound boolean not null,
  -- Made by deduplication: nobody is shown it, and it keeps nothing from retention once the parent has ended.
  hidden boolean not null default false,
  primary key (child, n)
);
-- In the order in which dependants are told: without it a plan without sorting would read all links.
create index on oqron.link (parent, child, n) where bound;

-- Names of the jobs that depend on a job or were added by its handler, the first 1 000, by `ord`.
create table oqron.child (
  parent bigint not null,
  queue_id int not null,
  ord bigint not null default nextval('oqron.ord'),
  id text collate "C" not null,
  primary key (parent, queue_id, id)
);

-- Ended jobs whose dependants have to be told, and children that have to be linked.
create table oqron.outbox (
  space_id int not null,
  ord bigint not null default nextval('oqron.ord'),
  seq bigint not null,
  queue_id int not null,
  -- 7 to 9: it ended so; 0: it was removed before it had ended; 1: a child that was added in a user's transaction
  how smallint not null,
  id text collate "C" not null,
  primary key (space_id, ord)
);

-- Who stands for a deduplication key.
create table oqron.dedup (
  queue_id int not null,
  key text collate "C" not null,
  seq bigint not null,
  -- The job that it waits for by keep-last; it stands for the key again when `seq` goes first.
  behind bigint,
  -- The key outlives its job.
  throttle boolean not null,
  until bigint,
  id text collate "C" not null,
  created_at bigint not null,
  run_at bigint not null,
  -- The place that the job had when its record was deleted.
  last_place smallint,
  primary key (queue_id, key)
);
create index on oqron.dedup (seq);
create index on oqron.dedup (queue_id, until) where until is not null;

-- Counts are sums over the rows of a queue: each change adds a row, and now and then the rows become one.
create table oqron.count (
  queue_id int not null,
  n int not null,
  place smallint not null
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);
create index on oqron.count (queue_id);

-- What a sweeper must know of a consumer's definition: each distinct one once.
create table oqron.policy (
  id int generated always as identity primary key,
  key text collate "C" not null unique,
  guaranteed boolean not null,
  max_stalled int not null,
  stall_delay bigint not null,
  stall_max bigint not null,
  -- Retention. `_own`: the definition says so, and the producer's word does not count. null = no bound.
  completed_own boolean not null,
  completed_count bigint,
  completed_age bigint,
  failed_own boolean not null,
  failed_count bigint,
  failed_age bigint,
  dead boolean not null,
  dead_queue text collate "C"
);

-- The last rule applied to the finished jobs of a queue (places 7 to 9), for what gets old while it rests.
create table oqron.rule (
  queue_id int not null,
  place smallint not null,
  count bigint,
  age bigint,
  -- Nothing that may be removed finished before this: the index is full of entries that were, until it is vacuumed.
  mark bigint not null default 0,
  primary key (queue_id, place)
) with (fillfactor = 50);

-- Leases that began, in parts of 1 % of the span that a claim asked for.
create table oqron.rate (
  queue_id int not null,
  span_ms bigint not null,
  part_end double precision not null,
  n int not null,
  primary key (queue_id, span_ms, part_end)
);
-- The spans that a queue remembers, by last use.
create table oqron.span (
  queue_id int not null,
  span_ms bigint not null,
  used bigint not null default nextval('oqron.ord'),
  primary key (queue_id, span_ms)
);

-- One compact reply per call for a resend: a client has at most 16 unanswered calls, so 16 rows.
create table oqron.call (
  queue_id int not null,
  client text collate "C" not null,
  slot smallint not null,
  n bigint not null,
  -- The highest number that the client had confirmed when the row was written.
  acked bigint not null,
  at bigint not null,
  reply text not null,
  primary key (queue_id, client, slot)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);

-- Processes that wait for jobs of a queue. A hint that is lost costs time only, so nothing here is logged.
create unlogged table oqron.idle (
  queue_id int not null,
  process text collate "C" not null,
  until bigint not null,
  -- Longest idle first.
  since bigint not null default nextval('oqron.ord'),
  primary key (queue_id, process)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);

-- A narrow row, wherever it stands: what functions pass on. `id`, `owner` and `until` are a lease's (a finished job keeps
-- its `owner`), `finished_at` is a finished job's.
create type oqron.narrow as (
  seq bigint,
  queue_id int,
  place smallint,
  k1 bigint,
  ord bigint,
  run_at bigint,
  fence bigint,
  size int,
  flags int,
  attempt int,
  stalled int,
  policy int,
  settled bigint,
  started_at bigint,
  unknown_since bigint,
  until bigint,
  owner text,
  finished_at bigint
);
