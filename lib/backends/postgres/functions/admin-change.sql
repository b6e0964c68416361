-- What people ask of one job. Each function is one call of the client (see call_v1); replies are JSON.

-- Looks whether a job is bound to others and, if so, takes the lock of links, which comes before the lock of any row.
create or replace function oqron.bound_v1(p_space int, p_queue_id int, p_seq bigint) returns boolean
language plpgsql as $$
declare
  v_flags int;
begin
  select x.flags into v_flags from (
    select r.flags from oqron.ready r where r.seq = p_seq
    union all select p.flags from oqron.parked p where p.seq = p_seq
    union all select l.flags from oqron.lease l where l.queue_id = p_queue_id and l.seq = p_seq
    union all select d.flags from oqron.done d where d.seq = p_seq) x limit 1;
  if coalesce(v_flags, 0) & 3 = 0 then return false; end if;
  perform oqron.link_lock_v1(p_space);
  return true;
end $$;

-- Locks the row of a job that is about to end. Somebody may have bound it to others between the look and the lock: then
-- the transaction must begin anew.
create or replace function oqron.ending_v1(q oqron.queue, p_seq bigint) returns oqron.narrow
language plpgsql as $$
declare
  v_bound boolean := oqron.bound_v1(q.space_id, q.id, p_seq);
  n oqron.narrow := oqron.locked_v1(q.id, p_seq);
begin
  if not v_bound and n.flags & 3 <> 0 then
    raise exception 'job % was bound to others meanwhile', p_seq using errcode = '40001';
  end if;
  return n;
end $$;

-- Tells whoever is concerned by what ended (see drain_v1). Needs the lock of links, and no row but those that ended.
create or replace function oqron.told_v1(p_space int, p_now bigint, out cascaded jsonb, out wakes int[])
language plpgsql as $$
declare
  r record;
begin
  cascaded := '[]';
  wakes := '{}';
  if not exists (select from oqron.outbox o where o.space_id = p_space) then return; end if;
  -- What is beyond this number is left to claims and sweeps.
  r := oqron.drain_v1(p_space, p_now, 10000);
  cascaded := r.cascaded;
  wakes := r.wakes;
end $$;

-- Writes size, run_at and flags of a job that stays where it is (places 1 to 5, locked).
create or replace function oqron.touched_v1(n oqron.narrow) returns void
language plpgsql as $$
begin
  if n.place = 1 then
    update oqron.ready set size = n.size, run_at = n.run_at, flags = n.flags where seq = n.seq;
  else
    update oqron.parked set size = n.size, run_at = n.run_at, flags = n.flags where seq = n.seq;
  end if;
end $$;

-- p_op: cancel (p_text: the reason), remove, promote, data (p_text), delay (p_number: ms), priority (p_number).
-- Answers {"verdict": "unknown"}, {"verdict": "refused", "place"} or {"verdict": "done", "place": where it was, "owner",
-- "fence", "cascaded"}.
create or replace function oqron.admin_change_v1(
  p_project text, p_environment text, p_queue text, p_client text, p_n bigint, p_acked bigint, p_op text, p_id text,
  p_text text, p_number bigint, p_max int, p_now bigint) returns text
language plpgsql set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_bitmapscan = off
  set enable_hashjoin = off set enable_mergejoin = off set enable_sort = off set jit = off as $$
declare
  v_now bigint := oqron.now_v1(p_now);
  q oqron.queue := oqron.opened_v1(p_project, p_environment, p_queue);
  v_reply text := oqron.call_v1(q.id, p_client, p_n, p_acked, v_now);
  v_seq bigint := (select j.seq from oqron.job j where j.queue_id = q.id and j.id = p_id);
  n oqron.narrow;
  v_was oqron.narrow;
  v_wakes int[] := '{}';
  v_more int[];
  v_cascaded jsonb := '[]';
begin
  if v_reply is not null then return v_reply; end if;
  if v_seq is not null then
    n := case when p_op in ('cancel', 'remove') then oqron.ending_v1(q, v_seq) else oqron.locked_v1(q.id, v_seq) end;
  end if;
  v_was := n;
  if n.seq is null then
    v_reply := json_build_object('verdict', 'unknown');
  elsif (
    case p_op when 'cancel' then n.place > 6 when 'remove' then n.place = 6 when 'promote' then n.place <> 3
    else n.place > 5 end)
  then
    v_reply := json_build_object('verdict', 'refused', 'place', n.place);
  else
    if p_op = 'cancel' then
      v_wakes := oqron.finish_v1(q, array[v_seq], 9, null, p_text, v_now);
    elsif p_op = 'remove' then
      if n.place > 6 then
        -- What its end means for others may not have been told yet, and the links that say to whom go with the record.
        if n.flags & 3 <> 0 then v_wakes := (select t.wakes from oqron.told_v1(q.space_id, v_now) t); end if;
        perform oqron.forget_v1(q.id, array[v_seq]);
      else
        perform oqron.removed_v1(q, n);
      end if;
    elsif p_op = 'priority' then
      update oqron.job set priority = p_number where seq = v_seq;
      if n.place < 3 then v_wakes := array_fill(q.id, array[oqron.to_ready_v1(q, n, false, v_now)]); end if;
    else
      n.flags := n.flags | 4;
      if p_op = 'promote' then
        perform oqron.noted_v1(array[v_seq], array['p' || v_now || '::'], p_max);
        n.run_at := v_now;
        v_wakes := array_fill(q.id, array[oqron.to_ready_v1(q, n, true, v_now)]);
      elsif p_op = 'data' then
        perform oqron.noted_v1(array[v_seq], array['u' || v_now || '::'], p_max);
        update oqron.job set data = p_text where seq = v_seq;
        n.size := coalesce(length(p_text), 0);
        perform oqron.touched_v1(n);
      else
        perform oqron.noted_v1(array[v_seq], array['d' || v_now || '::' || p_number || ' ms'], p_max);
        -- What waits for something else goes on waiting for it.
        if n.place > 3 then
          n.run_at := v_now + p_number;
          perform oqron.touched_v1(n);
        else
          v_wakes := array_fill(q.id, array[oqron.later_v1(q, n, p_number, v_now, true)]);
        end if;
      end if;
    end if;
    if n.flags & 3 <> 0 and p_op in ('cancel', 'remove') then
      select t.cascaded, t.wakes into v_cascaded, v_more from oqron.told_v1(q.space_id, v_now) t;
      v_wakes := v_wakes || v_more;
    end if;
    v_reply := json_build_object('verdict', 'done', 'place', v_was.place, 'owner', v_was.owner, 'fence', v_was.fence,
      'cascaded', v_cascaded);
  end if;
  perform oqron.wake_v1(q.space_id, v_wakes, v_now, null, case when v_was.place = 6 then q.id end);
  perform oqron.called_v1(q.id, p_client, p_n, p_acked, v_now, v_reply);
  return v_reply;
end $$;
