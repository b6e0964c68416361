-- Leases by key, for the public lock. Rows that have ended are deleted by whoever takes a key.
create table oqron.lock (
  key text primary key,
  owner text not null,
  until bigint not null
);
create index on oqron.lock (until);

-- The last term of each election. A row stays when its term has ended, because its epoch must not come again.
-- Renewals change no column of an index and find room on their page.
create table oqron.leader (
  project text not null,
  environment text not null,
  name text not null,
  owner text not null,
  epoch bigint not null,
  until bigint not null,
  primary key (project, environment, name)
) with (fillfactor = 50);
