-- One page of a check of a queue. It goes through the places of jobs first and then through the records, which should all
-- have been met by then; stable, so that nothing moves meanwhile within a page. Changes nothing.

-- Entries of one place behind (p_k1, p_k2), in the order of an index.
create or replace function oqron.entries_v1(p_queue_id int, p_place int, p_k1 bigint, p_k2 bigint, p_limit int)
returns table (k1 bigint, k2 bigint, seq bigint)
language plpgsql stable set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_bitmapscan = off
  set enable_hashjoin = off set enable_mergejoin = off set enable_sort = off set jit = off as $$
#variable_conflict use_column
begin
  if p_place = 1 then
    return query select r.rank::bigint, r.ord, r.seq from oqron.ready r
      where r.queue_id = p_queue_id and (r.rank, r.ord) > (p_k1, p_k2) order by r.rank, r.ord limit p_limit;
  elsif p_place < 6 then
    return query select p.k1, p.ord, p.seq from oqron.parked p
      where p.queue_id = p_queue_id and p.place = p_place::smallint and (p.k1, p.ord) > (p_k1, p_k2)
      order by p.k1, p.ord limit p_limit;
  elsif p_place = 6 then
    return query select 0::bigint, l.seq, l.seq from oqron.lease l
      where l.queue_id = p_queue_id and l.seq > p_k2 order by l.seq limit p_limit;
  else
    return query select d.finished_at, d.ord, d.seq from oqron.done d
      where d.queue_id = p_queue_id and d.place = p_place::smallint and (d.finished_at, d.ord) > (p_k1, p_k2)
      order by d.finished_at, d.ord limit p_limit;
  end if;
end $$;

-- What is wrong with entries of one place: rows of [id or null, kind, detail].
create or replace function oqron.faults_v1(p_space int, p_queue_id int, p_place int, p_seqs bigint[])
returns table (id text, kind text, detail text)
language plpgsql stable set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_bitmapscan = off
  set enable_hashjoin = off set enable_mergejoin = off set enable_sort = off set jit = off as $$
#variable_conflict use_column
declare
  v_pending bigint[];
begin
  -- Whom what ended concerns is told in a later step; until then they are as they should be.
  v_pending := array(select o.seq from oqron.outbox o where o.space_id = p_space limit 10000);
  return query
  select j.id, 'ghost', format('entry %s of place %s has no record', s.seq, p_place)
  from unnest(p_seqs) s (seq) left join lateral (
    select j.id from oqron.job j where j.seq = s.seq and j.queue_id = p_queue_id offset 0) j on true
  where j.id is null;

  return query
  select j.id, 'wrong-set', format('it stands in place %s and in place %s', p_place, w.place)
  from oqron.job j cross join lateral (
    select 1 as place from oqron.ready r where r.seq = j.seq
    union all select p.place from oqron.parked p where p.seq = j.seq
    union all select 6 from oqron.lease l where l.queue_id = j.queue_id and l.seq = j.seq
    union all select d.place from oqron.done d where d.seq = j.seq) w
  where j.seq = any(p_seqs) and w.place <> p_place;

  if p_place = 4 then
    return query
    select j.id, 'stuck', 'it waits for no parent' from oqron.job j
    where j.seq = any(p_seqs) and j.seq <> all(v_pending)
      and not exists (select from oqron.link k where k.child = j.seq and k.waits);
  end if;

  -- Links to parents.
  return query
  select j.id, case when w.place between 1 and 6 then 'broken-link' else 'stuck' end,
    case
      when w.place is null then format('it waits for parent "%s" of queue "%s", which is gone', k.id, q.name)
      when w.place in (7, 10) then format('it waits for parent "%s" of queue "%s", which completed', k.id, q.name)
      when w.place > 6 then format('it waits for parent "%s" of queue "%s", which has ended', k.id, q.name)
      else format('parent "%s" of queue "%s" does not know of it', k.id, q.name)
    end
  from oqron.job j
  cross join lateral (select * from oqron.link k where k.child = j.seq and k.waits offset 0) k
  left join lateral (
    select 1 as place, r.flags from oqron.ready r where r.seq = k.parent
    union all select p.place, p.flags from oqron.parked p where p.seq = k.parent
    union all select 6, l.flags from oqron.lease l where l.queue_id = k.queue_id and l.seq = k.parent
    union all select d.place, d.flags from oqron.done d where d.seq = k.parent) w on true
  left join lateral (select z.name from oqron.queue z where z.id = k.queue_id offset 0) q on true
  where j.seq = any(p_seqs) and j.seq <> all(v_pending) and k.parent <> all(v_pending) and (
    (w.place is null and k.policy <> 0)
    or w.place in (7, 10)
    or (w.place > 6 and k.policy <> 0)
    or (w.place <= 6 and (w.flags & 2 = 0 or not k.bound)));

  -- Jobs that depend on it.
  return query
  select j.id, 'broken-link', format('its dependant "%s" of queue "%s" has ended or is gone', c.id, q.name)
  from oqron.job j
  cross join lateral (select * from oqron.link k where k.parent = j.seq and k.bound offset 0) k
  left join lateral (select z.id, z.queue_id from oqron.job z where z.seq = k.child offset 0) c on true
  left join lateral (select z.name from oqron.queue z where z.id = c.queue_id offset 0) q on true
  where j.seq = any(p_seqs) and k.child <> all(v_pending) and (
    c.id is null or exists (select from oqron.done d where d.seq = k.child));

  -- What keeps a finished job from retention is a dependant that has not finished, and nothing else.
  if p_place > 9 then
    return query
    select j.id, 'wrong-set', 'it is kept for dependants and has none' from oqron.job j
    where j.seq = any(p_seqs) and j.seq <> all(v_pending)
      and not exists (select from oqron.link k where k.parent = j.seq and k.bound);
  elsif p_place > 6 then
    return query
    select distinct j.id, 'wrong-set', 'somebody depends on it, and it is not kept for them'
    from oqron.job j cross join lateral (
      select k.child from oqron.link k where k.parent = j.seq and k.bound and not k.hidden offset 0) k
    where j.seq = any(p_seqs) and j.seq <> all(v_pending) and k.child <> all(v_pending);
  end if;
end $$;

-- Answers [checked, [[id or null, kind, detail], ...], place, k1, k2, id]: where the next page begins, or null, null,
-- null, null behind the last one. p_place 13 = the records, behind p_id.
create or replace function oqron.verify_v1(
  p_project text, p_environment text, p_queue text, p_place int, p_k1 bigint, p_k2 bigint, p_id text, p_limit int)
returns json
language plpgsql stable set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_bitmapscan = off
  set enable_hashjoin = off set enable_mergejoin = off set enable_sort = off set jit = off as $$
#variable_conflict use_column
declare
  q oqron.queue := oqron.found_v1(p_project, p_environment, p_queue);
  v_problems jsonb := '[]';
  v_checked int := 0;
  v_place int := coalesce(p_place, 1);
  v_k1 bigint := coalesce(p_k1, -1);
  v_k2 bigint := coalesce(p_k2, -1);
  v_seqs bigint[];
  v_ids text[];
begin
  if q.id is null then return '[0, [], null]'; end if;
  while v_place < 13 loop
    select array_agg(e.seq), coalesce((array_agg(e.k1))[count(*)], v_k1), coalesce((array_agg(e.k2))[count(*)], v_k2)
    into v_seqs, v_k1, v_k2
    from oqron.entries_v1(q.id, v_place, v_k1, v_k2, p_limit - v_checked) e;
    v_checked := v_checked + coalesce(cardinality(v_seqs), 0);
    v_problems := v_problems || (
      select coalesce(jsonb_agg(jsonb_build_array(f.id, f.kind, f.detail)), '[]')
      from oqron.faults_v1(q.space_id, q.id, v_place, v_seqs) f);
    if v_checked >= p_limit then
      return json_build_array(v_checked, v_problems, v_place, v_k1, v_k2, null);
    end if;
    v_place := v_place + 1;
    v_k1 := -1;
    v_k2 := -1;
  end loop;
  -- A record is met by its place; here only those count that have none. A thousand are looked at, whatever the page.
  v_ids := array(select j.id from oqron.job j where j.queue_id = q.id and j.id > coalesce(p_id, '') collate "C"
    order by j.id limit 1000);
  v_problems := v_problems || (
    select coalesce(jsonb_agg(jsonb_build_array(j.id, 'orphan', 'no set holds it')), '[]') from oqron.job j
    where j.queue_id = q.id and j.id = any(v_ids) and not exists (select from oqron.place_v1(q.id, j.seq)));
  if cardinality(v_ids) = 1000 then
    return json_build_array(v_checked, v_problems, 13, 0, 0, v_ids[1000]);
  end if;
  v_problems := v_problems || (
    select coalesce(jsonb_agg(jsonb_build_array(null, 'count', c.detail)), '[]') from oqron.miscounts_v1(q.id) c);
  return json_build_array(v_checked, v_problems, null);
end $$;

-- Counters that are wrong. Sets are counted up to 10 000 entries; of a larger one it is only known that it is larger.
create or replace function oqron.miscounts_v1(p_queue_id int) returns table (detail text)
language plpgsql stable set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_bitmapscan = off
  set enable_hashjoin = off set enable_mergejoin = off set enable_sort = off set jit = off as $$
#variable_conflict use_column
begin
  return query
  select format('the counter of place %s says %s, and %s%s stand there', p.place, coalesce(c.n, 0), s.n,
    case when s.n > 10000 then ' or more' else '' end)
  from generate_series(1, 12) p (place)
  left join (
    select c.place, sum(c.n) as n from oqron.count c where c.queue_id = p_queue_id group by c.place) c
    on c.place = p.place
  cross join lateral (
    select count(*) as n from oqron.entries_v1(p_queue_id, p.place, -1, -1, 10001)) s
  where least(coalesce(c.n, 0), 10001) <> s.n;
end $$;
