-- What no caller waits for: expired leases, old jobs, forgotten keys and replies.

-- Sweeps queues: those named, or at most 50 after p_after. Answers [swept, cascaded, removed, held, last, links]: swept
-- as in taken_v1 with the queue first; `last` the last name of a full page; `links`: the outbox is left to the caller.
create or replace function oqron.sweep_v1(
  p_project text, p_environment text, p_now bigint, p_timeline int, p_queues text[], p_after text, p_limit int,
  p_purges int) returns text
language plpgsql set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_bitmapscan = off
  set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
declare
  v_now bigint := oqron.now_v1(p_now);
  v_space int := (select s.id from oqron.space s where s.project = p_project and s.environment = p_environment);
  q oqron.queue;
  w record;
  r record;
  v_swept jsonb := '[]';
  v_removed int := 0;
  v_held boolean := false;
  v_wakes int[] := '{}';
  v_seen int := 0;
  v_last text;
begin
  for q in
    select x.* from oqron.queue x
    where x.space_id = v_space and case when p_queues is null then x.name > p_after else x.name = any (p_queues) end
    order by x.space_id, x.name limit case when p_queues is null then 50 end
  loop
    v_seen := v_seen + 1;
    v_last := q.name;
    if p_limit > jsonb_array_length(v_swept) then
      r := oqron.reaped_v1(q, v_now, p_limit - jsonb_array_length(v_swept), p_timeline);
      v_swept := v_swept || (select coalesce(jsonb_agg(jsonb_build_array(q.name) || x.value), '[]')
        from jsonb_array_elements(r.swept) x);
      v_wakes := v_wakes || r.wakes;
    end if;
    for w in select * from oqron.rule x where x.queue_id = q.id order by x.place loop
      v_removed := v_removed + oqron.trim_v1(q.id, w.place, w.count, w.age, v_now, p_purges - v_removed);
    end loop;
    if p_purges > v_removed then
      v_removed := v_removed + oqron.expired_v1(q.id, v_now, p_purges - v_removed);
    end if;
    if not q.disabled then
      v_wakes := v_wakes || oqron.unheld_v1(q, v_now, p_limit, p_timeline);
      v_held := v_held or exists (select from oqron.parked x where x.queue_id = q.id and x.place = 5);
    end if;
    perform oqron.fold_v1(q.id)
      where (select count(*) from (select from oqron.count x where x.queue_id = q.id limit 50) y) = 50;
    delete from oqron.call where ctid = any (array(
      select x.ctid from oqron.call x where x.queue_id = q.id and x.at < v_now - 60000 limit 1000
      for update skip locked));
    if q.cap is not null then perform oqron.wake_v1(v_space, '{}', v_now, null, q.id); end if;
  end loop;
  perform oqron.wake_v1(v_space, v_wakes, v_now);
  return json_build_array(v_swept, v_removed, v_held,
    case when p_queues is null and v_seen = 50 then v_last end,
    exists (select from oqron.outbox x where x.space_id = v_space))::text;
end $$;

-- A woken process that cannot take the job passes the hint on to another idle one.
create or replace function oqron.pass_on_v1(
  p_project text, p_environment text, p_now bigint, p_queue text, p_from text) returns void
language plpgsql as $$
declare
  q oqron.queue := oqron.found_v1(p_project, p_environment, p_queue);
begin
  if q.id is not null then perform oqron.wake_v1(q.space_id, array[q.id], oqron.now_v1(p_now), p_from); end if;
end $$;
