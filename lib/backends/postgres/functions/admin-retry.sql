-- Runs a job again, as a new one: p_new. p_from: the places (1 to 9, see 0001-tables.sql; 2 counts as 1) in which the old
-- one may stand. Answers {"verdict": "unknown"}, {"verdict": "refused", "place", "by": the job that was made before} or
-- {"verdict": "done"}.
create or replace function oqron.admin_retry_v1(
  p_project text, p_environment text, p_queue text, p_client text, p_n bigint, p_acked bigint, p_id text, p_new text,
  p_from int[], p_now bigint) returns text
language plpgsql set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_bitmapscan = off
  set enable_hashjoin = off set enable_mergejoin = off set enable_sort = off set jit = off as $$
declare
  v_now bigint := oqron.now_v1(p_now);
  q oqron.queue := oqron.opened_v1(p_project, p_environment, p_queue);
  v_reply text := oqron.call_v1(q.id, p_client, p_n, p_acked, v_now);
  j oqron.job;
  n oqron.narrow;
  f oqron.narrow;
  v_place int;
  v_by text;
  v_wakes int[] := '{}';
begin
  if v_reply is not null then return v_reply; end if;
  select * into j from oqron.job where queue_id = q.id and id = p_id;
  if j.seq is not null then
    if oqron.bound_v1(q.space_id, q.id, j.seq) then
      -- Who must fail because of the old job fails first, instead of waiting for the new one.
      v_wakes := (select t.wakes from oqron.told_v1(q.space_id, v_now) t);
      n := oqron.locked_v1(q.id, j.seq);
    else
      n := oqron.ending_v1(q, j.seq);
    end if;
  end if;
  v_place := case when n.place > 9 then n.place - 3 when n.place = 2 then 1 else n.place end;
  if n.seq is null then
    v_reply := json_build_object('verdict', 'unknown');
  else
    v_by := (select h.retried_by from oqron.history h where h.seq = n.seq);
    if v_by is null and v_place = any(p_from) then
      f := oqron.created_v1(q, p_new, j.name, j.meta, j.data, j.priority, j.keep, null, v_now, 4, v_now);
    end if;
    if f.seq is null then
      v_reply := json_build_object('verdict', 'refused', 'place', v_place, 'by', v_by);
    else
      insert into oqron.history (seq, retried_from) values (f.seq, p_id);
      insert into oqron.history as h (seq, retried_by) values (n.seq, p_new)
      on conflict (seq) do update set retried_by = excluded.retried_by;
      perform oqron.flag_v1(n, 4);
      if n.flags & 3 <> 0 then f := oqron.inherited_v1(q, n, f, p_new, v_now); end if;
      if oqron.placed_v1(q, f, v_now) = 1 then v_wakes := v_wakes || q.id; end if;
      v_reply := json_build_object('verdict', 'done');
    end if;
  end if;
  perform oqron.wake_v1(q.space_id, v_wakes, v_now);
  perform oqron.called_v1(q.id, p_client, p_n, p_acked, v_now, v_reply);
  return v_reply;
end $$;

-- Whoever still waits for the old job n waits for the new one f, which waits for those parents of the old one that have
-- not finished. Answers f with its flags. Needs the lock of links.
create or replace function oqron.inherited_v1(
  q oqron.queue, n oqron.narrow, f oqron.narrow, p_id text, p_now bigint) returns oqron.narrow
language plpgsql as $$
declare
  v_moved bigint[];
begin
  if n.flags & 1 <> 0 then
    insert into oqron.link (child, n, parent, queue_id, id, policy, waits, bound)
    select f.seq, l.n, l.parent, l.queue_id, l.id, l.policy, true, true
    from oqron.link l where l.child = n.seq and not l.hidden;
    if found then
      f.flags := f.flags | 1;
      -- Running parents in the order in which settles lock them.
      perform from (select k.queue_id, k.parent from oqron.link k where k.child = f.seq order by 1, 2 offset 0) k
      cross join lateral (
        select from oqron.lease l where l.queue_id = k.queue_id and l.seq = k.parent for update) l;
      perform oqron.bind_v1(q, f.seq, p_id);
      update oqron.link k set waits = false
      where k.child = f.seq and k.waits and not exists (
        select from oqron.place_v1(k.queue_id, k.parent) w where w.place < 7);
    end if;
  end if;
  if n.flags & 2 <> 0 then
    with moved as (
      update oqron.link k set parent = f.seq, id = p_id where k.parent = n.seq and k.bound and k.waits returning k.child)
    select array_agg(m.child) into v_moved from moved m;
    if v_moved is not null then
      f.flags := f.flags | 2 | 128;
      insert into oqron.child (parent, queue_id, id)
      select f.seq, j.queue_id, j.id from oqron.job j where j.seq = any(v_moved) order by j.seq limit 1000
      on conflict do nothing;
    end if;
    perform oqron.let_go_v1(n.seq, p_now);
  end if;
  return f;
end $$;
