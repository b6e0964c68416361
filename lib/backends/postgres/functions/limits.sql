-- What a queue is held to over all processes: maxActive and rates.

-- How many of p_count leases may begin under the limits of a claim. Holds the queue's lock for limits.
create or replace function oqron.allowed_v1(
  q oqron.queue, p_count int, p_max_active int, p_rate_max bigint, p_span bigint, p_now bigint) returns int
language plpgsql as $$
declare
  v_allowed bigint := p_count;
  v_active bigint;
  v_cap int;
begin
  if p_span is not null then
    if not q.rated then update oqron.queue set rated = true where id = q.id; end if;
    insert into oqron.span (queue_id, span_ms) values (q.id, p_span)
    on conflict (queue_id, span_ms) do update set used = excluded.used;
    with gone as (
      delete from oqron.span s where s.queue_id = q.id and s.span_ms = any (array(
        select z.span_ms from oqron.span z where z.queue_id = q.id order by z.used desc offset 4))
      returning s.span_ms)
    delete from oqron.rate r where r.queue_id = q.id and r.span_ms = any (array(select span_ms from gone));
    delete from oqron.rate r where r.queue_id = q.id and r.span_ms = p_span and r.part_end + p_span <= p_now;
    v_allowed := least(v_allowed, p_rate_max - coalesce((
      select sum(r.n) from oqron.rate r where r.queue_id = q.id and r.span_ms = p_span), 0));
  end if;
  v_allowed := greatest(0, v_allowed);
  if p_max_active is not null then
    select coalesce(sum(c.n), 0) into v_active from oqron.count c where c.queue_id = q.id and c.place = 6;
    if v_active + v_allowed > p_max_active then
      v_cap := p_max_active;
      v_allowed := greatest(0, p_max_active - v_active);
    end if;
    update oqron.queue set cap = v_cap where id = q.id and cap is distinct from v_cap;
  end if;
  return v_allowed;
end $$;

-- Counts leases that began, whoever asked for them.
create or replace function oqron.began_v1(p_queue_id int, p_n int, p_now bigint) returns void
language sql as $$
  insert into oqron.rate as r (queue_id, span_ms, part_end, n)
  select p_queue_id, s.span_ms,
    greatest(
      (floor(p_now / (s.span_ms / 100.0::float8)) + 1) * (s.span_ms / 100.0::float8),
      (select max(z.part_end) from oqron.rate z where z.queue_id = p_queue_id and z.span_ms = s.span_ms)),
    p_n
  from oqron.span s where s.queue_id = p_queue_id order by s.span_ms
  on conflict (queue_id, span_ms, part_end) do update set n = r.n + excluded.n
$$;

-- Ms until at least one lease more is allowed; null when it is now.
create or replace function oqron.retry_after_v1(p_queue_id int, p_max bigint, p_span bigint, p_now bigint) returns bigint
language plpgsql as $$
declare
  v_sum bigint;
  r record;
begin
  select coalesce(sum(z.n), 0) into v_sum from oqron.rate z
  where z.queue_id = p_queue_id and z.span_ms = p_span and z.part_end + p_span > p_now;
  if v_sum < p_max then return null; end if;
  for r in
    select * from oqron.rate z where z.queue_id = p_queue_id and z.span_ms = p_span and z.part_end + p_span > p_now
    order by z.part_end
  loop
    v_sum := v_sum - r.n;
    if v_sum < p_max then return greatest(1, ceil(r.part_end + p_span - p_now)); end if;
  end loop;
  return p_span;
end $$;
