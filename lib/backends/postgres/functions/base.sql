-- The internal routines of the job store. Functions that the client calls are in their own files.
--
-- Conventions. `p_now` is store time in ms: a public function calls now_v1 once and passes it on. `q` is a row of
-- oqron.queue, `n` an oqron.narrow. "Wakes" are queue ids, one for each process that has something to do there now;
-- whoever gets some passes them to wake_v1 once, at the end of its transaction.
--
-- Locks, in this order: the call (call_v1), the links of a space (link_lock_v1), deduplication keys (by key), narrow rows
-- (by seq or fence), ids (unique index of job, sorted). Who wants one of an earlier kind must have taken it earlier;
-- hence a function that may end or add jobs with links begins with link_lock_v1 or leaves them to the outbox.
--
-- now_v1(p_now bigint) -> bigint                      p_now, or the clock
-- fence_v1(p_now) -> void                             brings oqron.fence up to store time; then use nextval('oqron.fence')
-- opened_v1(p_project, p_environment, p_queue) -> oqron.queue    the queue's row, made when it is missing
-- found_v1(p_project, p_environment, p_queue) -> oqron.queue     the queue's row or nulls
-- recorded_v1(p_queue_id) -> void                     marks a queue as recorded
-- link_lock_v1(p_space) -> void, link_try_v1(p_space) -> boolean   the lock of all links of a project and environment
-- call_v1(p_queue_id, p_client, p_n, p_acked, p_now) -> text     waits for a running original; null = run the call now,
--                                                     else the reply that was kept. Raises OQ001 (call was confirmed)
-- called_v1(p_queue_id, p_client, p_n, p_acked, p_now, p_reply text) -> void     keeps the reply
-- locked_v1(p_queue_id, p_seq) -> oqron.narrow        locks the narrow row of a job, wherever it is (waits); null = gone
-- counted_v1(p_queue_id, p_place, p_n) -> void        counts p_n more in a place
-- moved_v1(p_from int, n oqron.narrow) -> void        takes the row out of place p_from (1 to 6) and puts it to n.place (1 to 5)
-- to_ready_v1(q, n, p_new_ord boolean, p_now) -> int  into ready (or suspect); answers wakes (1)
-- to_delayed_v1(q, n, p_run_at) -> int                into delayed; 1 when it is now the earliest
-- later_v1(q, n, p_delay, p_now, p_new_ord) -> int    one of the two
-- admit_v1(q, n, p_now) -> int                        brings a job that nothing has started to where it belongs
-- noted_v1(p_seqs bigint[], p_lines text[], p_max) -> void    appends lines to timelines (the flag 4 of the narrow rows is
--                                                     the caller's to set: n.flags | 4 before it is moved)
-- finish_v1(q, p_seqs, p_place, p_errors, p_reason, p_now, p_limit = 100, p_result) -> int[] wakes
--                                                     THE end of jobs: takes their narrow rows (locked, places 1 to 6)
--                                                     and does all that an ending does (terminal.sql); p_limit: finished
--                                                     jobs that retention may remove (0 = none but these by count 0)
-- ended_v1(q, p_seqs, p_place, p_flags, p_policy, p_now, p_limit) -> int[] wakes      what follows for jobs that stand in
--                                                     done at p_place: frees keys, outbox, dead letters, retention;
--                                                     p_flags = all flags or'ed, p_policy = the one of all, null = several
-- forget_v1(p_queue_id, p_seqs) -> void               deletes finished jobs for good, with all that belongs to them
-- removed_v1(q, n) -> void                            the same for an unfinished one whose row is locked; it is listed in
--                                                     the outbox when it has links
-- annotated_v1(p_space, p_seq, p_flags, p_note jsonb, p_logs) -> int      writes a note, answers the flags (settle.sql)
-- unheld_v1(q, p_now, p_limit, p_timeline) -> int[] wakes                 lets go of held jobs (due.sql)
-- add_v1, created_v1, placed_v1 (add.sql); rewritten_v1, postponed_v1 (dedup.sql)
-- tie_v1, bind_v1, let_go_v1, drain_v1, link routines                     see links.sql; drained_v1 is called by the client
-- fold_v1(p_queue_id) -> void                         makes few rows of a queue's counts
-- wake_v1(p_space, p_wakes int[], p_now, p_except = null, p_freed = null) -> void     wakes as many idle processes, by one
--                                                     NOTIFY; p_freed: a queue in which leases ended (maxActive)

create or replace function oqron.now_v1(p_now bigint) returns bigint
language sql volatile as $$
  select coalesce(p_now, floor(extract(epoch from clock_timestamp()) * 1000)::bigint)
$$;

-- Fences are at least store time in us. The sequence is moved ahead of it by a second, so that this happens at most once
-- a second; only under a lock, so that it never moves back.
create or replace function oqron.fence_v1(p_now bigint) returns void
language plpgsql as $$
declare
  v_us bigint := p_now * 1000;
begin
  if (select last_value from oqron.fence) >= v_us then return; end if;
  perform pg_advisory_xact_lock(hashtext('oqron.fence'), 0);
  if (select last_value from oqron.fence) < v_us then perform setval('oqron.fence', v_us + 1000000); end if;
end $$;

create or replace function oqron.found_v1(p_project text, p_environment text, p_queue text) returns oqron.queue
language sql stable as $$
  select q.* from oqron.queue q
  where q.name = p_queue
    and q.space_id = (select s.id from oqron.space s where s.project = p_project and s.environment = p_environment)
$$;

-- Two processes may open one queue at once: the later one finds what the earlier made.
create or replace function oqron.opened_v1(p_project text, p_environment text, p_queue text) returns oqron.queue
language plpgsql as $$
declare
  q oqron.queue;
  v_space int;
begin
  select z.* into q from oqron.queue z
  where z.name = p_queue
    and z.space_id = (select s.id from oqron.space s where s.project = p_project and s.environment = p_environment);
  if found then return q; end if;
  select s.id into v_space from oqron.space s where s.project = p_project and s.environment = p_environment;
  if v_space is null then
    insert into oqron.space (project, environment) values (p_project, p_environment) on conflict do nothing;
    select s.id into v_space from oqron.space s where s.project = p_project and s.environment = p_environment;
  end if;
  insert into oqron.queue (space_id, name) values (v_space, p_queue) on conflict do nothing;
  select * into q from oqron.queue where space_id = v_space and name = p_queue;
  return q;
end $$;

-- The same, for a queue beside a known one.
create or replace function oqron.beside_v1(p_space int, p_queue text) returns oqron.queue
language plpgsql as $$
declare
  q oqron.queue;
begin
  select * into q from oqron.queue where space_id = p_space and name = p_queue;
  if found then return q; end if;
  insert into oqron.queue (space_id, name) values (p_space, p_queue) on conflict do nothing;
  select * into q from oqron.queue where space_id = p_space and name = p_queue;
  return q;
end $$;

create or replace function oqron.recorded_v1(p_queue_id int) returns void
language sql as $$
  update oqron.queue set recorded = true where id = p_queue_id and not recorded
$$;

create or replace function oqron.link_lock_v1(p_space int) returns void
language sql as $$
  select pg_advisory_xact_lock(hashtext('oqron.link'), p_space)
$$;

create or replace function oqron.link_try_v1(p_space int) returns boolean
language sql as $$
  select pg_try_advisory_xact_lock(hashtext('oqron.link'), p_space)
$$;

-- A resend waits here until the original has ended: what it then finds is its reply.
create or replace function oqron.call_v1(p_queue_id int, p_client text, p_n bigint, p_acked bigint, p_now bigint) returns text
language plpgsql as $$
declare
  v_acked bigint;
  v_reply text;
begin
  perform pg_advisory_xact_lock(hashtextextended(p_client || p_n::text, p_queue_id));
  select max(c.acked), max(c.reply) filter (where c.n = p_n) into v_acked, v_reply
  from oqron.call c where c.queue_id = p_queue_id and c.client = p_client and c.at > p_now - 60000;
  v_acked := greatest(v_acked, p_acked);
  if p_n <= v_acked then
    raise exception 'call % was confirmed', p_n using errcode = 'OQ001', detail = v_acked::text;
  end if;
  return v_reply;
end $$;

create or replace function oqron.called_v1(
  p_queue_id int, p_client text, p_n bigint, p_acked bigint, p_now bigint, p_reply text) returns void
language plpgsql as $$
begin
  insert into oqron.call as c (queue_id, client, slot, n, acked, at, reply)
  values (p_queue_id, p_client, p_n % 16, p_n, p_acked, p_now, p_reply)
  on conflict (queue_id, client, slot) do update
  set n = excluded.n, acked = greatest(c.acked, excluded.acked), at = excluded.at, reply = excluded.reply;
end $$;

create or replace function oqron.counted_v1(p_queue_id int, p_place int, p_n int) returns void
language plpgsql as $$
begin
  if p_n <> 0 then insert into oqron.count (queue_id, place, n) values (p_queue_id, p_place, p_n); end if;
end $$;

-- Waits for whoever has the row. A claim may move a job while it is looked for, hence the second and third look.
create or replace function oqron.locked_v1(p_queue_id int, p_seq bigint) returns oqron.narrow
language plpgsql as $$
declare
  n oqron.narrow;
begin
  for i in 1..5 loop
    select seq, queue_id, 1, rank, ord, run_at, fence, size, flags, attempt, stalled, policy, settled, started_at,
      unknown_since into n from oqron.ready where seq = p_seq for update;
    if found then return n; end if;
    select seq, queue_id, place, k1, ord, run_at, fence, size, flags, attempt, stalled, policy, settled, started_at,
      unknown_since into n from oqron.parked where seq = p_seq for update;
    if found then return n; end if;
    select seq, queue_id, 6, 0, ord, run_at, fence, size, flags, attempt, stalled, policy, settled, started_at,
      unknown_since, until, owner into n from oqron.lease where queue_id = p_queue_id and seq = p_seq for update;
    if found then return n; end if;
    select seq, queue_id, place, 0, ord, run_at, fence, 0, flags, attempt, stalled, policy, settled, started_at, null,
      null, owner, finished_at into n from oqron.done where seq = p_seq for update;
    if found then return n; end if;
    exit when not exists (select from oqron.job where seq = p_seq);
  end loop;
  return null;
end $$;

-- The place of a job, without a lock; null = it is gone.
create or replace function oqron.place_v1(p_queue_id int, p_seq bigint) returns table (place int, run_at bigint)
language sql stable as $$
  select 1, run_at from oqron.ready where seq = p_seq
  union all select place, run_at from oqron.parked where seq = p_seq
  union all select 6, run_at from oqron.lease where queue_id = p_queue_id and seq = p_seq
  union all select place, run_at from oqron.done where seq = p_seq
$$;

-- Sets flags of a row that is locked.
create or replace function oqron.flag_v1(n oqron.narrow, p_flags int) returns void
language plpgsql as $$
begin
  if n.flags & p_flags = p_flags then return; end if;
  if n.place = 1 then update oqron.ready set flags = flags | p_flags where seq = n.seq;
  elsif n.place < 6 then update oqron.parked set flags = flags | p_flags where seq = n.seq;
  elsif n.place = 6 then update oqron.lease set flags = flags | p_flags
    where queue_id = n.queue_id and seq = n.seq;
  else update oqron.done set flags = flags | p_flags where seq = n.seq;
  end if;
end $$;

create or replace function oqron.moved_v1(p_from int, n oqron.narrow) returns void
language plpgsql as $$
begin
  if p_from = 1 then delete from oqron.ready where seq = n.seq;
  elsif p_from = 6 then delete from oqron.lease where queue_id = n.queue_id and seq = n.seq;
  elsif p_from > 1 then delete from oqron.parked where seq = n.seq;
  end if;
  if n.place = 1 then
    insert into oqron.ready (ord, seq, run_at, fence, queue_id, rank, size, flags, attempt, stalled, policy, settled,
      started_at, unknown_since)
    values (n.ord, n.seq, n.run_at, n.fence, n.queue_id, n.k1, n.size, n.flags, n.attempt, n.stalled, n.policy,
      n.settled, n.started_at, n.unknown_since);
  elsif n.place between 2 and 5 then
    insert into oqron.parked (seq, ord, run_at, k1, fence, queue_id, size, flags, attempt, stalled, place, policy,
      settled, started_at, unknown_since)
    values (n.seq, n.ord, n.run_at, n.k1, n.fence, n.queue_id, n.size, n.flags, n.attempt, n.stalled, n.place,
      n.policy, n.settled, n.started_at, n.unknown_since);
  end if;
  if p_from <> n.place then
    insert into oqron.count (queue_id, place, n)
    select n.queue_id, x.place, x.n from (values (p_from, -1), (n.place::int, 1)) x (place, n) where x.place > 0;
  end if;
end $$;

create or replace function oqron.to_ready_v1(q oqron.queue, n oqron.narrow, p_new_ord boolean, p_now bigint) returns int
language plpgsql as $$
declare
  v_from int := n.place;
begin
  if p_new_ord then
    -- The turn of a job that was just added is its own number.
    if v_from > 0 then n.ord := nextval('oqron.ord'); end if;
  else
    perform nextval('oqron.returned');
  end if;
  n.k1 := case when q.strategy = 2 then (select priority from oqron.job where seq = n.seq) else 0 end;
  n.place := case when n.flags & 32 <> 0 then 2 else 1 end;
  perform oqron.moved_v1(v_from, n);
  return 1;
end $$;

create or replace function oqron.to_delayed_v1(q oqron.queue, n oqron.narrow, p_run_at bigint) returns int
language plpgsql as $$
declare
  v_from int := n.place;
begin
  if v_from > 0 then n.ord := nextval('oqron.ord'); end if;
  n.run_at := p_run_at;
  n.k1 := p_run_at;
  n.place := 3;
  perform oqron.moved_v1(v_from, n);
  return case when exists (
    select from oqron.parked where queue_id = n.queue_id and place = 3 and (k1, ord) < (n.k1, n.ord)) then 0 else 1 end;
end $$;

create or replace function oqron.later_v1(
  q oqron.queue, n oqron.narrow, p_delay bigint, p_now bigint, p_new_ord boolean) returns int
language plpgsql as $$
begin
  n.run_at := p_now + p_delay;
  if p_delay > 0 then return oqron.to_delayed_v1(q, n, n.run_at); end if;
  return oqron.to_ready_v1(q, n, p_new_ord, p_now);
end $$;

create or replace function oqron.admit_v1(q oqron.queue, n oqron.narrow, p_now bigint) returns int
language plpgsql as $$
declare
  v_from int := n.place;
begin
  if n.flags & 1 <> 0 and exists (select from oqron.link where child = n.seq and waits) then
    if v_from > 0 then n.ord := nextval('oqron.ord'); end if;
    n.k1 := 0;
    n.place := 4;
    perform oqron.moved_v1(v_from, n);
    return 0;
  end if;
  if n.run_at > p_now then return oqron.to_delayed_v1(q, n, n.run_at); end if;
  n.run_at := p_now;
  return oqron.to_ready_v1(q, n, true, p_now);
end $$;

create or replace function oqron.noted_v1(p_seqs bigint[], p_lines text[], p_max int) returns void
language sql as $$
  insert into oqron.history as h (seq, timeline)
  select u.seq, array_agg(u.line order by u.i)
  from unnest(p_seqs, p_lines) with ordinality u (seq, line, i) group by u.seq
  on conflict (seq) do update
  set timeline = (h.timeline || excluded.timeline)[
    greatest(1, coalesce(cardinality(h.timeline), 0) + cardinality(excluded.timeline) - p_max + 1):]
$$;

-- Wakes idle processes, the longest idle first: as many as p_wakes has entries for their queue, and, where a lease of
-- p_freed ended, as many as the limit that a claim met now lets in. One NOTIFY, which leaves with the transaction.
-- A claim that finds nothing registers its owner as idle behind a lock of the queue's idle processes and looks once more
-- (taken_v1); whoever has news takes that lock, shared, before it looks who is idle. Otherwise each could miss what the
-- other has not committed yet. p_claims: the caller holds such locks and must not wait for another one; the worst that
-- follows is a wait of one poll interval.
create or replace function oqron.wake_v1(
  p_space int, p_wakes int[], p_now bigint, p_except text default null, p_freed int default null,
  p_claims boolean default false) returns void
language plpgsql as $$
declare
  r record;
  v_pairs text[] := '{}';
  v_names text[];
  v_active bigint;
  v_ready bigint;
  v_freed int := 0;
  v_project text;
  v_environment text;
begin
  if p_freed is not null then
    select coalesce(sum(c.n) filter (where c.place = 6), 0), coalesce(sum(c.n) filter (where c.place in (1, 2)), 0)
    into v_active, v_ready from oqron.count c where c.queue_id = p_freed;
    select least(cap - v_active, v_ready) into v_freed from oqron.queue where id = p_freed and cap > v_active;
    if found then update oqron.queue set cap = null where id = p_freed; end if;
    v_freed := coalesce(v_freed, 0);
  end if;
  if v_freed > 0 then p_wakes := p_wakes || p_freed; end if;
  if coalesce(cardinality(p_wakes), 0) = 0 then return; end if;
  for r in select distinct u.id from unnest(p_wakes) u (id) order by 1 loop
    if p_claims then
      perform pg_try_advisory_xact_lock_shared(hashtext('oqron.idle'), r.id);
    else
      perform pg_advisory_xact_lock_shared(hashtext('oqron.idle'), r.id);
    end if;
  end loop;
  if not exists (select from oqron.idle i where i.queue_id = any (p_wakes)) then return; end if;
  select s.project, s.environment into v_project, v_environment from oqron.space s where s.id = p_space;
  for r in
    select w.queue_id, q.name, max(w.n) as n
    from (
      select u.id as queue_id, count(*) - case when u.id = p_freed and v_freed > 0 then 1 else 0 end as n
      from unnest(p_wakes) u (id) group by u.id
      union all select p_freed, v_freed where v_freed > 0
    ) w
    cross join lateral (select z.name from oqron.queue z where z.id = w.queue_id and not z.paused and not z.disabled offset 0) q
    group by w.queue_id, q.name
  loop
    delete from oqron.idle where queue_id = r.queue_id and process = any (array(
      select i.process from oqron.idle i where i.queue_id = r.queue_id
        and (i.until < p_now or oqron.gone_v1(v_project, v_environment, i.process)) for update skip locked));
    with taken as (
      delete from oqron.idle where queue_id = r.queue_id and process = any (array(
        select i.process from oqron.idle i
        where i.queue_id = r.queue_id and i.process is distinct from p_except
        order by i.since limit r.n for update skip locked))
      returning process)
    select array_agg(json_build_array(process, r.name)::text) into v_names from taken;
    v_pairs := v_pairs || v_names;
  end loop;
  if cardinality(v_pairs) = 0 then return; end if;
  -- A NOTIFY takes 8 000 bytes. Who is not named after all finds the job at the end of its poll interval.
  while octet_length(array_to_string(v_pairs, ',')) > 7000 loop
    v_pairs := v_pairs[: cardinality(v_pairs) / 2];
  end loop;
  perform pg_notify(oqron.channel_v1(v_project, v_environment), 'w[' || array_to_string(v_pairs, ',') || ']');
end $$;
