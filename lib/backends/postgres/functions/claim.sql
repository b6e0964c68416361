-- Handing out jobs.

-- The id of a policy. p_body: [guaranteed, maxStalled, delayMs, maxDelayMs, completedOwn, count, age, failedOwn, count,
-- age, dead, deadQueue]
create or replace function oqron.policy_v1(p_key text, p_body text) returns int
language plpgsql as $$
declare
  v_id int;
  b jsonb;
begin
  select p.id into v_id from oqron.policy p where p.key = p_key;
  if found then return v_id; end if;
  b := p_body::jsonb;
  insert into oqron.policy (key, guaranteed, max_stalled, stall_delay, stall_max, completed_own, completed_count,
    completed_age, failed_own, failed_count, failed_age, dead, dead_queue)
  values (p_key, (b ->> 0)::boolean, (b ->> 1)::int, (b ->> 2)::bigint, (b ->> 3)::bigint, (b ->> 4)::boolean,
    (b ->> 5)::bigint, (b ->> 6)::bigint, (b ->> 7)::boolean, (b ->> 8)::bigint, (b ->> 9)::bigint,
    (b ->> 10)::boolean, b ->> 11)
  on conflict (key) do nothing;
  select p.id into v_id from oqron.policy p where p.key = p_key;
  return v_id;
end $$;

-- Leases up to p_count ready jobs (after p_from, where the claimer knows that nothing waits before); answers fences, the
-- last turn, and the jobs as the claimer is told of them. o_cut: more would have been too much for one reply.
create or replace function oqron.leased_v1(
  q oqron.queue, p_count int, p_lease_ms bigint, p_owner text, p_policy int, p_from bigint, p_now bigint,
  out o_fences bigint[], out o_last bigint, out o_cut boolean, out o_jobs text)
language plpgsql as $$
declare
  v_ctids tid[];
  v_size bigint;
begin
  o_fences := '{}';
  o_cut := false;
  if q.strategy = 2 then
    with c as materialized (
      select r.ctid, r.rank, r.ord, r.size from oqron.ready r where r.queue_id = q.id
      order by r.queue_id, r.rank, r.ord limit p_count for update skip locked)
    select array_agg(c.ctid), sum(c.size) into v_ctids, v_size from c;
  elsif q.strategy = 1 then
    with c as materialized (
      select r.ctid, r.rank, r.ord, r.size from oqron.ready r where r.queue_id = q.id
      order by r.queue_id desc, r.rank desc, r.ord desc limit p_count for update skip locked)
    select array_agg(c.ctid), sum(c.size) into v_ctids, v_size from c;
  else
    with c as materialized (
      select r.ctid, r.ord, r.size from oqron.ready r where r.queue_id = q.id and r.rank = 0 and r.ord > p_from
      order by r.queue_id, r.rank, r.ord limit p_count for update skip locked)
    select array_agg(c.ctid), sum(c.size) into v_ctids, v_size from c;
  end if;
  if v_ctids is null then return; end if;
  if v_size > 1048576 then
    -- One larger payload still travels alone.
    o_cut := true;
    select array_agg(x.ctid) into v_ctids from (
      select r.ctid, u.i, sum(r.size) over (order by u.i) as upto
      from unnest(v_ctids) with ordinality u (tid, i)
      cross join lateral (select z.ctid, z.size from oqron.ready z where z.ctid = u.tid offset 0) r) x
    where x.i = 1 or x.upto <= 1048576;
  end if;
  -- Nearly always it is ahead, and to look here saves a call.
  if (select last_value from oqron.fence) < p_now * 1000 then perform oqron.fence_v1(p_now); end if;
  with gone as (
    delete from oqron.ready where ctid = any (v_ctids) returning *
  ), j as materialized (
    -- Each record is looked up once, for the lease and for the claimer.
    select nextval('oqron.fence') as mine, g.*, w.id, w.name, w.meta, w.data, w.priority, w.created_at
    from (select * from gone order by case when q.strategy = 1 then -rank else rank end,
      case when q.strategy = 1 then -ord else ord end) g
    cross join lateral (
      select z.id, z.name, z.meta, z.data, z.priority, z.created_at from oqron.job z where z.seq = g.seq offset 0) w
  ), l as (
    insert into oqron.lease (fence, seq, until, ord, run_at, started_at, queue_id, size, flags, attempt, stalled, policy,
      settled, unknown_since, id, owner)
    select j.mine, j.seq, p_now + p_lease_ms, j.ord, j.run_at, p_now, q.id, j.size, j.flags, j.attempt + 1, j.stalled,
      p_policy, j.settled, j.unknown_since, j.id, p_owner
    from j
  )
  select array_agg(j.mine), max(j.ord),
    string_agg(oqron.claimed_job_v1(j.mine, j.attempt + 1, j.stalled, j.run_at, j.seq, j.flags, j.unknown_since, j.id, j.name,
      j.priority, j.created_at, j.meta, j.data), E'\x1e')
  into o_fences, o_last, o_jobs from j;
  insert into oqron.count (queue_id, place, n)
  values (q.id, 1, -cardinality(o_fences)), (q.id, 6, cardinality(o_fences));
end $$;

-- Leases one suspect, for a process that runs nothing else.
create or replace function oqron.leased_suspect_v1(
  q oqron.queue, p_lease_ms bigint, p_owner text, p_policy int, p_now bigint, out o_fences bigint[], out o_jobs text)
language plpgsql as $$
declare
  r oqron.parked;
  l oqron.lease;
begin
  o_fences := '{}';
  if q.strategy = 1 then
    select * into r from oqron.parked x where x.queue_id = q.id and x.place = 2
    order by x.queue_id desc, x.place desc, x.k1 desc, x.ord desc limit 1 for update skip locked;
  else
    select * into r from oqron.parked x where x.queue_id = q.id and x.place = 2
    order by x.queue_id, x.place, x.k1, x.ord limit 1 for update skip locked;
  end if;
  if not found then return; end if;
  perform oqron.fence_v1(p_now);
  delete from oqron.parked where seq = r.seq;
  insert into oqron.lease (fence, seq, until, ord, run_at, started_at, queue_id, size, flags, attempt, stalled, policy,
    settled, unknown_since, id, owner)
  values (nextval('oqron.fence'), r.seq, p_now + p_lease_ms, r.ord, r.run_at, p_now, q.id, r.size, r.flags, r.attempt + 1,
    r.stalled, p_policy, r.settled, r.unknown_since, (select j.id from oqron.job j where j.seq = r.seq), p_owner)
  returning * into l;
  insert into oqron.count (queue_id, place, n) values (q.id, 2, -1), (q.id, 6, 1);
  o_fences := array[l.fence];
  o_jobs := (
    select oqron.claimed_job_v1(l.fence, l.attempt, l.stalled, l.run_at, l.seq, l.flags, l.unknown_since, j.id, j.name,
      j.priority, j.created_at, j.meta, j.data)
    from oqron.job j where j.seq = l.seq);
end $$;

-- What a claimer is told of a job: a line each: seq, fence, createdAt, [attempt stalledCount priority runAt], id, name, meta,
-- and, unless it has none, the payload, which may have lines of its own. The fourth is empty for a first attempt of a job
-- without priority or delay: numbers cost more to write than anything else here. What few jobs have comes as JSON behind a
-- mark (1d): [the same text, progress, unknownNameSince, [[queue, id], ...]]; so does a payload with a mark of its own
-- (ids and names have no control characters). Between two jobs stands another mark (1e): to look for marks costs a tenth
-- of quoting the texts.
create or replace function oqron.claimed_job_v1(
  p_fence bigint, p_attempt int, p_stalled int, p_run_at bigint, p_seq bigint, p_flags int, p_unknown_since bigint,
  p_id text, p_name text, p_priority int, p_created_at bigint, p_meta text, p_data text) returns text
language sql stable as $$
  select case when p_flags & 5 = 0 and p_unknown_since is null and coalesce(strpos(p_data collate "C", E'\x1e'), 0) = 0
    then concat_ws(E'\n', p_seq, p_fence, p_created_at,
      case when p_attempt > 1 or p_stalled > 0 or p_priority <> 0 or p_run_at <> p_created_at
        then concat_ws(' ', p_attempt, p_stalled, p_priority, p_run_at) else '' end,
      p_id, p_name, coalesce(p_meta, ''), p_data)
    else E'\x1d' || oqron.claimed_more_v1(concat_ws(E'\n', p_seq, p_fence, p_created_at,
      concat_ws(' ', p_attempt, p_stalled, p_priority, p_run_at),
      p_id, p_name, coalesce(p_meta, ''), p_data), p_seq, p_unknown_since) end
$$;

create or replace function oqron.claimed_more_v1(p_told text, p_seq bigint, p_unknown_since bigint) returns text
language sql stable as $$
  select json_build_array(p_told,
    (select h.progress from oqron.history h where h.seq = p_seq), p_unknown_since,
    (select json_agg(json_build_array(q.name, k.id) order by k.n) from oqron.link k
      cross join lateral (select z.name from oqron.queue z where z.id = k.queue_id offset 0) q
      where k.child = p_seq and not k.hidden))::text
$$;

-- The jobs of a claim that was made before, in the order of p_fences; each as claimed_job_v1 has it, with marks between.
create or replace function oqron.claimed_v1(p_queue_id int, p_fences bigint[]) returns text
language sql stable as $$
  select string_agg(oqron.claimed_job_v1(l.fence, l.attempt, l.stalled, l.run_at, l.seq, l.flags, l.unknown_since, l.id,
    j.name, j.priority, j.created_at, j.meta, j.data), E'\x1e' order by l.fence)
  from oqron.lease l
  cross join lateral (select z.priority, z.created_at, z.name, z.meta, z.data from oqron.job z where z.seq = l.seq offset 0) j
  where l.queue_id = p_queue_id and l.fence = any (p_fences)
$$;

-- One claim, of a claim or a settle. p_look: look at leases first, whatever there is to take.
-- p_from: nothing waits up to this turn, as long as oqron.returned stands at p_returned.
-- o_head: [now, dueAt, expiryAt, held, paused, retryAfterMs, suspects, swept, cascaded, more, looked, last, returned];
-- expiryAt only when it looked.
create or replace function oqron.taken_v1(
  q oqron.queue, p_count int, p_lease_ms bigint, p_owner text, p_key text, p_policy text, p_alone boolean,
  p_max_active int, p_rate_max bigint, p_span bigint, p_look boolean, p_from bigint, p_returned bigint, p_now bigint,
  p_timeline int, p_wakes int[], out o_head jsonb, out o_fences bigint[], out o_wakes int[], out o_jobs text)
language plpgsql as $$
declare
  v_policy int := oqron.policy_v1(p_key, p_policy);
  v_swept jsonb := '[]';
  v_cascaded jsonb := '[]';
  v_more boolean := false;
  v_links boolean := false;
  v_closed boolean := q.paused or q.disabled;
  v_count int := least(p_count, 1000);
  v_due bigint;
  v_until bigint;
  v_retry bigint;
  v_suspects int := 0;
  v_held boolean := false;
  v_alone boolean := false;
  v_cut boolean := false;
  v_looked boolean := false;
  v_rest int;
  v_last bigint;
  v_from bigint := p_from;
  v_returned bigint;
  v_outbox boolean;
  -- Most queues have nothing there, and then five looks are saved. What this claim puts there itself counts, too.
  v_parked boolean;
  r record;
begin
  o_wakes := p_wakes;
  o_fences := '{}';
  -- One statement: each has a cost of its own, whatever it asks.
  select x.last_value, exists (select from oqron.outbox z where z.space_id = q.space_id),
    exists (select from oqron.parked z where z.queue_id = q.id)
  into v_returned, v_outbox, v_parked from oqron.returned x;
  if v_returned <> p_returned then v_from := 0; end if;
  if p_look then
    r := oqron.reaped_v1(q, p_now, 100, p_timeline);
    v_swept := r.swept;
    o_wakes := o_wakes || r.wakes;
    v_looked := true;
    -- What was taken back may be there now.
    select exists (select from oqron.outbox z where z.space_id = q.space_id),
      exists (select from oqron.parked z where z.queue_id = q.id)
    into v_outbox, v_parked;
  end if;
  if v_outbox then
    v_more := true;
    if oqron.link_try_v1(q.space_id) then
      r := oqron.drain_v1(q.space_id, p_now, 1000);
      v_cascaded := r.cascaded;
      o_wakes := o_wakes || r.wakes;
      v_more := r.o_more;
      v_parked := v_parked or exists (select from oqron.parked x where x.queue_id = q.id);
    end if;
  end if;
  if not v_closed then
    if v_parked then
      if exists (select from oqron.parked x where x.queue_id = q.id and x.place = 5) then
        o_wakes := o_wakes || oqron.unheld_v1(q, p_now, 100, p_timeline);
      end if;
      v_rest := oqron.promoted_v1(q, p_now, greatest(p_count, 100));
      if v_rest > 0 then o_wakes := o_wakes || array_fill(q.id, array[v_rest]); end if;
    end if;
    if p_max_active is not null or p_span is not null then
      perform pg_advisory_xact_lock(hashtext('oqron.rate'), q.id);
      v_count := oqron.allowed_v1(q, v_count, p_max_active, p_rate_max, p_span, p_now);
    end if;
    if p_alone and v_count > 0 then
      r := oqron.leased_suspect_v1(q, p_lease_ms, p_owner, v_policy, p_now);
      o_fences := r.o_fences;
      o_jobs := r.o_jobs;
    end if;
    v_alone := cardinality(o_fences) > 0;
    if cardinality(o_fences) = 0 and v_count > 0 then
      r := oqron.leased_v1(q, v_count, p_lease_ms, p_owner, v_policy, v_from, p_now);
      o_fences := r.o_fences;
      o_jobs := r.o_jobs;
      v_last := r.o_last;
      v_cut := r.o_cut;
      v_rest := case when v_cut then 0 else v_count - cardinality(o_fences) end;
      if v_rest > 0 and (v_from > 0 or not v_looked) then
        -- Not enough from there: what comes before it, and expired leases, are looked for after all.
        if not v_looked then
          r := oqron.reaped_v1(q, p_now, 100, p_timeline);
          v_swept := r.swept;
          v_links := r.links;
          o_wakes := o_wakes || r.wakes;
          v_looked := true;
        end if;
        if v_from > 0 or jsonb_array_length(v_swept) > 0 then
          r := oqron.leased_v1(q, v_rest, p_lease_ms, p_owner, v_policy, 0, p_now);
          o_fences := o_fences || r.o_fences;
          -- Of nothing and nothing it makes an empty text, before which the next jobs would get a mark.
          o_jobs := nullif(concat_ws(E'\x1e', o_jobs, r.o_jobs), '');
          v_cut := r.o_cut;
        end if;
        v_more := v_more or v_links;
      end if;
    end if;
  end if;
  v_parked := v_parked or jsonb_array_length(v_swept) > 0;
  v_held := v_parked and not v_closed
    and exists (select from oqron.parked x where x.queue_id = q.id and x.place = 5);
  if v_looked then
    select min(l.until) into v_until from oqron.lease l where l.queue_id = q.id;
  end if;
  if v_parked then
    select count(*) into v_suspects
    from (select from oqron.parked x where x.queue_id = q.id and x.place = 2 limit 1000) s;
  end if;
  -- The claimer is busy when it got all it asked for; otherwise it waits for the next job of this queue. It may sleep for 10 s
  -- from now: an entry that would end before is made to last longer, or nobody would be woken for the rest of that sleep.
  if cardinality(o_fences) < p_count and not exists (
    select from oqron.idle i where i.queue_id = q.id and i.process = p_owner and i.until > p_now + 12500)
  then
    perform pg_advisory_xact_lock(hashtext('oqron.idle'), q.id);
    insert into oqron.idle (queue_id, process, until) values (q.id, p_owner, p_now + 20000)
    on conflict (queue_id, process) do update set until = excluded.until;
    -- Whoever looked for idle processes before this did not see it: what they had to tell is looked for once more.
    if v_closed then
      select x.paused or x.disabled into v_closed from oqron.queue x where x.id = q.id;
      v_rest := case when v_closed or p_max_active is not null or p_span is not null then 0 else v_count end;
    else
      v_rest := case when v_alone or v_cut then 0 else v_count - cardinality(o_fences) end;
    end if;
    if v_rest > 0 then
      r := oqron.leased_v1(q, v_rest, p_lease_ms, p_owner, v_policy, 0, p_now);
      o_fences := o_fences || r.o_fences;
      o_jobs := nullif(concat_ws(E'\x1e', o_jobs, r.o_jobs), '');
      v_last := null;
    end if;
  end if;
  if cardinality(o_fences) >= p_count then delete from oqron.idle where queue_id = q.id and process = p_owner; end if;
  if q.rated and cardinality(o_fences) > 0 or p_span is not null and cardinality(o_fences) > 0 then
    perform oqron.began_v1(q.id, cardinality(o_fences), p_now);
  end if;
  if p_span is not null then v_retry := oqron.retry_after_v1(q.id, p_rate_max, p_span, p_now); end if;
  -- The last look of a claim that found nothing may come after a job was added with a delay meanwhile.
  if not v_closed and (v_parked or cardinality(o_fences) < p_count) then
    select x.k1 into v_due from oqron.parked x where x.queue_id = q.id and x.place = 3
    order by x.queue_id, x.place, x.k1, x.ord limit 1;
  end if;
  -- What this claim took wakes nobody else.
  if cardinality(o_fences) > 0 and cardinality(o_wakes) > 0 then
    o_wakes := (select coalesce(array_agg(w.id), '{}') from (
      select u.id, row_number() over (partition by u.id) as i from unnest(o_wakes) u (id)) w
      where w.id <> q.id or w.i > cardinality(o_fences));
  end if;
  o_head := jsonb_build_array(p_now, v_due, v_until, v_held, v_closed, v_retry, v_suspects, v_swept, v_cascaded, v_more,
    v_looked, v_last, v_returned);
end $$;

-- Many claims in one round trip, each a call of its own. p_requests: [[queue, client, n, acked, count, leaseMs, owner,
-- policyKey, policy, alone, maxActive, rateMax, rateSpan, look, from, returned], ...], sorted by queue.
-- A row for each, in this order: the head of the claim (see taken_v1), and its jobs (see claimed_job_v1). What may have to be
-- made for a claim, policies and queues, is made before any of them takes a lock that others wait for.
create or replace function oqron.claim_v1(
  p_project text, p_environment text, p_now bigint, p_timeline int, p_requests json)
  returns table (head text, jobs text)
language plpgsql set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_bitmapscan = off
  set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
declare
  v_now bigint := oqron.now_v1(p_now);
  q oqron.queue;
  c json;
  v_reply text;
  v_kept jsonb;
  v_fences bigint[];
  r record;
begin
  if json_array_length(p_requests) > 1 then
    perform oqron.opened_v1(p_project, p_environment, x.value ->> 0) from json_array_elements(p_requests) x;
    perform oqron.policy_v1(x.key, x.body) from (
      select distinct z.value ->> 7 as key, z.value ->> 8 as body from json_array_elements(p_requests) z order by 1) x;
  end if;
  for c in select * from json_array_elements(p_requests) loop
    q := oqron.opened_v1(p_project, p_environment, c ->> 0);
    v_reply := oqron.call_v1(q.id, c ->> 1, (c ->> 2)::bigint, (c ->> 3)::bigint, v_now);
    if v_reply is not null then
      v_kept := v_reply::jsonb;
      v_fences := array(select f::bigint from jsonb_array_elements_text(v_kept -> 1) f);
      head := v_kept ->> 0;
      jobs := oqron.claimed_v1(q.id, v_fences);
    else
      r := oqron.taken_v1(q, (c ->> 4)::int, (c ->> 5)::bigint, c ->> 6, c ->> 7, c ->> 8, (c ->> 9)::boolean,
        (c ->> 10)::int, (c ->> 11)::bigint, (c ->> 12)::bigint, (c ->> 13)::boolean, (c ->> 14)::bigint,
        (c ->> 15)::bigint, v_now, p_timeline, '{}');
      v_fences := r.o_fences;
      jobs := r.o_jobs;
      head := r.o_head::text;
      if cardinality(r.o_wakes) > 0 or q.cap is not null then
        perform oqron.wake_v1(q.space_id, r.o_wakes, v_now, null, case when q.cap is not null then q.id end, true);
      end if;
      perform oqron.called_v1(q.id, c ->> 1, (c ->> 2)::bigint, (c ->> 3)::bigint, v_now,
        '[' || head || ',' || array_to_json(v_fences) || ']');
    end if;
    return next;
  end loop;
end $$;
