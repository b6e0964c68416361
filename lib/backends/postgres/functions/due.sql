-- What becomes due by itself: expired leases, delayed jobs, and held ones whose queue is enabled again.

-- Takes back at most p_limit expired leases. `swept`: [[id, fence, owner, failed, stalledCount, error], ...]; `links`:
-- some have links, and the outbox has news.
create or replace function oqron.reaped_v1(
  q oqron.queue, p_now bigint, p_limit int, p_timeline int, out swept jsonb, out wakes int[], out links boolean)
language plpgsql as $$
declare
  v_seqs bigint[];
  l record;
  p record;
  n oqron.narrow;
  v_error text;
  v_delay bigint;
begin
  swept := '[]';
  wakes := '{}';
  links := false;
  v_seqs := array(
    select z.seq from oqron.lease z where z.queue_id = q.id and z.until <= p_now order by z.until, z.fence limit p_limit);
  if cardinality(v_seqs) = 0 then return; end if;
  for l in
    select * from oqron.lease z where z.queue_id = q.id and z.seq = any (v_seqs) and z.until <= p_now
    order by z.until, z.fence for update skip locked
  loop
    select * into p from oqron.policy x where x.id = l.policy;
    v_error := null;
    if not p.guaranteed then
      v_error := 'k' || l.owner;
    else
      l.attempt := l.attempt - 1;
      l.stalled := l.stalled + 1;
      l.flags := l.flags | 4;
      perform oqron.noted_v1(array[l.seq], array['s' || p_now || '::' || l.owner], p_timeline);
      if l.stalled > p.max_stalled then v_error := 's' || l.stalled || ':' || p.max_stalled; end if;
    end if;
    if v_error is not null then
      update oqron.lease set attempt = l.attempt, stalled = l.stalled, flags = l.flags
      where queue_id = q.id and seq = l.seq;
      wakes := wakes || oqron.finish_v1(q, array[l.seq], 8, array[v_error], null, p_now);
    else
      if l.stalled >= p.max_stalled then l.flags := l.flags | 32; end if;
      n := (l.seq, l.queue_id, 6, 0, l.ord, l.run_at, l.fence, l.size, l.flags, l.attempt, l.stalled, l.policy,
        l.settled, l.started_at, l.unknown_since, null, null, null);
      v_delay := case when l.stalled < 2 then 0
        else least(p.stall_delay * 2::numeric ^ least(l.stalled - 2, 52), p.stall_max) end;
      if oqron.later_v1(q, n, v_delay, p_now, l.stalled > 1) = 1 then wakes := wakes || q.id; end if;
    end if;
    links := links or l.flags & 3 <> 0;
    swept := swept || jsonb_build_array(jsonb_build_array(
      l.id, l.fence, l.owner, v_error is not null, l.stalled, v_error));
  end loop;
end $$;

-- Lets go of at most p_limit held jobs, oldest first; answers wakes.
create or replace function oqron.unheld_v1(q oqron.queue, p_now bigint, p_limit int, p_timeline int) returns int[]
language plpgsql as $$
declare
  v_seqs bigint[];
  r oqron.parked;
  n oqron.narrow;
  v_wakes int[] := '{}';
begin
  v_seqs := array(
    select x.seq from oqron.parked x where x.queue_id = q.id and x.place = 5
    order by x.queue_id, x.place, x.k1, x.ord limit p_limit for update skip locked);
  if cardinality(v_seqs) = 0 then return v_wakes; end if;
  perform oqron.noted_v1(v_seqs, array_fill('h' || p_now || '::until the queue was enabled',
    array[cardinality(v_seqs)]), p_timeline);
  for i in 1..cardinality(v_seqs) loop
    n := oqron.locked_v1(q.id, v_seqs[i]);
    n.flags := n.flags | 4;
    if oqron.admit_v1(q, n, p_now) = 1 then v_wakes := v_wakes || q.id; end if;
  end loop;
  return v_wakes;
end $$;

-- Due jobs become ready; answers how many.
create or replace function oqron.promoted_v1(q oqron.queue, p_now bigint, p_limit int) returns int
language plpgsql as $$
declare
  v_seqs bigint[];
  v_n int;
begin
  v_seqs := array(
    select x.seq from oqron.parked x where x.queue_id = q.id and x.place = 3 and x.k1 <= p_now
    order by x.queue_id, x.place, x.k1, x.ord limit p_limit for update skip locked);
  if cardinality(v_seqs) = 0 then return 0; end if;
  with gone as (delete from oqron.parked where seq = any (v_seqs) returning *),
  turned as (
    select nextval('oqron.ord') as turn, g.* from (select * from gone order by k1, ord) g
  ), r as (
    insert into oqron.ready (ord, seq, run_at, fence, queue_id, rank, size, flags, attempt, stalled, policy, settled,
      started_at, unknown_since)
    select turn, seq, run_at, fence, q.id,
      case when q.strategy = 2 then (select j.priority from oqron.job j where j.seq = t.seq) else 0 end, size, flags,
      attempt, stalled, policy, settled, started_at, unknown_since
    from turned t where flags & 32 = 0 returning 1
  ), s as (
    insert into oqron.parked (seq, ord, run_at, k1, fence, queue_id, size, flags, attempt, stalled, place, policy,
      settled, started_at, unknown_since)
    select seq, turn, run_at,
      case when q.strategy = 2 then (select j.priority from oqron.job j where j.seq = t.seq) else 0 end, fence, q.id,
      size, flags, attempt, stalled, 2, policy, settled, started_at, unknown_since
    from turned t where flags & 32 <> 0 returning 1
  ), c as (
    insert into oqron.count (queue_id, place, n)
    select q.id, x.place, x.n
    from (select 1 as place, (select count(*) from r) as n union all select 2, (select count(*) from s)
      union all select 3, -cardinality(v_seqs)) x
    where x.n <> 0
  )
  select count(*) into v_n from gone;
  return v_n;
end $$;
