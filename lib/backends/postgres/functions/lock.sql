-- The public lock: leases in rows, by the clock of the server. No lock of a session or a transaction outlives the call.

-- Takes a key, or holds it for longer. True where the owner has it now. A new key pays for the removal of some that have
-- ended, so rows that nobody uses any more do not pile up; it waits for nobody.
create or replace function oqron.lock_acquire_v1(p_key text, p_owner text, p_ttl bigint, p_now bigint) returns boolean
language plpgsql as $$
declare
  v_now bigint := oqron.now_v1(p_now);
  v_new boolean;
begin
  insert into oqron.lock as l (key, owner, until) values (p_key, p_owner, v_now + p_ttl)
  on conflict (key) do update set owner = excluded.owner, until = excluded.until
  where l.owner = excluded.owner or l.until <= v_now
  returning l.xmax = 0 into v_new;
  if not found then return false; end if;
  if v_new then
    delete from oqron.lock where key in (
      select key from oqron.lock where until <= v_now order by until limit 10 for update skip locked);
  end if;
  return true;
end $$;

-- Holds keys for longer. Answers those that the owner has. Rows in order of their keys: two calls never wait for each other.
create or replace function oqron.lock_renew_v1(p_keys text[], p_owner text, p_ttl bigint, p_now bigint) returns text[]
language plpgsql as $$
declare
  v_now bigint := oqron.now_v1(p_now);
  v_held text[];
begin
  select array_agg(key) into v_held from (
    select key from oqron.lock where key = any(p_keys) and owner = p_owner and until > v_now order by key for update) k;
  update oqron.lock set until = v_now + p_ttl where key = any(v_held);
  return coalesce(v_held, '{}');
end $$;

create or replace function oqron.lock_release_v1(p_key text, p_owner text) returns void
language sql volatile as $$
  delete from oqron.lock where key = p_key and owner = p_owner
$$;

create or replace function oqron.lock_owned_v1(p_key text, p_owner text, p_now bigint) returns boolean
language sql volatile as $$
  select exists (select from oqron.lock where key = p_key and owner = p_owner and until > oqron.now_v1(p_now))
$$;
