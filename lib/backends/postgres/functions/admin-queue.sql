-- What people ask of a whole queue. Each function is one call of the client (see call_v1); replies are JSON.

-- Wakes for all that a queue could hand out. How many processes are idle is for wake_v1 to look at, behind its lock.
create or replace function oqron.claimable_v1(p_queue_id int) returns int[]
language sql volatile as $$
  select array_fill(p_queue_id, array[greatest(0, least(coalesce(sum(c.n), 0), 1000))::int])
  from oqron.count c where c.queue_id = p_queue_id and c.place in (1, 2, 3)
$$;

-- Records a queue. null = not said, so it stays as it is. Answers {"record", "before": the version that stood, or null}
-- or, when another strategy is recorded, {"stored"} and changes nothing.
create or replace function oqron.admin_declare_v1(
  p_project text, p_environment text, p_queue text, p_client text, p_n bigint, p_acked bigint, p_strategy int,
  p_paused boolean, p_behavior int, p_max_held int, p_version int, p_now bigint) returns text
language plpgsql set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_bitmapscan = off
  set enable_hashjoin = off set enable_mergejoin = off set enable_sort = off set jit = off as $$
declare
  v_now bigint := oqron.now_v1(p_now);
  q oqron.queue := oqron.opened_v1(p_project, p_environment, p_queue);
  v_before int;
  v_reply text := oqron.call_v1(q.id, p_client, p_n, p_acked, v_now);
begin
  if v_reply is not null then return v_reply; end if;
  select * into q from oqron.queue where id = q.id for update;
  if q.strategy <> p_strategy then
    v_reply := json_build_object('stored', q.strategy);
  else
    v_before := q.version;
    update oqron.queue set
      strategy = coalesce(strategy, p_strategy),
      -- An initial status is for a queue that nobody declared yet; a later pause or resume is not undone by a restart.
      paused = paused or (p_paused and not declared),
      behavior = coalesce(p_behavior, behavior),
      max_held = coalesce(p_max_held, max_held),
      version = greatest(version, p_version),
      declared = true,
      recorded = true
    where id = q.id returning * into q;
    v_reply := json_build_object('record', oqron.shown_queue_v1(q), 'before', v_before);
  end if;
  perform oqron.called_v1(q.id, p_client, p_n, p_acked, v_now, v_reply);
  return v_reply;
end $$;

-- p_op: pause, resume, disable, enable. Enabling lets go of at most p_limit held jobs. Answers {"changed", "more"}.
create or replace function oqron.admin_switch_v1(
  p_project text, p_environment text, p_queue text, p_client text, p_n bigint, p_acked bigint, p_op text, p_limit int,
  p_max int, p_now bigint) returns text
language plpgsql set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_bitmapscan = off
  set enable_hashjoin = off set enable_mergejoin = off set enable_sort = off set jit = off as $$
declare
  v_now bigint := oqron.now_v1(p_now);
  q oqron.queue := oqron.opened_v1(p_project, p_environment, p_queue);
  v_reply text := oqron.call_v1(q.id, p_client, p_n, p_acked, v_now);
  v_wakes int[] := '{}';
  v_changed boolean;
begin
  if v_reply is not null then return v_reply; end if;
  select * into q from oqron.queue where id = q.id for update;
  v_changed := case p_op when 'pause' then not q.paused when 'resume' then q.paused
    when 'disable' then not q.disabled else q.disabled end;
  if v_changed then
    update oqron.queue set
      paused = case p_op when 'pause' then true when 'resume' then false else paused end,
      disabled = case p_op when 'disable' then true when 'enable' then false else disabled end,
      recorded = recorded or p_op in ('pause', 'disable')
    where id = q.id returning * into q;
    if p_op in ('resume', 'enable') then v_wakes := oqron.claimable_v1(q.id); end if;
  end if;
  if p_op = 'enable' then v_wakes := v_wakes || oqron.unheld_v1(q, v_now, p_limit, p_max); end if;
  v_reply := json_build_object('changed', v_changed, 'more', p_op = 'enable' and exists (
    select from oqron.parked p where p.queue_id = q.id and p.place = 5));
  perform oqron.wake_v1(q.space_id, v_wakes, v_now);
  perform oqron.called_v1(q.id, p_client, p_n, p_acked, v_now, v_reply);
  return v_reply;
end $$;

-- Deletes at most p_limit jobs, running ones only by force, and answers how many.
create or replace function oqron.admin_obliterate_v1(
  p_project text, p_environment text, p_queue text, p_client text, p_n bigint, p_acked bigint, p_limit int,
  p_force boolean, p_now bigint) returns text
language plpgsql set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_bitmapscan = off
  set enable_hashjoin = off set enable_mergejoin = off set enable_sort = off set jit = off as $$
declare
  v_now bigint := oqron.now_v1(p_now);
  q oqron.queue := oqron.opened_v1(p_project, p_environment, p_queue);
  v_reply text := oqron.call_v1(q.id, p_client, p_n, p_acked, v_now);
  v_seqs bigint[];
  v_left int := p_limit;
  v_place int;
  v_wakes int[];
  v_more int[];
begin
  if v_reply is not null then return v_reply; end if;
  -- Any of them may be bound to others.
  perform oqron.link_lock_v1(q.space_id);
  -- The links that say whom an end concerns go with the record: so first whatever has not been told yet.
  select t.wakes into v_wakes from oqron.told_v1(q.space_id, v_now) t;
  foreach v_place in array case when p_force then '{1,2,3,4,5,7,8,9,10,11,12,6}' else '{1,2,3,4,5,7,8,9,10,11,12}' end::int[]
  loop
    exit when v_left <= 0;
    if v_place = 1 then
      v_seqs := array(select r.seq from oqron.ready r where r.queue_id = q.id order by r.rank, r.ord limit v_left for update);
    elsif v_place < 6 then
      v_seqs := array(select p.seq from oqron.parked p where p.queue_id = q.id and p.place = v_place
        order by p.k1, p.ord limit v_left for update);
    elsif v_place = 6 then
      v_seqs := array(select l.seq from oqron.lease l where l.queue_id = q.id order by l.seq limit v_left for update);
    else
      v_seqs := array(select d.seq from oqron.done d where d.queue_id = q.id and d.place = v_place
        order by d.finished_at, d.ord limit v_left for update);
    end if;
    v_left := v_left - cardinality(v_seqs);
    if v_place > 6 then
      perform oqron.forget_v1(q.id, v_seqs);
    elsif cardinality(v_seqs) > 0 then
      perform oqron.discarded_v1(q, v_place, v_seqs);
    end if;
  end loop;
  select t.wakes into v_more from oqron.told_v1(q.space_id, v_now) t;
  perform oqron.wake_v1(q.space_id, v_wakes || v_more, v_now, null, q.id);
  v_reply := p_limit - v_left;
  perform oqron.called_v1(q.id, p_client, p_n, p_acked, v_now, v_reply);
  return v_reply;
end $$;

-- Deletes unfinished jobs of one place whose rows are locked.
create or replace function oqron.discarded_v1(q oqron.queue, p_place int, p_seqs bigint[]) returns void
language plpgsql as $$
declare
  v_seq bigint;
  v_plain bigint[];
  v_flags int;
begin
  -- Those that are bound to others go one by one, for somebody has to be told.
  foreach v_seq in array array(
    select r.seq from oqron.ready r where p_place = 1 and r.seq = any(p_seqs) and r.flags & 3 <> 0
    union all
    select p.seq from oqron.parked p where p_place < 6 and p.seq = any(p_seqs) and p.flags & 3 <> 0
    union all
    select l.seq from oqron.lease l where p_place = 6 and l.queue_id = q.id and l.seq = any(p_seqs) and l.flags & 3 <> 0)
  loop
    perform oqron.removed_v1(q, oqron.locked_v1(q.id, v_seq));
  end loop;
  with r as (delete from oqron.ready r where p_place = 1 and r.seq = any(p_seqs) returning r.seq, r.flags),
  p as (delete from oqron.parked p where p_place between 2 and 5 and p.seq = any(p_seqs) returning p.seq, p.flags),
  l as (delete from oqron.lease l where p_place = 6 and l.queue_id = q.id and l.seq = any(p_seqs) returning l.seq, l.flags),
  gone as (select * from r union all select * from p union all select * from l)
  select array_agg(g.seq), bit_or(g.flags) into v_plain, v_flags from gone g;
  if v_plain is null then return; end if;
  perform oqron.counted_v1(q.id, p_place, -cardinality(v_plain));
  perform oqron.erased_v1(q.id, v_plain, v_flags, p_place);
end $$;
