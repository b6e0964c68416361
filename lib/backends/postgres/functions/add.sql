-- Adding one job, with all that it may bring.

-- What a job's retention rules say of it: see the flags in 0001-tables.sql, and JobKeep in the port.
create or replace function oqron.keep_flags_v1(p_keep text) returns int
language sql immutable as $$
  select case when p_keep is null then 0
    when p_keep::jsonb -> 'completed' ->> 'from' is distinct from 'job' then 16 | 512
    when p_keep::jsonb -> 'completed' ->> 'count' = '0' then 16 | 256
    else 16 end
$$;

-- The record of a new job, and its narrow row, which stands nowhere yet. `seq` is null when the id is taken.
create or replace function oqron.created_v1(
  q oqron.queue, p_id text, p_name text, p_meta text, p_data text, p_priority int, p_keep text, p_key text,
  p_run_at bigint, p_flags int, p_now bigint, p_seq bigint default null) returns oqron.narrow
language plpgsql as $$
declare
  n oqron.narrow;
begin
  insert into oqron.job (seq, queue_id, created_at, priority, id, name, meta, data, keep, dedup_key)
  values (coalesce(p_seq, nextval('oqron.ord')), q.id, p_now, p_priority, p_id, p_name, p_meta, p_data, p_keep, p_key)
  on conflict (queue_id, id) do nothing returning seq into n.seq;
  if not found then return null; end if;
  n.queue_id := q.id;
  n.place := 0;
  n.ord := n.seq;
  n.run_at := p_run_at;
  n.fence := 0;
  n.size := coalesce(length(p_data), 0);
  n.flags := p_flags | oqron.keep_flags_v1(p_keep) | case when p_key is null then 0 else 8 end;
  n.attempt := 0;
  n.stalled := 0;
  if not q.recorded then perform oqron.recorded_v1(q.id); end if;
  return n;
end $$;

-- A new job goes where it belongs; answers wakes.
create or replace function oqron.placed_v1(q oqron.queue, n oqron.narrow, p_now bigint) returns int
language plpgsql as $$
begin
  if not q.disabled then return oqron.admit_v1(q, n, p_now); end if;
  n.place := 5;
  n.k1 := 0;
  perform oqron.moved_v1(0, n);
  return 0;
end $$;

-- Adds one job with all that it may bring. p_how: 0 as it comes, 1 always (a follow-up: a disabled queue holds it
-- whatever it does otherwise), 2 in a user's transaction. p_tie: {"u": {"k": key, "m": mode, "t": ttl},
-- "x": {"p": policy, "r": [[queue, id], ...]}}. Its keys are taken, and the links locked, unless p_how is 2.
-- o_how: 0 another one stands, 1 created, 2 skipped
create or replace function oqron.add_v1(
  q oqron.queue, p_id text, p_name text, p_meta text, p_data text, p_priority int, p_run_at bigint, p_keep text,
  p_tie jsonb, p_how int, p_now bigint, p_timeline int, p_seq bigint default null,
  out o_how int, out o_place int, out o_created bigint, out o_run bigint, out o_id text, out o_wakes int[])
language plpgsql as $$
declare
  n oqron.narrow;
  m oqron.narrow;
  d jsonb := p_tie -> 'u';
  x jsonb := p_tie -> 'x';
  j record;
  v_after bigint;
  v_after_id text;
  v_error text;
begin
  o_how := 0;
  o_id := p_id;
  o_wakes := '{}';
  for i in 1..3 loop
    select z.seq, z.created_at, w.place, w.run_at into j from oqron.job z
    left join lateral oqron.place_v1(z.queue_id, z.seq) w on true
    where z.queue_id = q.id and z.id = p_id limit 1;
    if found then
      -- A job on its way from one table to another is looked at again.
      if j.place is null then
        n := oqron.locked_v1(q.id, j.seq);
        continue when n.seq is null;
        j.place := n.place;
        j.run_at := n.run_at;
      end if;
      o_place := j.place;
      o_created := j.created_at;
      o_run := j.run_at;
      return;
    end if;
    if d is not null then
      j := oqron.judged_v1(q, d ->> 'k', (d ->> 'm')::int, p_now);
      if j.o_kind in (1, 2) then
        o_id := j.o_id;
        o_place := j.o_place;
        o_created := j.o_created;
        o_run := j.o_run;
        if j.o_kind = 1 then return; end if;
        n := oqron.locked_v1(q.id, j.o_seq);
        perform oqron.rewritten_v1(n, p_name, p_meta, p_data, false, p_now, p_timeline);
        if (d ->> 'm')::int = 2 then
          n := oqron.locked_v1(q.id, j.o_seq);
          o_wakes := oqron.postponed_v1(q, n, p_run_at, p_now);
          select place, run_at into o_place, o_run from oqron.place_v1(q.id, j.o_seq);
          perform oqron.holds_v1(q, j.o_seq, j.o_id, j.o_created, o_run, d, p_now, null);
        end if;
        return;
      end if;
      v_after := case when j.o_kind = 3 then j.o_seq end;
      v_after_id := j.o_id;
    end if;
    o_created := p_now;
    if q.disabled and q.behavior = 1 and p_how <> 1 then
      o_how := 2;
      o_place := 1;
      o_run := p_now;
      return;
    end if;
    n := oqron.created_v1(q, p_id, p_name, p_meta, p_data, p_priority, p_keep, d ->> 'k', greatest(p_now, p_run_at),
      case when x is not null or v_after is not null then 1 else 0 end, p_now, p_seq);
    exit when n.seq is not null;
  end loop;
  if n.seq is null or n.place <> 0 then
    raise exception 'job % comes and goes', p_id using errcode = '40001';
  end if;
  o_how := 1;
  if d is not null then
    perform oqron.holds_v1(q, n.seq, p_id, p_now, n.run_at, d, p_now, v_after);
    if v_after is not null then
      m := oqron.locked_v1(q.id, v_after);
      perform oqron.follow_v1(q, n, m, v_after_id);
    end if;
  end if;
  if x is not null then
    perform oqron.tie_v1(q, n.seq, x -> 'r', (x ->> 'p')::int);
    if p_how = 2 then
      insert into oqron.outbox (space_id, seq, queue_id, how, id) values (q.space_id, n.seq, q.id, 1, p_id);
    else
      v_error := oqron.bind_v1(q, n.seq, p_id);
    end if;
  end if;
  if v_error is not null then
    n.place := 4;
    n.k1 := 0;
    perform oqron.moved_v1(0, n);
    o_wakes := oqron.finish_v1(q, array[n.seq], 8, array[v_error], null, p_now);
    o_place := 8;
    o_run := n.run_at;
    return;
  end if;
  if oqron.placed_v1(q, n, p_now) = 1 then o_wakes := array[q.id]; end if;
  o_run := case when n.run_at <= p_now then p_now else n.run_at end;
  select place into o_place from oqron.place_v1(q.id, n.seq);
end $$;

-- Why a group (the jobs p_from to p_to) cannot be added: JSON of an EnqueueRefusal, or null.
create or replace function oqron.refused_v1(
  q oqron.queue, p_from int, p_to int, p_ids text[], p_ties jsonb, p_now bigint) returns jsonb
language plpgsql as $$
declare
  v_skips boolean := q.disabled and q.behavior = 1;
  v_ids text[] := '{}';
  v_keys text[] := '{}';
  v_failing text[] := '{}';
  v_fresh int := 0;
  v_held bigint;
  t jsonb;
  d jsonb;
  r jsonb;
  w record;
  k int;
  before boolean;
begin
  for i in p_from..p_to loop
    continue when p_ids[i] = any (v_ids) or exists (select from oqron.job where queue_id = q.id and id = p_ids[i]);
    t := p_ties -> (i - 1)::text;
    d := t -> 'u';
    if d is not null then
      continue when d ->> 'k' = any (v_keys);
      k := (select o_kind from oqron.judged_v1(q, d ->> 'k', (d ->> 'm')::int, p_now));
      continue when k in (1, 2);
    end if;
    for r in select * from jsonb_array_elements(t -> 'x' -> 'r') loop
      before := r ->> 0 = q.name and r ->> 1 = any (v_ids);
      w := null;
      if not before then
        select l.o_seq, z.id as queue_id into w from oqron.queue z cross join lateral oqron.last_run_v1(z.id, r ->> 1) l
        where z.space_id = q.space_id and z.name = r ->> 0;
        if w.o_seq is null then return jsonb_build_array('p', r ->> 0, r ->> 1); end if;
      end if;
      continue when (t -> 'x' ->> 'p')::int <> 1;
      if before then
        if r ->> 1 = any (v_failing) then v_failing := v_failing || p_ids[i]; end if;
      elsif exists (select from oqron.done where seq = w.o_seq and place in (8, 9, 11, 12)) then
        v_failing := v_failing || p_ids[i];
      end if;
    end loop;
    v_ids := v_ids || p_ids[i];
    -- What is dropped holds no key, and what is added as failed only one that outlives it; neither is held.
    if d is not null and not v_skips and ((d ->> 'm')::int = 1 or not p_ids[i] = any (v_failing)) then
      v_keys := v_keys || (d ->> 'k');
    end if;
    if not p_ids[i] = any (v_failing) or v_skips or q.behavior = 2 then v_fresh := v_fresh + 1; end if;
  end loop;
  if not q.disabled or v_fresh = 0 then return null; end if;
  if q.behavior = 2 then return '["d"]'; end if;
  if q.behavior = 0 then
    -- One at a time, or two would both see room for the last one.
    perform pg_advisory_xact_lock(hashtext('oqron.queue'), q.id);
    select coalesce(sum(n), 0) into v_held from oqron.count where queue_id = q.id and place = 5;
    if v_held + v_fresh > q.max_held then return jsonb_build_array('h', q.max_held); end if;
  end if;
  return null;
end $$;
