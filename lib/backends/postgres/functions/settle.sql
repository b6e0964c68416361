-- Ending leases.

-- Writes progress and logs of a job whose row is locked; answers the flags that it then has. p_note: {"p": progress,
-- "l": [line, ...], "c": [[queue, id], ...]}, progress and lines as JSON texts.
create or replace function oqron.annotated_v1(
  p_space int, p_seq bigint, p_flags int, p_note jsonb, p_logs int) returns int
language plpgsql as $$
declare
  v_lines text[];
  c jsonb;
  t oqron.queue;
  v_flags int := p_flags;
begin
  if p_note ? 'p' or p_note ? 'l' then
    v_lines := array(select jsonb_array_elements_text(p_note -> 'l'));
    insert into oqron.history as h (seq, progress, logs)
    values (p_seq, p_note ->> 'p', case when cardinality(v_lines) > 0 then
      v_lines[greatest(1, cardinality(v_lines) - p_logs + 1):] end)
    on conflict (seq) do update set progress = coalesce(excluded.progress, h.progress),
      logs = case when excluded.logs is null then h.logs else (h.logs || excluded.logs)[
        greatest(1, coalesce(cardinality(h.logs), 0) + cardinality(excluded.logs) - p_logs + 1):] end;
    v_flags := v_flags | 4;
  end if;
  for c in select * from jsonb_array_elements(p_note -> 'c') loop
    exit when v_flags & 128 <> 0
      and (select count(*) from (select from oqron.child x where x.parent = p_seq limit 1000) y) = 1000;
    t := oqron.beside_v1(p_space, c ->> 0);
    insert into oqron.child (parent, queue_id, id) values (p_seq, t.id, c ->> 1) on conflict do nothing;
    v_flags := v_flags | 128;
  end loop;
  return v_flags;
end $$;

-- Was this the last outcome of the job that counted?
create or replace function oqron.already_v1(p_queue_id int, p_seq bigint, p_fence bigint) returns boolean
language sql stable as $$
  select exists (
    select from (
      select settled from oqron.ready where seq = p_seq
      union all select settled from oqron.parked where seq = p_seq
      union all select settled from oqron.lease where queue_id = p_queue_id and seq = p_seq
      union all select settled from oqron.done where seq = p_seq) x
    where x.settled = p_fence)
$$;

-- Applies one outcome that is more than a plain completion. o: {"id", "f": fence, "k": c | f | t | l, "r": result,
-- "e": error, "s": summary, "d": delay, "y": reason, "n": note, "t": [[queue, id, name, meta, data, priority, delay,
-- runAt, keep, tie], ...]}. Answers s (settled), a (already) or l (lost).
create or replace function oqron.outcome_v1(
  q oqron.queue, o jsonb, p_now bigint, p_timeline int, p_logs int, p_limit int, out verdict text, out wakes int[])
language plpgsql as $$
declare
  l oqron.lease;
  n oqron.narrow;
  t oqron.queue;
  j jsonb;
  v_kind text := o ->> 'k';
  v_seq bigint := (select z.seq from oqron.job z where z.queue_id = q.id and z.id = o ->> 'id');
begin
  wakes := '{}';
  verdict := 's';
  select * into l from oqron.lease x
  where x.queue_id = q.id and x.fence = (o ->> 'f')::bigint and x.seq = v_seq for update;
  if not found then
    verdict := case when oqron.already_v1(q.id, v_seq, (o ->> 'f')::bigint) then 'a' else 'l' end;
    return;
  end if;
  if o ? 'n' then l.flags := oqron.annotated_v1(q.space_id, l.seq, l.flags, o -> 'n', p_logs); end if;
  if v_kind in ('f', 't') then
    perform oqron.noted_v1(array[l.seq], array['f' || p_now || ':' || l.attempt || ':' || (o ->> 's')], p_timeline);
    l.flags := l.flags | 4;
  end if;
  if v_kind in ('c', 'f') then
    update oqron.lease set settled = l.fence, flags = l.flags where queue_id = q.id and seq = l.seq;
    wakes := oqron.finish_v1(q, array[l.seq], case v_kind when 'c' then 7 else 8 end, array[o ->> 'e'], null, p_now,
      p_limit, o ->> 'r');
    for j in select * from jsonb_array_elements(o -> 't') loop
      t := oqron.beside_v1(q.space_id, j ->> 0);
      wakes := wakes || (select a.o_wakes from oqron.add_v1(t, j ->> 1, j ->> 2, j ->> 3, j ->> 4, (j ->> 5)::int,
        coalesce((j ->> 7)::bigint, p_now + (j ->> 6)::bigint), j ->> 8, nullif(j -> 9, 'null'), 1, p_now, p_timeline) a);
    end loop;
    return;
  end if;
  if v_kind = 't' then
    update oqron.history set error = o ->> 'e' where seq = l.seq;
  else
    l.attempt := l.attempt - 1;
    l.unknown_since := case when o ->> 'y' = 'unknown-name' then coalesce(l.unknown_since, p_now) end;
    perform oqron.noted_v1(array[l.seq], array['r' || p_now || '::' || (o ->> 'y')], p_timeline);
    l.flags := l.flags | 4;
  end if;
  n := (l.seq, l.queue_id, 6, 0, l.ord, l.run_at, l.fence, l.size, l.flags, l.attempt, l.stalled, l.policy, l.fence,
    l.started_at, case when v_kind = 'l' then l.unknown_since end, null, null, null);
  if oqron.later_v1(q, n, (o ->> 'd')::bigint, p_now, v_kind = 't') = 1 then wakes := array[q.id]; end if;
end $$;

-- Ends leases of one queue, then claims. Plain completions of jobs whose numbers the client knows come as arrays sorted by
-- those (p_turns: their places among all outcomes, from 0), the others as JSON (see outcome_v1, and "i": place). p_links: jobs that follow have links.
-- p_keys: [[queue, key], ...] of jobs that follow. p_claim: see claim_v1, null = no claim.
-- settled: [now, verdicts, cascaded, more] (verdicts: a letter each; empty = all settled). head and jobs: of the claim, as
-- claim_v1 has them.
create or replace function oqron.settle_v1(
  p_project text, p_environment text, p_queue text, p_client text, p_n bigint, p_acked bigint, p_now bigint,
  p_timeline int, p_logs int, p_seqs bigint[], p_fences bigint[], p_turns int[], p_results text[], p_odd text,
  p_links boolean, p_keys text, p_claim json)
  returns table (settled text, head text, jobs text)
language plpgsql set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_bitmapscan = off
  set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
declare
  v_now bigint := oqron.now_v1(p_now);
  q oqron.queue := oqron.opened_v1(p_project, p_environment, p_queue);
  v_reply text;
  v_kept jsonb;
  v_odd jsonb := p_odd::jsonb;
  v_plain int := cardinality(p_seqs);
  v_total int := v_plain + coalesce(jsonb_array_length(v_odd), 0);
  v_limit int := greatest(100, 2 * v_total);
  v_links boolean := p_links;
  v_settled bigint[];
  v_seqs bigint[];
  v_drops int[];
  v_lo bigint;
  v_hi bigint;
  v_near boolean;
  v_ended int;
  v_flags int;
  v_min int;
  v_max int;
  v_kept_n int;
  v_verdicts text[];
  v_wakes int[] := '{}';
  v_cascaded jsonb := '[]';
  v_more boolean := false;
  v_fences bigint[] := '{}';
  o jsonb;
  r record;
begin
  v_reply := oqron.call_v1(q.id, p_client, p_n, p_acked, v_now);
  if v_reply is not null then
    v_kept := v_reply::jsonb;
    v_fences := array(select f::bigint from jsonb_array_elements_text(v_kept -> 2) f);
    settled := v_kept ->> 0;
    head := v_kept ->> 1;
    jobs := oqron.claimed_v1(q.id, v_fences);
  else
    if q.linked and not v_links then
      v_links := exists (
        select from oqron.lease l where l.queue_id = q.id and l.seq = any (p_seqs) and l.flags & 3 <> 0
        union all
        select from jsonb_array_elements(v_odd) x
        cross join lateral (
          select z.seq from oqron.job z where z.queue_id = q.id and z.id = x.value ->> 'id' offset 0) j
        cross join lateral (
          select z.flags from oqron.lease z where z.queue_id = q.id and z.seq = j.seq offset 0) l
        where l.flags & 3 <> 0);
    end if;
    -- Before any row: who holds rows must not wait for this.
    if v_links then perform oqron.link_lock_v1(q.space_id); end if;
    if p_keys is not null then
      for r in
        select k.value ->> 0 as name, array_agg(k.value ->> 1) as keys from jsonb_array_elements(p_keys::jsonb) k
        group by 1 order by 1
      loop
        perform oqron.keys_v1((oqron.beside_v1(q.space_id, r.name)).id, r.keys);
      end loop;
    end if;
    if v_plain > 0 then
      v_drops := array(select p.id from oqron.policy p where p.completed_own and p.completed_count = 0);
      -- Numbers side by side are read in one go: to look for each by itself costs several times as much.
      v_lo := p_seqs[1];
      v_hi := p_seqs[v_plain];
      v_near := v_hi - v_lo < 4 * v_plain;
      -- The index hands the rows out by their numbers: all settles lock in this order. A fence was given out once.
      with near as (
        delete from oqron.lease l
        where v_near and l.queue_id = q.id and l.seq between v_lo and v_hi
          and l.fence = p_fences[width_bucket(l.seq, p_seqs)]
        returning l.*
      ), apart as (
        delete from oqron.lease l
        where not v_near and l.queue_id = q.id and l.seq = any (p_seqs)
          and l.fence = p_fences[width_bucket(l.seq, p_seqs)]
        returning l.*
      ), gone as (
        -- Whether it goes at once, with nothing of it that other tables know: then it never comes to `done`.
        select l.*, l.flags & 143 = 0 and (
          l.flags & 256 <> 0 or (l.flags & 16 = 0 or l.flags & 512 <> 0) and l.policy = any (v_drops)) as dropped
        from (select * from near union all select * from apart) l
      ), e as (
        delete from oqron.job j
        where v_near and (select bool_or(x.dropped) from gone x) and j.seq between v_lo and v_hi
          -- As it stands here it is a look into a hash table.
          and (j.seq in (select x.seq from gone x where x.dropped)) is true
      ), f as (
        delete from oqron.job where not v_near and seq = any (array(select x.seq from gone x where x.dropped))
      ), d as (
        insert into oqron.done (seq, finished_at, ord, run_at, fence, queue_id, flags, attempt, stalled, place, policy,
          settled, started_at, owner, result)
        select g.seq, v_now, nextval('oqron.ord'), g.run_at, g.fence, q.id, g.flags, g.attempt, g.stalled,
          case when g.flags & 2 <> 0 then 10 else 7 end, g.policy, g.fence, g.started_at, g.owner, g.result
        from (
          select x.*, p_results[width_bucket(x.seq, p_seqs)] as result from gone x
          where not x.dropped order by p_turns[width_bucket(x.seq, p_seqs)]) g
        returning seq, flags, policy, place
      )
      select (select array_agg(fence) from gone), array_agg(seq), coalesce(bit_or(flags), 0), min(policy), max(policy),
        count(*) filter (where place = 10)
      into v_settled, v_seqs, v_flags, v_min, v_max, v_kept_n from d;
      if v_settled is not null then
        v_ended := coalesce(cardinality(v_seqs), 0);
        insert into oqron.count (queue_id, place, n)
        select q.id, x.place, x.n from (values (6, -cardinality(v_settled)), (7, v_ended - v_kept_n), (10, v_kept_n))
          x (place, n) where x.n <> 0;
      end if;
      if v_seqs is not null then
        v_wakes := oqron.ended_v1(q, v_seqs, 7, v_flags, case when v_min = v_max then v_min end, v_now,
          v_limit * v_plain / v_total);
      end if;
    end if;
    if v_odd is not null or coalesce(cardinality(v_settled), 0) < v_plain then
      v_verdicts := array_fill('l'::text, array[v_total]);
      for i in 1..v_plain loop
        v_verdicts[p_turns[i] + 1] := case when p_fences[i] = any (v_settled) then 's'
          when oqron.already_v1(q.id, p_seqs[i], p_fences[i]) then 'a' else 'l' end;
      end loop;
      for o in select * from jsonb_array_elements(v_odd) loop
        r := oqron.outcome_v1(q, o, v_now, p_timeline, p_logs, v_limit / v_total);
        v_verdicts[(o ->> 'i')::int + 1] := r.verdict;
        v_wakes := v_wakes || r.wakes;
      end loop;
    end if;
    if v_links and exists (select from oqron.outbox x where x.space_id = q.space_id) then
      r := oqron.drain_v1(q.space_id, v_now, 10000);
      v_cascaded := r.cascaded;
      v_wakes := v_wakes || r.wakes;
      v_more := r.o_more;
    elsif v_flags & 3 <> 0 then
      -- Somebody linked to one of them after this call looked: whoever comes next tells them.
      v_more := true;
    end if;
    if p_claim is not null then
      r := oqron.taken_v1(q, (p_claim ->> 4)::int, (p_claim ->> 5)::bigint, p_claim ->> 6, p_claim ->> 7, p_claim ->> 8,
        (p_claim ->> 9)::boolean, (p_claim ->> 10)::int, (p_claim ->> 11)::bigint, (p_claim ->> 12)::bigint,
        (p_claim ->> 13)::boolean, (p_claim ->> 14)::bigint, (p_claim ->> 15)::bigint, v_now, p_timeline, v_wakes);
      v_fences := r.o_fences;
      jobs := r.o_jobs;
      head := r.o_head::text;
      v_wakes := r.o_wakes;
    end if;
    if cardinality(v_wakes) > 0 or q.cap is not null then
      perform oqron.wake_v1(q.space_id, v_wakes, v_now, null, case when q.cap is not null then q.id end,
        p_claim is not null);
    end if;
    settled := json_build_array(v_now, coalesce(array_to_string(v_verdicts, ''), ''), v_cascaded, v_more)::text;
    perform oqron.called_v1(q.id, p_client, p_n, p_acked, v_now,
      '[' || settled || ',' || coalesce(head, 'null') || ',' || array_to_json(v_fences) || ']');
  end if;
  return next;
end $$;

-- Renews leases, counted from store time. The arrays are sorted by fence, each once; p_seqs: 0 where the client does not
-- know the number of the job. Answers a letter each: k (kept), b (busy: somebody works on the row), c (cancelled), l (lost).
create or replace function oqron.extend_v1(
  p_project text, p_environment text, p_now bigint, p_queues text[], p_ids text[], p_seqs bigint[], p_fences bigint[],
  p_ms bigint[])
  returns text
language plpgsql set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_bitmapscan = off
  set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
declare
  v_now bigint := oqron.now_v1(p_now);
  v_ids int[];
  v_seqs bigint[] := p_seqs;
  v_rows tid[];
  v_kept bigint[];
  v_letters text[];
  v_done record;
begin
  v_ids := array(
    select (select q.id from oqron.queue q where q.name = u.name and q.space_id = (
      select s.id from oqron.space s where s.project = p_project and s.environment = p_environment))
    from unnest(p_queues) with ordinality u (name, i) order by u.i);
  if 0 = any (v_seqs) then
    v_seqs := array(
      select case when u.seq <> 0 then u.seq else coalesce((
        select j.seq from oqron.job j where j.queue_id = v_ids[u.i] and j.id = p_ids[u.i]), 0) end
      from unnest(v_seqs) with ordinality u (seq, i) order by u.i);
  end if;
  -- What somebody else holds at this moment is looked at by the next heartbeat: this one must not wait.
  v_rows := array(
    select l.ctid from unnest(v_ids, v_seqs, p_fences, p_ids) u (queue_id, seq, fence, id)
    cross join lateral (
      select x.ctid from oqron.lease x
      where x.queue_id = u.queue_id and x.seq = u.seq and x.fence = u.fence and x.id = u.id for update skip locked) l);
  with kept as (
    update oqron.lease set until = v_now + p_ms[width_bucket(fence, p_fences)] where ctid = any (v_rows) returning fence)
  select coalesce(array_agg(k.fence), '{}') into v_kept from kept k;
  if cardinality(v_kept) = cardinality(p_fences) then return repeat('k', cardinality(v_kept)); end if;
  for i in 1..cardinality(p_fences) loop
    if p_fences[i] = any (v_kept) then
      v_letters[i] := 'k';
    elsif exists (
      select from oqron.lease
      where queue_id = v_ids[i] and seq = v_seqs[i] and fence = p_fences[i] and id = p_ids[i])
    then
      v_letters[i] := 'b';
    else
      select d.place into v_done from oqron.job j
      cross join lateral (select z.place from oqron.done z where z.seq = j.seq and z.fence = p_fences[i] offset 0) d
      where j.queue_id = v_ids[i] and j.id = p_ids[i];
      v_letters[i] := case when v_done.place in (9, 12) then 'c' else 'l' end;
    end if;
  end loop;
  return array_to_string(v_letters, '');
end $$;

-- Writes notes of running jobs: [[queue, id, fence, note], ...], see annotated_v1. A stale one is dropped.
create or replace function oqron.annotate_v1(
  p_project text, p_environment text, p_logs int, p_notes text) returns void
language plpgsql set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_bitmapscan = off
  set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
declare
  c record;
  v_flags int;
  v_new int;
begin
  for c in
    -- Settles of the same process may be under way: rows are locked in their order.
    select q.id as queue_id, q.space_id, j.seq, (n.value ->> 2)::bigint as fence, n.value -> 3 as note
    from jsonb_array_elements(p_notes::jsonb) n
    cross join lateral oqron.found_v1(p_project, p_environment, n.value ->> 0) q
    cross join lateral (
      select z.seq from oqron.job z where z.queue_id = q.id and z.id = n.value ->> 1 offset 0) j
    order by q.id, j.seq
  loop
    select x.flags into v_flags from oqron.lease x
    where x.queue_id = c.queue_id and x.seq = c.seq and x.fence = c.fence for update;
    continue when not found;
    v_new := oqron.annotated_v1(c.space_id, c.seq, v_flags, c.note, p_logs);
    update oqron.lease set flags = v_new where queue_id = c.queue_id and seq = c.seq and flags <> v_new;
  end loop;
end $$;
