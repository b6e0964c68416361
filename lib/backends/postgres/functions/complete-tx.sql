-- What happens inside transactions of the user's. Such a transaction may stay open for as long as its owner likes:
-- whatever could make others wait is left for tx_ended_v1, which the client calls after the commit. Statements come
-- through whatever client the user has, so that all their values are texts.

-- enqueue_v1 with its parameters as one JSON list.
create or replace function oqron.enqueue_tx_v1(p_request text) returns text
language plpgsql as $$
declare
  r json := p_request::json;
begin
  return oqron.enqueue_v1(r ->> 0, r ->> 1, r ->> 2, r ->> 3, (r ->> 4)::bigint, (r ->> 5)::bigint, (r ->> 6)::bigint,
    (r ->> 7)::int, (r ->> 8)::int[], (r ->> 9)::text[], (r ->> 10)::text[], (r ->> 11)::text[], (r ->> 12)::text[],
    (r ->> 13)::int[], (r ->> 14)::bigint[], (r ->> 15)::bigint[], (r ->> 16)::text[], r ->> 17, (r ->> 18)::boolean,
    true, null);
end $$;

-- Completes one lease; null when it is not there any more. It is the last statement before the COMMIT, and waits for
-- nobody but who works on this very lease. p_note: see annotated_v1. Answers [now, seq].
create or replace function oqron.complete_tx_v1(
  p_project text, p_environment text, p_queue text, p_id text, p_fence bigint, p_result text, p_note text, p_logs int,
  p_now bigint) returns text
language plpgsql set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_bitmapscan = off
  set enable_hashjoin = off set enable_mergejoin = off set enable_sort = off set jit = off as $$
declare
  v_now bigint := oqron.now_v1(p_now);
  q oqron.queue := oqron.found_v1(p_project, p_environment, p_queue);
  l oqron.lease;
begin
  delete from oqron.lease x
  where x.queue_id = q.id and x.fence = p_fence
    and x.seq = (select j.seq from oqron.job j where j.queue_id = q.id and j.id = p_id)
  returning x.* into l;
  if not found then return null; end if;
  -- From now on others may wait for this row. An owner that falls silent before its COMMIT must not keep them for ever.
  if current_setting('idle_in_transaction_session_timeout') = '0' then
    perform set_config('idle_in_transaction_session_timeout', '15s', true);
  end if;
  if p_note is not null then
    l.flags := oqron.annotated_v1(q.space_id, l.seq, l.flags, p_note::jsonb, p_logs);
  end if;
  insert into oqron.done (seq, finished_at, ord, run_at, fence, queue_id, flags, attempt, stalled, place, policy,
    settled, started_at, owner, result)
  values (l.seq, v_now, nextval('oqron.ord'), l.run_at, l.fence, q.id, l.flags, l.attempt, l.stalled,
    case when l.flags & 2 <> 0 then 10 else 7 end, l.policy, l.fence, l.started_at, l.owner, p_result);
  insert into oqron.count (queue_id, place, n)
  values (q.id, 6, -1), (q.id, case when l.flags & 2 <> 0 then 10 else 7 end, 1);
  if l.flags & 3 <> 0 then
    insert into oqron.outbox (space_id, seq, queue_id, how, id) values (q.space_id, l.seq, q.id, 7, p_id);
    update oqron.link set waits = false where child = l.seq and waits;
  end if;
  return json_build_array(v_now, l.seq)::text;
end $$;

-- What follows from jobs that were completed in transactions which have been committed: keys, retention, dependants,
-- wake-ups. Each part is made up for by others if this call never comes. Answers [cascaded, more].
create or replace function oqron.tx_ended_v1(
  p_project text, p_environment text, p_queue text, p_seqs bigint[], p_now bigint) returns text
language plpgsql set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_bitmapscan = off
  set enable_hashjoin = off set enable_mergejoin = off set enable_sort = off set jit = off as $$
declare
  v_now bigint := oqron.now_v1(p_now);
  q oqron.queue := oqron.found_v1(p_project, p_environment, p_queue);
  v_wakes int[] := '{}';
  v_cascaded jsonb := '[]';
  v_more boolean := false;
  v_left int := greatest(100, 2 * cardinality(p_seqs));
  v_flags int;
  r record;
begin
  select coalesce(bit_or(d.flags), 0) into v_flags from oqron.done d where d.seq = any (p_seqs);
  if v_flags & 3 <> 0 then
    -- Before any row: who holds rows must not wait for this.
    perform oqron.link_lock_v1(q.space_id);
    r := oqron.drain_v1(q.space_id, v_now, 10000);
    v_cascaded := r.cascaded;
    v_wakes := r.wakes;
    v_more := r.o_more;
  end if;
  if v_flags & 8 <> 0 then perform oqron.freed_v1(p_seqs); end if;
  for r in
    select w.count, w.age, w.own, array_agg(d.seq order by d.ord) as seqs
    from oqron.done d
    cross join lateral (select z.keep from oqron.job z where z.seq = d.seq offset 0) j
    cross join lateral oqron.rule_v1(7, j.keep, d.policy) w
    where d.seq = any (p_seqs) and d.place + 0 = 7
    group by w.count, w.age, w.own order by max(d.ord)
  loop
    v_left := v_left - oqron.retained_v1(q.id, r.seqs, 7, r.count, r.age, r.own, v_now, v_left);
  end loop;
  perform oqron.wake_v1(q.space_id, v_wakes, v_now, null, case when q.cap is not null then q.id end)
    where cardinality(v_wakes) > 0 or q.cap is not null;
  return json_build_array(v_cascaded, v_more)::text;
end $$;

-- What became of a lease whose transaction ended in the dark: completed, held, busy (somebody has its row, perhaps that
-- transaction), lost, or gone (there is no record of the job). Waits for nobody.
create or replace function oqron.tx_fate_v1(
  p_project text, p_environment text, p_queue text, p_id text, p_fence bigint) returns text
language plpgsql set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
  q oqron.queue := oqron.found_v1(p_project, p_environment, p_queue);
  v_seq bigint;
begin
  select j.seq into v_seq from oqron.job j where j.queue_id = q.id and j.id = p_id;
  if not found then return 'gone'; end if;
  perform from oqron.lease where queue_id = q.id and seq = v_seq and fence = p_fence for update skip locked;
  if found then return 'held'; end if;
  -- What an open transaction has deleted is still seen.
  if exists (select from oqron.lease where queue_id = q.id and seq = v_seq and fence = p_fence) then return 'busy'; end if;
  return case when exists (
    select from oqron.done d where d.seq = v_seq and d.fence = p_fence and d.place in (7, 10)) then 'completed'
    else 'lost' end;
end $$;

-- Wakes out of a transaction of the user's, when that commits. Who is idle by then is not known yet, and a lock on the
-- entries of those who are now would hold their next claims: all listeners are told, once for each queue.
create or replace function oqron.wake_tx_v1(p_space int, p_queue_id int, p_n int, p_now bigint) returns void
language sql as $$
  select pg_notify(oqron.channel_v1(s.project, s.environment), 'w[' || json_build_array(null, q.name) || ']')
  from oqron.queue q cross join oqron.space s
  where p_n > 0 and q.id = p_queue_id and not q.paused and not q.disabled and s.id = p_space
$$;
