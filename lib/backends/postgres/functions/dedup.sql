-- Deduplication keys: who stands for one, and what that means for the next.

-- Takes the keys for the rest of the transaction, in one order for all. A key that nobody holds gets a row that has
-- expired, because only a row can be locked.
create or replace function oqron.keys_v1(p_queue_id int, p_keys text[]) returns void
language plpgsql as $$
declare
  v_key text;
begin
  for v_key in select distinct u.key collate "C" from unnest(p_keys) u (key) where u.key is not null order by 1 loop
    loop
      perform from oqron.dedup x where x.queue_id = p_queue_id and x.key = v_key for update;
      exit when found;
      insert into oqron.dedup (queue_id, key, seq, throttle, until, id, created_at, run_at)
      values (p_queue_id, v_key, 0, false, 0, '', 0, 0) on conflict do nothing;
    end loop;
  end loop;
end $$;

-- How a new job with a key stands to the one that holds it, whose row is locked unless the job just stands.
-- o_kind: 0 it is new, 1 the other one stands, 2 it is replaced, 3 the new one waits for it
create or replace function oqron.judged_v1(
  q oqron.queue, p_key text, p_mode int, p_now bigint, out o_kind int, out o_seq bigint, out o_id text,
  out o_created bigint, out o_run bigint, out o_place int)
language plpgsql as $$
declare
  x record;
  w record;
  n oqron.narrow;
begin
  o_kind := 0;
  select * into x from oqron.dedup d where d.queue_id = q.id and d.key = p_key for update;
  if not found or x.until <= p_now then return; end if;
  if p_mode = 1 and not x.throttle then return; end if;
  select * into w from oqron.place_v1(q.id, x.seq);
  if p_mode <> 1 and not x.throttle and (w.place is null or w.place > 6) and x.behind is not null then
    -- It ended while the key was held by somebody: the job before it stands, if it still runs.
    select j.seq, j.id, j.created_at, null::bigint as behind into x from oqron.job j where j.seq = x.behind;
    if not found then return; end if;
    select * into w from oqron.place_v1(q.id, x.seq);
  end if;
  if p_mode <> 1 and (w.place is null or w.place > 6) then return; end if;
  o_seq := x.seq;
  o_id := x.id;
  o_created := x.created_at;
  if w.place is null then
    -- A throttled key outlives the record of its job.
    o_kind := 1;
    o_run := x.run_at;
    o_place := coalesce(x.last_place, 7);
    return;
  end if;
  o_run := w.run_at;
  o_place := w.place;
  if p_mode <= 1 then
    o_kind := 1;
    return;
  end if;
  n := oqron.locked_v1(q.id, x.seq);
  if n.seq is null or n.place > 6 then
    return;
  elsif n.place < 6 then
    o_kind := 2;
  elsif p_mode = 4 then
    o_kind := 3;
  end if;
  o_run := n.run_at;
  o_place := n.place;
end $$;

-- A job stands for its key from now on.
create or replace function oqron.holds_v1(
  q oqron.queue, p_seq bigint, p_id text, p_created bigint, p_run bigint, p_dedup jsonb, p_now bigint, p_behind bigint)
  returns void
language plpgsql as $$
begin
  insert into oqron.dedup as x (queue_id, key, seq, behind, throttle, until, id, created_at, run_at)
  values (q.id, p_dedup ->> 'k', p_seq, p_behind, (p_dedup ->> 'm')::int = 1, p_now + (p_dedup ->> 't')::bigint, p_id,
    p_created, p_run)
  on conflict (queue_id, key) do update set seq = excluded.seq, behind = excluded.behind, throttle = excluded.throttle,
    until = excluded.until, id = excluded.id, created_at = excluded.created_at, run_at = excluded.run_at,
    last_place = null;
  perform oqron.expired_v1(q.id, p_now, 10);
end $$;

-- Forgets at most p_limit expired keys; answers how many.
create or replace function oqron.expired_v1(p_queue_id int, p_now bigint, p_limit int) returns int
language sql as $$
  with gone as (
    delete from oqron.dedup where ctid = any (array(
      select x.ctid from oqron.dedup x where x.queue_id = p_queue_id and x.until <= p_now
      order by x.queue_id, x.until limit p_limit for update skip locked))
    returning 1)
  select count(*)::int from gone
$$;

-- Gives a job that has not started, and whose row is locked, another content; its place stays.
create or replace function oqron.rewritten_v1(
  n oqron.narrow, p_name text, p_meta text, p_data text, p_content_only boolean, p_now bigint, p_timeline int) returns void
language plpgsql as $$
begin
  perform oqron.noted_v1(array[n.seq], array['u' || p_now || '::'], p_timeline);
  update oqron.job set data = p_data, name = case when p_content_only then name else p_name end,
    meta = case when p_content_only then meta else p_meta end
  where seq = n.seq;
  if n.place = 1 then
    update oqron.ready set size = coalesce(length(p_data), 0), flags = flags | 4 where seq = n.seq;
  else
    update oqron.parked set size = coalesce(length(p_data), 0), flags = flags | 4 where seq = n.seq;
  end if;
end $$;

-- Sets when a job that has not started may run. What waits for something else goes on waiting for it.
create or replace function oqron.postponed_v1(q oqron.queue, n oqron.narrow, p_run_at bigint, p_now bigint) returns int[]
language plpgsql as $$
begin
  if n.place in (4, 5) then
    update oqron.parked set run_at = greatest(p_now, p_run_at) where seq = n.seq;
    return '{}';
  end if;
  if oqron.later_v1(q, n, greatest(0, p_run_at - p_now), p_now, true) = 1 then return array[q.id]; end if;
  return '{}';
end $$;
