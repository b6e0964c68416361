-- How jobs end. Whatever ends a job, `ended_v1` does what follows from it.

-- The rule for a finished job. See retentionFor in kernel/job/retention.ts.
create or replace function oqron.rule_v1(
  p_place int, p_keep text, p_policy int, out count bigint, out age bigint, out own boolean)
language plpgsql stable as $$
declare
  v_keep jsonb := (p_keep::jsonb) -> case when p_place = 7 then 'completed' else 'failed' end;
  v_own boolean;
begin
  own := v_keep ->> 'from' = 'job';
  if p_place = 7 then
    select p.completed_own, p.completed_count, p.completed_age into v_own, count, age
    from oqron.policy p where p.id = p_policy;
  else
    select p.failed_own, p.failed_count, p.failed_age into v_own, count, age from oqron.policy p where p.id = p_policy;
  end if;
  if not found then
    count := 10000;
    age := case when p_place = 7 then 86400000 else 604800000 end;
  end if;
  if v_keep is not null and (own or not coalesce(v_own, false)) then
    count := (v_keep ->> 'count')::bigint;
    age := (v_keep ->> 'ageMs')::bigint;
  end if;
  own := coalesce(own, false);
  -- A tombstone is the record of who stopped the job: it is never removed on the spot.
  if p_place = 9 and count = 0 then
    count := 10000;
    age := 604800000;
  end if;
end $$;

-- Removes finished jobs of one place that are too many or too old; answers how many. Two at once that count the same
-- surplus would both remove it: who is not alone leaves enough for all others.
create or replace function oqron.trim_v1(
  p_queue_id int, p_place int, p_count bigint, p_age bigint, p_now bigint, p_limit int) returns int
language plpgsql as $$
declare
  v_rows tid[] := '{}';
  v_mark bigint;
  v_new bigint;
  v_total bigint;
  v_parts bigint;
  v_alone boolean;
begin
  if p_limit <= 0 then return 0; end if;
  select x.mark into v_mark from oqron.rule x where x.queue_id = p_queue_id and x.place = p_place;
  v_mark := coalesce(v_mark, 0);
  if p_age is not null then
    v_rows := array(
      select d.ctid from oqron.done d
      where d.queue_id = p_queue_id and d.place = p_place and d.finished_at >= v_mark and d.finished_at <= p_now - p_age
      order by d.queue_id, d.place, d.finished_at, d.ord limit p_limit for update skip locked);
  end if;
  if p_count is not null and cardinality(v_rows) < p_limit then
    v_alone := pg_try_advisory_xact_lock(hashtext('oqron.done'), p_queue_id * 16 + p_place);
    select coalesce(sum(c.n) filter (where c.place = p_place), 0), count(*) into v_total, v_parts
    from oqron.count c where c.queue_id = p_queue_id;
    if v_parts > 200 and v_alone then perform oqron.fold_v1(p_queue_id); end if;
    v_total := least(v_total - p_count - case when v_alone then 0 else 10 * p_limit end, p_limit);
    if v_total > cardinality(v_rows) then
      v_rows := array(
        select d.ctid from oqron.done d
        where d.queue_id = p_queue_id and d.place = p_place and d.finished_at >= v_mark
        order by d.queue_id, d.place, d.finished_at, d.ord limit v_total for update skip locked);
      if v_alone then
        v_new := (select d.finished_at from oqron.done d where d.ctid = v_rows[cardinality(v_rows)]);
        -- Now and then is enough. Unless somebody set it back meanwhile.
        update oqron.rule x set mark = v_new
        where x.queue_id = p_queue_id and x.place = p_place and x.mark = v_mark and v_new > v_mark + 200;
      end if;
    end if;
  end if;
  if cardinality(v_rows) > 0 then perform oqron.forgotten_v1(p_queue_id, v_rows); end if;
  return cardinality(v_rows);
end $$;

-- Makes one row for each place out of many. Skips what another one folds.
create or replace function oqron.fold_v1(p_queue_id int) returns void
language sql as $$
  with gone as (
    delete from oqron.count where ctid = any (array(
      select c.ctid from oqron.count c where c.queue_id = p_queue_id limit 10000 for update skip locked))
    returning place, n
  )
  insert into oqron.count (queue_id, place, n)
  select p_queue_id, place, sum(n) from gone group by place having sum(n) <> 0
$$;

-- What is left of a job once its narrow row is gone. p_flags: all flags of these jobs.
create or replace function oqron.erased_v1(p_queue_id int, p_seqs bigint[], p_flags int, p_place int) returns void
language plpgsql as $$
begin
  if p_flags & 8 <> 0 then
    -- A throttled key remembers the job, but not what it carried. Who holds a key now decides by itself.
    update oqron.dedup set last_place = p_place where ctid = any (array(
      select x.ctid from oqron.dedup x where x.seq = any (p_seqs) and x.throttle for update skip locked));
    perform oqron.freed_v1(p_seqs);
  end if;
  delete from oqron.job where seq = any (p_seqs);
  if p_flags & 4 <> 0 then delete from oqron.history where seq = any (p_seqs); end if;
  if p_flags & 1 <> 0 then delete from oqron.link where child = any (p_seqs); end if;
  if p_flags & 128 <> 0 then delete from oqron.child where parent = any (p_seqs); end if;
end $$;

create or replace function oqron.forget_v1(p_queue_id int, p_seqs bigint[]) returns void
language sql as $$
  select oqron.forgotten_v1(p_queue_id, array(select d.ctid from oqron.done d where d.seq = any (p_seqs) for update))
$$;

-- p_rows: the rows of finished jobs, which the caller has locked.
create or replace function oqron.forgotten_v1(p_queue_id int, p_rows tid[]) returns void
language plpgsql as $$
declare
  v_seqs bigint[];
  v_flags int;
  v_place int;
begin
  with gone as (delete from oqron.done where ctid = any (p_rows) returning seq, place, flags),
  counted as (
    insert into oqron.count (queue_id, place, n)
    select p_queue_id, place, -count(*) from gone group by place)
  select array_agg(seq), coalesce(bit_or(flags), 0), max(place) into v_seqs, v_flags, v_place from gone;
  perform oqron.erased_v1(p_queue_id, v_seqs, v_flags, case when v_place > 9 then v_place - 3 else v_place end);
end $$;

create or replace function oqron.removed_v1(q oqron.queue, n oqron.narrow) returns void
language plpgsql as $$
declare
  v_from int := n.place;
begin
  if n.flags & 3 <> 0 then
    insert into oqron.outbox (space_id, seq, queue_id, how, id)
    select q.space_id, n.seq, n.queue_id, 0, j.id from oqron.job j where j.seq = n.seq;
    -- It waits for nobody any more: a parent that ends meanwhile must not end it again.
    update oqron.link set waits = false where child = n.seq and waits;
  end if;
  n.place := 0;
  perform oqron.moved_v1(v_from, n);
  -- Its links to parents stay until the outbox is drained: they say which parents may go now.
  perform oqron.erased_v1(q.id, array[n.seq], n.flags & ~1, v_from);
end $$;

-- The keys of jobs that ended are free, unless they are throttled. One whose newest job ended while the job before it
-- still runs goes back to that one. A key that somebody holds at this moment is left: whoever looks at it next sees that
-- its job has ended.
create or replace function oqron.freed_v1(p_seqs bigint[]) returns void
language plpgsql as $$
declare
  r record;
  b record;
begin
  for r in
    select x.ctid, x.queue_id, x.key, x.behind from oqron.dedup x
    where x.seq = any (p_seqs) and not x.throttle for update skip locked
  loop
    if r.behind is not null then
      select j.seq, j.id, j.created_at, w.run_at into b
      from oqron.job j cross join lateral oqron.place_v1(j.queue_id, j.seq) w
      where j.seq = r.behind and w.place < 7;
      if found then
        update oqron.dedup set seq = b.seq, behind = null, id = b.id, created_at = b.created_at, run_at = b.run_at
        where queue_id = r.queue_id and key = r.key;
        continue;
      end if;
    end if;
    delete from oqron.dedup where queue_id = r.queue_id and key = r.key;
  end loop;
end $$;

create or replace function oqron.ended_v1(
  q oqron.queue, p_seqs bigint[], p_place int, p_flags int, p_policy int, p_now bigint, p_limit int) returns int[]
language plpgsql as $$
declare
  r record;
  v_rule record;
  v_left int := p_limit;
  v_wakes int[] := '{}';
begin
  if p_flags & 8 <> 0 then perform oqron.freed_v1(p_seqs); end if;
  if p_flags & 3 <> 0 then
    insert into oqron.outbox (space_id, seq, queue_id, how, id)
    select q.space_id, d.seq, d.queue_id, p_place, j.id
    from oqron.done d cross join lateral (select z.id from oqron.job z where z.seq = d.seq offset 0) j
    where d.seq = any (p_seqs) and d.flags & 3 <> 0 order by d.ord;
    -- It waits for nobody any more: a parent that ends in the same transition must not end it again.
    update oqron.link set waits = false where child = any (p_seqs) and waits;
  end if;
  if p_place = 8 then v_wakes := oqron.dead_letters_v1(q, p_seqs, p_now); end if;
  if p_flags & 18 = 0 and p_policy is not null then
    v_rule := oqron.rule_v1(p_place, null, p_policy);
    perform oqron.retained_v1(q.id, p_seqs, p_place, v_rule.count, v_rule.age, v_rule.own, p_now, v_left);
    return v_wakes;
  end if;
  for r in
    select w.count, w.age, w.own, array_agg(d.seq order by d.ord) as seqs
    from oqron.done d
    cross join lateral (select z.keep from oqron.job z where z.seq = d.seq offset 0) j
    cross join lateral oqron.rule_v1(p_place, j.keep, d.policy) w
    -- By the number alone: the other index would visit all finished jobs of the queue.
    where d.seq = any (p_seqs) and d.place + 0 = p_place
    group by w.count, w.age, w.own order by max(d.ord)
  loop
    v_left := v_left - oqron.retained_v1(q.id, r.seqs, p_place, r.count, r.age, r.own, p_now, v_left);
  end loop;
  return v_wakes;
end $$;

-- Applies one rule to jobs that just ended and to the finished ones before them; answers how many of those went.
create or replace function oqron.retained_v1(
  p_queue_id int, p_seqs bigint[], p_place int, p_count bigint, p_age bigint, p_own boolean, p_now bigint, p_limit int)
  returns int
language plpgsql as $$
begin
  if p_count = 0 then
    perform oqron.forget_v1(p_queue_id, p_seqs);
    return 0;
  end if;
  -- A job's own rule is for now; what the definitions say goes on holding while the queue rests.
  if not p_own and not exists (
    select from oqron.rule x where x.queue_id = p_queue_id and x.place = p_place
      and x.count is not distinct from p_count and x.age is not distinct from p_age)
  then
    insert into oqron.rule (queue_id, place, count, age) values (p_queue_id, p_place, p_count, p_age)
    on conflict (queue_id, place) do update set count = excluded.count, age = excluded.age;
  end if;
  -- The clock stepped back.
  update oqron.rule x set mark = p_now where x.queue_id = p_queue_id and x.place = p_place and x.mark > p_now;
  return oqron.trim_v1(p_queue_id, p_place, p_count, p_age, p_now, p_limit);
end $$;

-- Marks those of the jobs that failed under a policy with dead letters, and adds the copies.
create or replace function oqron.dead_letters_v1(q oqron.queue, p_seqs bigint[], p_now bigint) returns int[]
language plpgsql as $$
declare
  r record;
  t oqron.queue;
  n oqron.narrow;
  v_wakes int[] := '{}';
begin
  for r in
    select d.seq, d.fence, d.error, p.dead_queue
    from oqron.done d
    cross join lateral (select z.dead, z.dead_queue from oqron.policy z where z.id = d.policy offset 0) p
    where d.seq = any (p_seqs) and p.dead order by d.ord
  loop
    update oqron.done set flags = flags | 64 where seq = r.seq;
    continue when r.dead_queue is null;
    t := oqron.beside_v1(q.space_id, r.dead_queue);
    -- The fence makes it one copy for each failure: an id may fail again in a later life.
    select z.* into n from oqron.job j
    cross join lateral oqron.created_v1(
      t, q.name || '/' || r.fence, j.name, j.meta, j.data, j.priority, null, null, p_now, 4, p_now) z
    where j.seq = r.seq;
    continue when n.seq is null;
    insert into oqron.history (seq, error, origin)
    select n.seq, r.error, q.name || E'\n' || j.id from oqron.job j where j.seq = r.seq;
    if oqron.placed_v1(t, n, p_now) = 1 then v_wakes := v_wakes || t.id; end if;
  end loop;
  return v_wakes;
end $$;

create or replace function oqron.finish_v1(
  q oqron.queue, p_seqs bigint[], p_place int, p_errors text[], p_reason text, p_now bigint,
  p_limit int default 100, p_result text default null) returns int[]
language plpgsql as $$
declare
  v_flags int;
  v_min int;
  v_max int;
begin
  with r as (
    delete from oqron.ready where seq = any (p_seqs)
    returning seq, 1 as place, run_at, fence, flags, attempt, stalled, policy, settled, started_at, null::text as owner
  ), p as (
    delete from oqron.parked where seq = any (p_seqs)
    returning seq, place, run_at, fence, flags, attempt, stalled, policy, settled, started_at, null::text
  ), l as (
    delete from oqron.lease where queue_id = q.id and seq = any (p_seqs)
    returning seq, 6, run_at, fence, flags, attempt, stalled, policy, settled, started_at, owner
  ), gone as (
    select * from r union all select * from p union all select * from l
  ), c as (
    insert into oqron.count (queue_id, place, n) select q.id, g.place, -count(*) from gone g group by g.place
  ), d as (
    insert into oqron.done (seq, finished_at, ord, run_at, fence, queue_id, flags, attempt, stalled, place, policy,
      settled, started_at, owner, result, error, reason)
    select g.seq, p_now, nextval('oqron.ord'), g.run_at, g.fence, q.id, g.flags, g.attempt, g.stalled,
      -- Kept until the outbox is drained: then it is known whether somebody still depends on it.
      case when g.flags & 2 <> 0 then p_place + 3 else p_place end,
      g.policy, g.settled, g.started_at, g.owner, p_result, p_errors[array_position(p_seqs, g.seq)], p_reason
    from (select * from gone order by array_position(p_seqs, seq)) g
    returning flags, policy, place
  ), e as (
    insert into oqron.count (queue_id, place, n) select q.id, place, count(*) from d group by place
  )
  select coalesce(bit_or(flags), 0), min(coalesce(policy, -1)), max(coalesce(policy, -1)) into v_flags, v_min, v_max from d;
  return oqron.ended_v1(
    q, p_seqs, p_place, v_flags, case when v_min = v_max then nullif(v_min, -1) end, p_now, p_limit);
end $$;
