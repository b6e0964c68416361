-- Leader election: one row holds the last term of each name, judged by the clock of the server.

-- Asks to lead, or renews the term. Answers { epoch } to the leader, { owner, leaseMs } to everybody else, who only reads.
create or replace function oqron.leader_campaign_v1(
  p_project text, p_environment text, p_name text, p_owner text, p_ttl bigint, p_now bigint) returns json
language plpgsql as $$
declare
  v_now bigint;
  v_epoch bigint;
  t oqron.leader;
begin
  for v_try in 1..5 loop
    v_now := oqron.now_v1(p_now);
    select * into t from oqron.leader
    where project = p_project and environment = p_environment and name = p_name;
    if found and t.until > v_now and t.owner <> p_owner then
      return json_build_object('owner', t.owner, 'leaseMs', t.until - v_now);
    end if;
    insert into oqron.leader as l (project, environment, name, owner, epoch, until)
    values (p_project, p_environment, p_name, p_owner, greatest(1, v_now * 1000), v_now + p_ttl)
    on conflict (project, environment, name) do update set owner = excluded.owner, until = excluded.until,
      epoch = case when l.until > v_now then l.epoch else greatest(l.epoch + 1, excluded.epoch) end
    where l.until <= v_now or l.owner = p_owner
    returning l.epoch into v_epoch;
    if found then return json_build_object('epoch', v_epoch); end if;
    -- Somebody was faster: now there is a leader to read of.
  end loop;
  raise exception 'the election "%" changes too fast', p_name using errcode = '40001';
end $$;

-- Ends a term. False, and nothing is changed, unless it is that owner's, in that epoch.
create or replace function oqron.leader_resign_v1(
  p_project text, p_environment text, p_name text, p_owner text, p_epoch bigint, p_now bigint) returns boolean
language plpgsql as $$
begin
  update oqron.leader set until = 0
  where project = p_project and environment = p_environment and name = p_name
    and owner = p_owner and epoch = p_epoch and until > oqron.now_v1(p_now);
  return found;
end $$;

-- Who leads: { owner, epoch, leaseMs }, or null.
create or replace function oqron.leader_current_v1(
  p_project text, p_environment text, p_name text, p_now bigint) returns json
language sql volatile as $$
  select json_build_object('owner', owner, 'epoch', epoch, 'leaseMs', until - n.now)
  from oqron.leader, oqron.now_v1(p_now) n (now)
  where project = p_project and environment = p_environment and name = p_name and until > n.now
$$;
