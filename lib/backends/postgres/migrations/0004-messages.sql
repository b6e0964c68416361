-- Messages between processes that are longer than a NOTIFY may be. Read by whoever is told their id, removed a minute
-- later by the next that is written. Lost in a crash of the server, as every message is.
create unlogged table oqron.message (
  id bigint generated always as identity primary key,
  at timestamptz not null default clock_timestamp(),
  body text not null
);
create index on oqron.message (at);
