-- The channel on which all processes of a project and environment hear.
-- Payloads: see notifications.ts. At most ~7 KiB; longer messages go through oqron.message by id.
create or replace function oqron.channel_v1(p_project text, p_environment text) returns text
language sql stable parallel safe as $$
  select 'oqron_' || left(encode(sha256(convert_to(
    json_build_array('{{schema}}', '{{prefix}}', p_project, p_environment)::text, 'UTF8')), 'hex'), 40)
$$;

-- Sends a message to one process, or to all when p_to is null. Locks nothing; it leaves with the transaction.
create or replace function oqron.tell_v1(p_channel text, p_to text, p_message text) returns void
language plpgsql as $$
declare
  v_payload text := 'm' || json_build_object('to', p_to, 'message', p_message::json)::text;
  v_id bigint;
begin
  if octet_length(v_payload) > 7000 then
    insert into oqron.message (body) values (p_message) returning id into v_id;
    v_payload := 'b' || json_build_object('to', p_to, 'id', v_id)::text;
    delete from oqron.message where id in (
      select id from oqron.message where at < clock_timestamp() - interval '1 minute' limit 100
      for update skip locked);
  end if;
  perform pg_notify(p_channel, v_payload);
end $$;

-- A process that does not listen any more: no wake-up shall be spent on it.
create or replace function oqron.deaf_v1(p_project text, p_environment text, p_process text) returns void
language sql volatile as $$
  delete from oqron.idle i using oqron.queue q, oqron.space s
  where i.process = p_process and q.id = i.queue_id and s.id = q.space_id
    and s.project = p_project and s.environment = p_environment
$$;

-- A process that listens holds a lock of its name, shared, in the session that listens: it ends with the process, however
-- that ends. (No statement of the store counts on sessions; that one has to have one of its own anyway.)
create or replace function oqron.hears_v1(p_project text, p_environment text, p_process text) returns void
language sql volatile as $$
  select pg_advisory_lock_shared(hashtext('oqron.process'),
    hashtext(p_project || chr(10) || p_environment || chr(10) || p_process))
$$;

create or replace function oqron.hears_no_more_v1(p_project text, p_environment text, p_process text) returns void
language sql volatile as $$
  select pg_advisory_unlock_shared(hashtext('oqron.process'),
    hashtext(p_project || chr(10) || p_environment || chr(10) || p_process))
$$;

-- Nobody holds that lock. Waits for nobody.
create or replace function oqron.gone_v1(p_project text, p_environment text, p_process text) returns boolean
language sql volatile as $$
  select pg_try_advisory_xact_lock(hashtext('oqron.process'),
    hashtext(p_project || chr(10) || p_environment || chr(10) || p_process))
$$;
