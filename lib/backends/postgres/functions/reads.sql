-- What only reads. All of it is stable: one call sees one moment, so that no job is missed while it moves from one table
-- to another. Nothing here locks.

-- The record of a queue as [name, strategy, paused, disabled, behavior, max_held, version], or null. See read_queue_v1.
create or replace function oqron.shown_queue_v1(q oqron.queue) returns json
language sql immutable as $$
  select json_build_array(q.name, q.strategy, q.paused, q.disabled, q.behavior, q.max_held, q.version)
$$;

create or replace function oqron.read_queue_v1(p_project text, p_environment text, p_queue text) returns json
language sql stable as $$
  select oqron.shown_queue_v1(q) from oqron.space s join oqron.queue q on q.space_id = s.id
  where s.project = p_project and s.environment = p_environment and q.name = p_queue and q.recorded
$$;

-- Names of recorded queues behind p_after, sorted by their bytes.
create or replace function oqron.queues_v1(p_project text, p_environment text, p_after text, p_limit int)
returns setof text
language sql stable as $$
  select q.name from oqron.space s join oqron.queue q on q.space_id = s.id
  where s.project = p_project and s.environment = p_environment and q.recorded
    and q.name > coalesce(p_after, '') collate "C"
  order by q.name limit p_limit
$$;

-- How many jobs stand in each place: [place, number], without those where none does.
create or replace function oqron.counts_v1(p_project text, p_environment text, p_queue text)
returns table (place int, n bigint)
language sql stable as $$
  select c.place::int, sum(c.n) from oqron.count c
  where c.queue_id = (
    select q.id from oqron.space s join oqron.queue q on q.space_id = s.id
    where s.project = p_project and s.environment = p_environment and q.name = p_queue)
  group by c.place
$$;

-- The recorded queues that hold a job of one of these ids.
create or replace function oqron.locate_v1(p_project text, p_environment text, p_ids text[])
returns table (id text, queue text)
language plpgsql stable set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_bitmapscan = off
  set enable_hashjoin = off set enable_mergejoin = off set enable_sort = off set jit = off as $$
#variable_conflict use_column
declare
  q record;
begin
  -- Queue by queue: each is one look at the index of ids, whatever the planner thinks of their number.
  for q in
    select q.id, q.name from oqron.space s join oqron.queue q on q.space_id = s.id
    where s.project = p_project and s.environment = p_environment and q.recorded order by q.name
  loop
    return query select j.id, q.name from oqron.job j where j.queue_id = q.id and j.id = any(p_ids);
  end loop;
end $$;

-- Whole records. A job that has none is left out; the order is the planner's.
create or replace function oqron.stored_v1(p_seqs bigint[])
returns table (
  seq bigint, id text, name text, place int, data text, meta text, priority int, attempt int, stalled int, fence bigint,
  owner text, created_at bigint, run_at bigint, started_at bigint, finished_at bigint, result text, error text,
  reason text, progress text, logs text[], timeline text[], retried_from text, retried_by text, origin text,
  dedup_key text, dead boolean, parents text[], children text[])
language plpgsql stable set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_bitmapscan = off
  set enable_hashjoin = off set enable_mergejoin = off set enable_sort = off set jit = off as $$
#variable_conflict use_column
begin
  return query
  select j.seq, j.id, j.name, n.place, j.data, j.meta, j.priority, n.attempt, n.stalled, n.fence,
    n.owner, j.created_at, n.run_at, n.started_at, n.finished_at, n.result,
    case when n.place in (7, 10) then n.error else coalesce(n.error, h.error) end,
    n.reason, h.progress, h.logs, h.timeline, h.retried_from, h.retried_by, h.origin,
    j.dedup_key, n.flags & 64 <> 0,
    case when n.flags & 1 <> 0 then array(
      select q.name || e'\n' || l.id from oqron.link l join oqron.queue q on q.id = l.queue_id
      where l.child = j.seq and not l.hidden order by l.n) end,
    case when n.flags & 128 <> 0 then array(
      select q.name || e'\n' || c.id from oqron.child c join oqron.queue q on q.id = c.queue_id
      where c.parent = j.seq order by c.ord limit 1000) end
  from oqron.job j
  cross join lateral (
    select 1 as place, r.run_at, r.fence, r.flags, r.attempt, r.stalled, r.started_at, null::text as owner,
      null::bigint as finished_at, null::text as result, null::text as error, null::text as reason
    from oqron.ready r where r.seq = j.seq
    union all
    select p.place, p.run_at, p.fence, p.flags, p.attempt, p.stalled, p.started_at, null, null, null, null, null
    from oqron.parked p where p.seq = j.seq
    union all
    select 6, l.run_at, l.fence, l.flags, l.attempt, l.stalled, l.started_at, l.owner, null, null, null, null
    from oqron.lease l where l.queue_id = j.queue_id and l.seq = j.seq
    union all
    select d.place, d.run_at, d.fence, d.flags, d.attempt, d.stalled, d.started_at, d.owner, d.finished_at, d.result,
      d.error, d.reason
    from oqron.done d where d.seq = j.seq
  ) n
  left join oqron.history h on h.seq = j.seq
  where j.seq = any(p_seqs);
end $$;

-- What a filter looks at, and how many bytes of payload and result the whole record would bring.
create or replace function oqron.candidates_v1(p_seqs bigint[], p_meta boolean)
returns table (seq bigint, name text, meta text, created_at bigint, dead boolean, bytes int)
language plpgsql stable set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_bitmapscan = off
  set enable_hashjoin = off set enable_mergejoin = off set enable_sort = off set jit = off as $$
#variable_conflict use_column
begin
  return query
  select j.seq, j.name, case when p_meta then j.meta end, j.created_at,
    coalesce(d.flags & 64 <> 0, false) and h.retried_by is null,
    coalesce(octet_length(j.data), 0) + coalesce(octet_length(d.result), 0)
  from oqron.job j
  left join lateral (select d.flags, d.result from oqron.done d where d.seq = j.seq offset 0) d on true
  left join lateral (select h.retried_by from oqron.history h where h.seq = j.seq offset 0) h on true
  where j.seq = any(p_seqs);
end $$;

-- One page of the list of a state (places 1 and 3 to 9), in the order of that list: seq and place on the list (part, k1,
-- k2). The page begins behind (p_part, p_k1, p_k2), or at the start when they are null. It is cut where its payloads and
-- results pass p_bytes (null: nowhere). `more`: it is full or was cut.
create or replace function oqron.find_v1(
  p_project text, p_environment text, p_queue text, p_place int, p_part int, p_k1 bigint, p_k2 bigint, p_limit int,
  p_bytes bigint)
returns table (pos int, part int, k1 bigint, k2 bigint, seq bigint, more boolean)
language plpgsql stable set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_bitmapscan = off
  set enable_hashjoin = off set enable_mergejoin = off set enable_sort = off set jit = off as $$
#variable_conflict use_column
declare
  v_queue int;
  v_down boolean := p_place >= 7;
  v_k1s bigint[];
  v_k2s bigint[];
  v_seqs bigint[];
  v_sizes bigint[];
  v_first int;
  v_count int;
  v_full boolean;
  v_bytes bigint := 0;
  v_k1 bigint := p_k1;
  v_k2 bigint := p_k2;
begin
  select q.id, v_down or (p_place = 1 and q.strategy is not distinct from 1) into v_queue, v_down
  from oqron.space s join oqron.queue q on q.space_id = s.id
  where s.project = p_project and s.environment = p_environment and q.name = p_queue;
  if v_queue is null then return; end if;
  if v_k1 is null then
    v_k1 := case when v_down then 9223372036854775807 else -1 end;
    v_k2 := v_k1;
  end if;

  if p_place = 1 and p_part is distinct from 1 then
    if v_down then
      select array_agg(x.rank::bigint), array_agg(x.ord), array_agg(x.seq) into v_k1s, v_k2s, v_seqs from (
        select r.rank, r.ord, r.seq from oqron.ready r
        where r.queue_id = v_queue and (r.rank, r.ord) < (v_k1, v_k2)
        order by r.rank desc, r.ord desc limit p_limit) x;
    else
      select array_agg(x.rank::bigint), array_agg(x.ord), array_agg(x.seq) into v_k1s, v_k2s, v_seqs from (
        select r.rank, r.ord, r.seq from oqron.ready r
        where r.queue_id = v_queue and (r.rank, r.ord) > (v_k1, v_k2)
        order by r.rank, r.ord limit p_limit) x;
    end if;
    v_k1 := case when v_down then 9223372036854775807 else -1 end;
    v_k2 := v_k1;
  end if;
  v_first := coalesce(array_length(v_seqs, 1), 0);
  if p_place = 6 then
    -- No index knows when leases end (see 0001-tables.sql); there are as many as jobs that run.
    select array_agg(x.until), array_agg(x.fence), array_agg(x.seq) into v_k1s, v_k2s, v_seqs from (
      select l.until, l.fence, l.seq from oqron.lease l
      where l.queue_id = v_queue and (l.until, l.fence) > (v_k1, v_k2) order by l.until, l.fence limit p_limit) x;
  elsif p_place >= 7 then
    select array_agg(x.finished_at), array_agg(x.ord), array_agg(x.seq) into v_k1s, v_k2s, v_seqs from (
      select y.finished_at, y.ord, y.seq from (
        (select d.finished_at, d.ord, d.seq from oqron.done d
          where d.queue_id = v_queue and d.place = p_place::smallint and (d.finished_at, d.ord) < (v_k1, v_k2)
          order by d.finished_at desc, d.ord desc limit p_limit)
        union all
        (select d.finished_at, d.ord, d.seq from oqron.done d
          where d.queue_id = v_queue and d.place = (p_place + 3)::smallint and (d.finished_at, d.ord) < (v_k1, v_k2)
          order by d.finished_at desc, d.ord desc limit p_limit)) y
      order by y.finished_at desc, y.ord desc limit p_limit) x;
  elsif v_first < p_limit then
    if v_down then
      select v_k1s || array_agg(x.k1), v_k2s || array_agg(x.ord), v_seqs || array_agg(x.seq) into v_k1s, v_k2s, v_seqs
      from (
        select p.k1, p.ord, p.seq from oqron.parked p
        where p.queue_id = v_queue and p.place = 2::smallint and (p.k1, p.ord) < (v_k1, v_k2)
        order by p.k1 desc, p.ord desc limit p_limit - v_first) x;
    else
      select v_k1s || array_agg(x.k1), v_k2s || array_agg(x.ord), v_seqs || array_agg(x.seq) into v_k1s, v_k2s, v_seqs
      from (
        select p.k1, p.ord, p.seq from oqron.parked p
        where p.queue_id = v_queue and p.place = greatest(p_place, 2)::smallint and (p.k1, p.ord) > (v_k1, v_k2)
        order by p.k1, p.ord limit p_limit - v_first) x;
    end if;
  end if;

  v_count := coalesce(array_length(v_seqs, 1), 0);
  v_full := v_count = p_limit;
  if p_bytes is not null and v_count > 0 then
    v_sizes := array(
      select coalesce(j.size, 0) + coalesce(d.size, 0) from unnest(v_seqs) with ordinality u (seq, i)
      left join lateral (select octet_length(z.data) as size from oqron.job z where z.seq = u.seq offset 0) j on true
      left join lateral (select octet_length(z.result) as size from oqron.done z where z.seq = u.seq offset 0) d on true
      order by u.i);
    for i in 1 .. v_count loop
      v_bytes := v_bytes + v_sizes[i];
      if v_bytes > p_bytes then
        v_full := v_full or i < v_count;
        v_count := i;
        exit;
      end if;
    end loop;
  end if;
  return query select i, case when i <= v_first or p_place <> 1 then 0 else 1 end, v_k1s[i], v_k2s[i], v_seqs[i], v_full
    from generate_series(1, v_count) i order by i;
end $$;
