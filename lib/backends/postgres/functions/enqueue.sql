-- Adding jobs.

-- Adds jobs that bring no key and no parents to a queue that is not disabled, all at once. p_seqs grows; `o_odd` and
-- p_at (their places among all, from 0; null = as they stand): see enqueue_v1.
create or replace function oqron.added_v1(
  q oqron.queue, p_now bigint, p_timeline int, p_at int[], p_seqs bigint[], p_ids text[], p_names text[],
  p_metas text[], p_datas text[], p_priorities int[], p_delays bigint[], p_run_ats bigint[], p_keeps text[],
  out o_odd jsonb, out o_wakes int[])
language plpgsql as $$
declare
  v_new bigint[];
  v_ready int;
  v_delayed int := 0;
  a record;
begin
  o_odd := '[]';
  o_wakes := '{}';
  if p_delays is null and p_run_ats is null then
    with j as (
      insert into oqron.job (seq, queue_id, created_at, priority, id, name, meta, data, keep)
      select u.seq, q.id, p_now, coalesce(u.priority, 0), u.id, u.name, u.meta, u.data, u.keep
      from unnest(p_seqs, p_ids, p_names, p_metas, p_datas, p_priorities, p_keeps)
        u (seq, id, name, meta, data, priority, keep)
      -- In one order for all, or two calls with common ids wait for each other.
      order by u.id collate "C"
      on conflict (queue_id, id) do nothing
      returning seq, priority, length(data) as size, keep
    ), w as (
      insert into oqron.ready (ord, seq, run_at, queue_id, rank, size, flags)
      select j.seq, j.seq, p_now, q.id, case when q.strategy = 2 then j.priority else 0 end, coalesce(j.size, 0),
        oqron.keep_flags_v1(j.keep)
      from j returning seq
    )
    select array_agg(seq), count(*) into v_new, v_ready from w;
  else
    with j as (
      insert into oqron.job (seq, queue_id, created_at, priority, id, name, meta, data, keep)
      select u.seq, q.id, p_now, coalesce(u.priority, 0), u.id, u.name, u.meta, u.data, u.keep
      from unnest(p_seqs, p_ids, p_names, p_metas, p_datas, p_priorities, p_keeps)
        u (seq, id, name, meta, data, priority, keep)
      order by u.id collate "C"
      on conflict (queue_id, id) do nothing
      returning seq, priority, length(data) as size, oqron.keep_flags_v1(keep) as flags,
        greatest(p_now, coalesce(p_run_ats[width_bucket(seq, p_seqs)],
          p_now + coalesce(p_delays[width_bucket(seq, p_seqs)], 0))) as run_at
    ), w as (
      insert into oqron.ready (ord, seq, run_at, queue_id, rank, size, flags)
      select j.seq, j.seq, j.run_at, q.id, case when q.strategy = 2 then j.priority else 0 end, coalesce(j.size, 0),
        j.flags
      from j where j.run_at <= p_now returning seq
    ), p as (
      insert into oqron.parked (seq, ord, run_at, k1, queue_id, size, flags, place)
      select j.seq, j.seq, j.run_at, j.run_at, q.id, coalesce(j.size, 0), j.flags, 3
      from j where j.run_at > p_now returning seq, run_at
    )
    select (select array_agg(seq) from j), (select count(*) from w), (select count(*) from p),
      coalesce((select jsonb_agg(jsonb_build_array(
        coalesce(p_at[width_bucket(seq, p_seqs)], width_bucket(seq, p_seqs) - 1), 1, 3, p_now, run_at)) from p), '[]')
    into v_new, v_ready, v_delayed, o_odd;
    perform oqron.counted_v1(q.id, 3, v_delayed);
    if v_delayed > 0 and (
      select x.seq = any (v_new) from oqron.parked x where x.queue_id = q.id and x.place = 3
      order by x.queue_id, x.place, x.k1, x.ord limit 1)
    then
      o_wakes := array[q.id];
    end if;
  end if;
  perform oqron.counted_v1(q.id, 1, v_ready);
  if v_ready > 0 then o_wakes := o_wakes || array_fill(q.id, array[v_ready]); end if;
  if coalesce(cardinality(v_new), 0) = cardinality(p_ids) then return; end if;
  for i in 1..cardinality(p_ids) loop
    continue when p_seqs[i] = any (v_new);
    -- The id is taken: this finds the one that stands, or makes the job after all.
    a := oqron.add_v1(q, p_ids[i], p_names[i], p_metas[i], p_datas[i], coalesce(p_priorities[i], 0),
      coalesce(p_run_ats[i], p_now + coalesce(p_delays[i], 0)), p_keeps[i], null, 0, p_now, p_timeline);
    o_wakes := o_wakes || a.o_wakes;
    o_odd := o_odd || jsonb_build_array(
      jsonb_build_array(coalesce(p_at[i], i - 1), a.o_how, a.o_place, a.o_created, a.o_run));
  end loop;
end $$;

-- Adds groups of jobs to one queue: p_sizes jobs each. Optional arrays are null where no job says anything. p_ties:
-- {"<index from 0>": see add_v1}. p_links: some of them make links. p_tx: in a user's transaction (no CallId, p_n = 0).
-- p_wait: for how long (ms) an id or key that an open transaction holds is waited for.
-- Answers [now, [[index, how, place, createdAt, runAt, id], ...], more]: what is not named was created, is ready, now. A
-- refused group has [index of its first job, 3, size, why...]. more: the outbox is left to the caller.
create or replace function oqron.enqueue_v1(
  p_project text, p_environment text, p_queue text, p_client text, p_n bigint, p_acked bigint, p_now bigint,
  p_timeline int, p_sizes int[], p_ids text[], p_names text[], p_metas text[], p_datas text[], p_priorities int[],
  p_delays bigint[], p_run_ats bigint[], p_keeps text[], p_ties text, p_links boolean, p_tx boolean, p_wait int)
  returns text
language plpgsql set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_bitmapscan = off
  set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
declare
  v_now bigint := oqron.now_v1(p_now);
  q oqron.queue := oqron.opened_v1(p_project, p_environment, p_queue);
  v_ties jsonb := p_ties::jsonb;
  v_reply text;
  v_seqs bigint[];
  v_wakes int[] := '{}';
  v_odd jsonb := '[]';
  v_more boolean := false;
  r record;
begin
  if not p_tx then
    v_reply := oqron.call_v1(q.id, p_client, p_n, p_acked, v_now);
    if v_reply is not null then return v_reply; end if;
    if p_links then perform oqron.link_lock_v1(q.space_id); end if;
    if p_wait is not null then perform set_config('lock_timeout', p_wait::text, true); end if;
  end if;
  v_seqs := array(select nextval('oqron.ord') from generate_series(1, cardinality(p_ids)));
  if v_ties is null and not q.disabled then
    r := oqron.added_v1(q, v_now, p_timeline, null, v_seqs, p_ids, p_names, p_metas, p_datas, p_priorities, p_delays,
      p_run_ats, p_keeps);
  else
    r := oqron.tied_v1(q, v_now, p_timeline, p_sizes, v_seqs, p_ids, p_names, p_metas, p_datas, p_priorities, p_delays,
      p_run_ats, p_keeps, coalesce(v_ties, '{}'), p_links, p_tx);
  end if;
  v_odd := r.o_odd;
  v_wakes := r.o_wakes;
  if not q.recorded and not p_tx and exists (select from oqron.job j where j.seq = any (v_seqs)) then
    perform oqron.recorded_v1(q.id);
  end if;
  if p_tx then
    perform oqron.wake_tx_v1(q.space_id, q.id, cardinality(v_wakes), v_now);
    return json_build_array(v_now, v_odd, false)::text;
  end if;
  if p_wait is not null then perform set_config('lock_timeout', '0', true); end if;
  if p_links and exists (select from oqron.outbox o where o.space_id = q.space_id) then
    r := oqron.drain_v1(q.space_id, v_now, 10000);
    v_wakes := v_wakes || r.wakes;
    v_more := r.o_more;
  end if;
  perform oqron.wake_v1(q.space_id, v_wakes, v_now);
  v_reply := json_build_array(v_now, v_odd, v_more)::text;
  perform oqron.called_v1(q.id, p_client, p_n, p_acked, v_now, v_reply);
  return v_reply;
end $$;

-- added_v1 for some of the jobs of a call: p_plain are their places from 1.
create or replace function oqron.added_some_v1(
  q oqron.queue, p_now bigint, p_timeline int, p_plain int[], p_seqs bigint[], p_ids text[], p_names text[],
  p_metas text[], p_datas text[], p_priorities int[], p_delays bigint[], p_run_ats bigint[], p_keeps text[],
  out o_odd jsonb, out o_wakes int[])
language sql as $$
  select a.o_odd, a.o_wakes from oqron.added_v1(q, p_now, p_timeline, array(select i - 1 from unnest(p_plain) i),
    array(select p_seqs[i] from unnest(p_plain) i), array(select p_ids[i] from unnest(p_plain) i),
    array(select p_names[i] from unnest(p_plain) i), array(select p_metas[i] from unnest(p_plain) i),
    array(select p_datas[i] from unnest(p_plain) i),
    case when p_priorities is not null then array(select p_priorities[i] from unnest(p_plain) i) end,
    case when p_delays is not null then array(select p_delays[i] from unnest(p_plain) i) end,
    case when p_run_ats is not null then array(select p_run_ats[i] from unnest(p_plain) i) end,
    case when p_keeps is not null then array(select p_keeps[i] from unnest(p_plain) i) end) a
$$;

-- The part of enqueue_v1 for calls in which some job has a key or parents, or whose queue is disabled. Numbers were given
-- in the order of the jobs, so that plain ones may go in together, before what stands between them.
create or replace function oqron.tied_v1(
  q oqron.queue, p_now bigint, p_timeline int, p_sizes int[], p_seqs bigint[], p_ids text[], p_names text[],
  p_metas text[], p_datas text[], p_priorities int[], p_delays bigint[], p_run_ats bigint[], p_keeps text[],
  p_ties jsonb, p_links boolean, p_tx boolean, out o_odd jsonb, out o_wakes int[])
language plpgsql as $$
declare
  v_refused jsonb;
  v_from int := 1;
  v_to int;
  v_plain int[] := '{}';
  v_alone text[];
  v_tied boolean;
  -- A debounced job gets a new turn on the way: then each job takes its number when it is added.
  v_bulk boolean := not q.disabled and not exists (
    select from jsonb_each(p_ties) t where t.value -> 'u' -> 'm' = '2');
  a record;
  r record;
begin
  o_odd := '[]';
  o_wakes := '{}';
  perform oqron.keys_v1(q.id, array(
    select t.value -> 'u' ->> 'k' from jsonb_each(p_ties) t where t.value ? 'u'));
  if p_links and not p_tx then
    -- Running parents in the order in which settles lock them.
    perform from (
      select distinct s.id, j.seq from jsonb_each(p_ties) t
      cross join lateral jsonb_array_elements(t.value -> 'x' -> 'r') f
      cross join lateral (
        select y.id from oqron.queue y where y.space_id = q.space_id and y.name = f.value ->> 0 offset 0) s
      cross join lateral (select j.seq from oqron.job j where j.queue_id = s.id and j.id = f.value ->> 1 offset 0) j
      order by s.id, j.seq offset 0) p
    cross join lateral (select from oqron.lease l where l.queue_id = p.id and l.seq = p.seq for update) l;
  end if;
  for g in 1..cardinality(p_sizes) + 1 loop
    v_to := v_from + coalesce(p_sizes[g], 0) - 1;
    v_tied := not v_bulk or exists (select from generate_series(v_from, v_to) i where p_ties ? (i - 1)::text);
    if cardinality(v_plain) > 0 and (v_tied or p_sizes[g] is null) then
      -- Before the next group looks for its parents.
      r := oqron.added_some_v1(q, p_now, p_timeline, v_plain, p_seqs, p_ids, p_names, p_metas, p_datas, p_priorities,
        p_delays, p_run_ats, p_keeps);
      o_odd := o_odd || r.o_odd;
      o_wakes := o_wakes || r.o_wakes;
      v_plain := '{}';
    end if;
    exit when p_sizes[g] is null;
    v_refused := case when v_tied then oqron.refused_v1(q, v_from, v_to, p_ids, p_ties, p_now) end;
    if v_refused is not null then
      o_odd := o_odd || jsonb_build_array(jsonb_build_array(v_from - 1, 3, p_sizes[g]) || v_refused);
    elsif not v_tied then
      v_plain := v_plain || array(select generate_series(v_from, v_to));
    else
      v_alone := '{}';
      if v_bulk then
        -- Of two jobs with one id the first counts, so these take their turn.
        v_alone := array(select p_ids[i] from generate_series(v_from, v_to) i where p_ties ? (i - 1)::text);
        v_plain := array(select i from generate_series(v_from, v_to) i where not p_ids[i] = any (v_alone));
        if cardinality(v_plain) > 0 then
          r := oqron.added_some_v1(q, p_now, p_timeline, v_plain, p_seqs, p_ids, p_names, p_metas, p_datas,
            p_priorities, p_delays, p_run_ats, p_keeps);
          o_odd := o_odd || r.o_odd;
          o_wakes := o_wakes || r.o_wakes;
          v_plain := '{}';
        end if;
      end if;
      for i in v_from..v_to loop
        continue when v_bulk and not p_ids[i] = any (v_alone);
        a := oqron.add_v1(q, p_ids[i], p_names[i], p_metas[i], p_datas[i], coalesce(p_priorities[i], 0),
          coalesce(p_run_ats[i], p_now + coalesce(p_delays[i], 0)), p_keeps[i], p_ties -> (i - 1)::text,
          case when p_tx then 2 else 0 end, p_now, p_timeline,
          case when v_bulk then p_seqs[i] end);
        o_wakes := o_wakes || a.o_wakes;
        if a.o_how <> 1 or a.o_place <> 1 or a.o_created <> p_now or a.o_run <> p_now then
          o_odd := o_odd || jsonb_build_array(
            jsonb_build_array(i - 1, a.o_how, a.o_place, a.o_created, a.o_run, a.o_id));
        end if;
      end loop;
    end if;
    v_from := v_to + 1;
  end loop;
end $$;

-- Makes ready what an add in a user's transaction must find, so that it changes no row that others need: the queue, and
-- the queues of its parents.
create or replace function oqron.prepare_v1(p_project text, p_environment text, p_queue text, p_parents text[])
  returns void
language plpgsql as $$
declare
  q oqron.queue := oqron.opened_v1(p_project, p_environment, p_queue);
begin
  perform oqron.recorded_v1(q.id);
  if cardinality(p_parents) > 0 then
    update oqron.queue set linked = true
    where id = any (array(
      select (oqron.beside_v1(q.space_id, u.name)).id from (select distinct x from unnest(p_parents) x order by 1) u (name))
      || q.id) and not linked;
  end if;
end $$;
