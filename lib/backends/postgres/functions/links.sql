-- Dependencies. Everything here runs under the lock of the space's links (link_lock_v1), but tie_later_v1.

-- A job that was run again because it had not completed is meant by its last run. Runs only point forward, so the walk
-- ends. `o_seq` is null where there is no such job.
create or replace function oqron.last_run_v1(
  p_queue_id int, p_id text, out o_seq bigint, out o_id text)
language plpgsql stable as $$
declare
  r record;
  v_id text := p_id;
begin
  o_id := p_id;
  loop
    select j.seq, j.id, h.retried_by,
      exists (select from oqron.done d where d.seq = j.seq and d.place in (7, 10)) as completed into r
    from oqron.job j left join lateral (select z.retried_by from oqron.history z where z.seq = j.seq offset 0) h on true
    where j.queue_id = p_queue_id and j.id = v_id;
    exit when not found;
    o_seq := r.seq;
    o_id := r.id;
    exit when r.completed or r.retried_by is null;
    v_id := r.retried_by;
  end loop;
end $$;

-- Writes down the parents of a new job. p_refs: [[queue, id], ...]
create or replace function oqron.tie_v1(q oqron.queue, p_child bigint, p_refs jsonb, p_policy int) returns void
language plpgsql as $$
begin
  insert into oqron.link (child, n, parent, queue_id, id, policy, waits, bound)
  select p_child, r.i, coalesce(w.o_seq, 0), t.id, w.o_id, p_policy, true, true
  from jsonb_array_elements(p_refs) with ordinality r (ref, i)
  cross join lateral oqron.beside_v1(q.space_id, r.ref ->> 0) t
  cross join lateral oqron.last_run_v1(t.id, r.ref ->> 1) w;
  update oqron.queue set linked = true
  where id = any (array(select k.queue_id from oqron.link k where k.child = p_child) || q.id) and not linked;
end $$;

-- Records a child on its parent, whose row is locked; the first thousand are kept.
create or replace function oqron.child_v1(n oqron.narrow, p_queue_id int, p_id text) returns void
language plpgsql as $$
begin
  if n.flags & 128 <> 0
    and (select count(*) from (select from oqron.child c where c.parent = n.seq limit 1000) x) = 1000
  then return; end if;
  insert into oqron.child (parent, queue_id, id) values (n.seq, p_queue_id, p_id) on conflict do nothing;
  perform oqron.flag_v1(n, 128);
end $$;

-- Makes a child and its parents known to each other. Answers the error with which the child must fail at once, if it must.
create or replace function oqron.bind_v1(q oqron.queue, p_child bigint, p_id text) returns text
language plpgsql as $$
declare
  k record;
  n oqron.narrow;
  v_final boolean;
  v_error text;
begin
  for k in select * from oqron.link where child = p_child and waits order by n loop
    n := oqron.locked_v1(k.queue_id, k.parent);
    v_final := n.seq is null or n.place > 6;
    if n.seq is not null then
      if n.place between 7 and 9 then
        update oqron.done set place = place + 3 where seq = n.seq;
        perform oqron.counted_v1(n.queue_id, n.place, -1), oqron.counted_v1(n.queue_id, n.place + 3, 1);
      end if;
      perform oqron.flag_v1(n, 2);
      n.flags := n.flags | 2;
      if not k.hidden then perform oqron.child_v1(n, q.id, p_id); end if;
    end if;
    if n.place in (7, 10) or (v_final and k.policy = 2) then
      update oqron.link x set waits = false where x.child = k.child and x.n = k.n;
    elsif v_final and k.policy = 1 then
      v_error := coalesce(v_error, oqron.parent_error_v1(n.place, k.queue_id, k.id));
    end if;
  end loop;
  return v_error;
end $$;

-- See openError in decode.ts.
create or replace function oqron.parent_error_v1(p_place int, p_queue_id int, p_id text) returns text
language sql stable as $$
  select 'p' || case p_place when 8 then 'f' when 11 then 'f' when 9 then 'x' when 12 then 'x' when 7 then 'c'
    when 10 then 'c' else 'r' end || q.name || E'\n' || p_id
  from oqron.queue q where q.id = p_queue_id
$$;

-- Lets n wait until the job p_after of its queue, which is locked and runs, has ended in any way.
create or replace function oqron.follow_v1(q oqron.queue, n oqron.narrow, p_after oqron.narrow, p_after_id text) returns void
language plpgsql as $$
begin
  insert into oqron.link (child, n, parent, queue_id, id, policy, waits, bound, hidden)
  values (n.seq, 0, p_after.seq, q.id, p_after_id, 2, true, true, true);
  perform oqron.flag_v1(p_after, 2);
  update oqron.queue set linked = true where id = q.id and not linked;
end $$;

-- Nobody depends on a finished job any more: retention applies.
create or replace function oqron.let_go_v1(p_seq bigint, p_now bigint) returns void
language plpgsql as $$
declare
  d record;
  w record;
begin
  if exists (select from oqron.link where parent = p_seq and bound) then return; end if;
  update oqron.done set place = place - 3 where seq = p_seq and place > 9 returning * into d;
  if not found then return; end if;
  perform oqron.counted_v1(d.queue_id, d.place + 3, -1), oqron.counted_v1(d.queue_id, d.place, 1);
  update oqron.rule x set mark = d.finished_at
  where x.queue_id = d.queue_id and x.place = d.place and x.mark > d.finished_at;
  w := oqron.rule_v1(d.place, (select j.keep from oqron.job j where j.seq = p_seq), d.policy);
  perform oqron.retained_v1(d.queue_id, array[p_seq], d.place, w.count, w.age, w.own, p_now, 100);
end $$;

-- Tells everybody whom ended jobs concern, and links the children that users' transactions added: at most p_limit
-- entries of the outbox, those that it makes itself included. A cascade of any depth is a loop, not a recursion.
create or replace function oqron.drain_v1(
  p_space int, p_now bigint, p_limit int, out cascaded jsonb, out wakes int[], out o_more boolean)
language plpgsql as $$
declare
  e record;
  k record;
  q oqron.queue;
  n oqron.narrow;
  v_error text;
  v_id text;
  v_parents bigint[];
  v_from bigint := 0;
begin
  cascaded := '[]';
  wakes := '{}';
  for i in 1..p_limit loop
    delete from oqron.outbox where space_id = p_space and ord = (
      select o.ord from oqron.outbox o where o.space_id = p_space and o.ord > v_from
      order by o.space_id, o.ord limit 1)
    returning * into e;
    exit when not found;
    -- What is made on the way has later numbers; before it stand only entries that were removed.
    v_from := e.ord;
    if e.how = 1 then
      wakes := wakes || oqron.joined_v1(e.queue_id, e.seq, e.id, p_now);
      continue;
    end if;
    -- It needs its parents no more: they may be purged.
    with gone as (
      update oqron.link set waits = false, bound = false where child = e.seq and bound returning parent
    )
    select array_agg(distinct parent) into v_parents from gone;
    if e.how = 0 then delete from oqron.link where child = e.seq; end if;
    if v_parents is not null then
      perform oqron.let_go_v1(p, p_now) from unnest(v_parents) p;
    end if;
    for k in
      select l.* from oqron.link l where l.parent = e.seq and l.bound order by l.child, l.n
    loop
      if k.hidden then
        update oqron.link x set bound = false where x.child = k.child and x.n = k.n;
      end if;
      continue when not k.waits or not exists (select from oqron.link l where l.child = k.child and l.n = k.n and l.waits);
      if e.how = 7 or k.policy = 2 then
        update oqron.link x set waits = false where x.child = k.child and x.n = k.n;
        select j.queue_id into n.queue_id from oqron.job j where j.seq = k.child;
        n := oqron.locked_v1(n.queue_id, k.child);
        if n.place = 4 and not exists (select from oqron.link l where l.child = k.child and l.waits) then
          select * into q from oqron.queue x where x.id = n.queue_id;
          if oqron.admit_v1(q, n, p_now) = 1 then wakes := wakes || q.id; end if;
        end if;
      elsif k.policy = 1 then
        select j.queue_id, j.id into n.queue_id, v_id from oqron.job j where j.seq = k.child;
        n := oqron.locked_v1(n.queue_id, k.child);
        continue when n.seq is null or n.place > 6;
        select * into q from oqron.queue x where x.id = n.queue_id;
        v_error := oqron.parent_error_v1(e.how, e.queue_id, e.id);
        if jsonb_array_length(cascaded) < 1000 then
          cascaded := cascaded || jsonb_build_array(jsonb_build_array(
            q.name, v_id, (select j.name from oqron.job j where j.seq = k.child), v_error));
        end if;
        wakes := wakes || oqron.finish_v1(q, array[k.child], 8, array[v_error], null, p_now);
      end if;
    end loop;
    if e.how > 1 then perform oqron.let_go_v1(e.seq, p_now); end if;
  end loop;
  o_more := exists (select from oqron.outbox o where o.space_id = p_space);
end $$;

-- A child that a user's transaction added, after its commit: it meets its parents as they are now.
create or replace function oqron.joined_v1(p_queue_id int, p_seq bigint, p_id text, p_now bigint) returns int[]
language plpgsql as $$
declare
  q oqron.queue;
  n oqron.narrow;
  v_error text;
begin
  n := oqron.locked_v1(p_queue_id, p_seq);
  if n.seq is null or n.place > 6 then return '{}'; end if;
  select * into q from oqron.queue where id = p_queue_id;
  v_error := oqron.bind_v1(q, p_seq, p_id);
  if v_error is not null then return oqron.finish_v1(q, array[p_seq], 8, array[v_error], null, p_now); end if;
  if n.place = 4 and not exists (select from oqron.link where child = p_seq and waits) then
    if oqron.admit_v1(q, n, p_now) = 1 then return array[q.id]; end if;
  end if;
  return '{}';
end $$;

-- What a call could not carry itself, because somebody else had the lock of the links.
create or replace function oqron.drained_v1(p_project text, p_environment text, p_now bigint, p_limit int) returns text
language plpgsql set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_bitmapscan = off
  set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
declare
  v_now bigint := oqron.now_v1(p_now);
  v_space int := (select s.id from oqron.space s where s.project = p_project and s.environment = p_environment);
  r record;
begin
  if v_space is null then return '[[],false]'; end if;
  perform oqron.link_lock_v1(v_space);
  r := oqron.drain_v1(v_space, v_now, p_limit);
  perform oqron.wake_v1(v_space, r.wakes, v_now);
  return json_build_array(r.cascaded, r.o_more)::text;
end $$;
