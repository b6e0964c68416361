-- What people may query with SQL: documented in docs/postgresql.md, and kept when the tables change. Times are timestamptz.

create view oqron.jobs as
select s.project, s.environment, q.name as queue, j.id, j.name, n.status, j.priority, n.attempt,
  n.stalled as stalled_count, n.owner,
  to_timestamp(j.created_at / 1000.0) as created_at,
  to_timestamp(n.run_at / 1000.0) as run_at,
  to_timestamp(n.started_at / 1000.0) as started_at,
  to_timestamp(n.finished_at / 1000.0) as finished_at,
  to_timestamp(n.until / 1000.0) as lease_until,
  j.data, n.result, j.meta::json as meta, e.name as error_name, e.code as error_code, e.message as error_message,
  e.stack as error_stack, n.reason, h.progress::json as progress, n.flags & 64 <> 0 as dead_letter,
  h.retried_from, h.retried_by
from oqron.space s
join oqron.queue q on q.space_id = s.id
join oqron.job j on j.queue_id = q.id
join (
  -- Branches without conditions of their own: only those let a query for one job use the index of each table.
  select r.queue_id, r.seq, 'waiting'::text as status, r.run_at, r.attempt, r.stalled, r.flags, r.started_at,
    null::text collate "C" as owner, null::bigint as until, null::bigint as finished_at, null::text as result,
    null::text as error, null::text as reason
  from oqron.ready r
  union all
  select p.queue_id, p.seq,
    case p.place when 2 then 'waiting' when 3 then 'delayed' when 4 then 'waiting-children' else 'paused' end,
    p.run_at, p.attempt, p.stalled, p.flags, p.started_at, null::text collate "C", null::bigint, null::bigint,
    null::text, null::text, null::text
  from oqron.parked p
  union all
  select l.queue_id, l.seq, 'active'::text, l.run_at, l.attempt, l.stalled, l.flags, l.started_at, l.owner, l.until,
    null::bigint, null::text, null::text, null::text
  from oqron.lease l
  union all
  select d.queue_id, d.seq,
    case when d.place in (7, 10) then 'completed' when d.place in (8, 11) then 'failed' else 'cancelled' end,
    d.run_at, d.attempt, d.stalled, d.flags, d.started_at, d.owner, null::bigint, d.finished_at, d.result, d.error,
    d.reason
  from oqron.done d
) n on n.queue_id = j.queue_id and n.seq = j.seq
left join oqron.history h on h.seq = j.seq
left join lateral (
  -- An error is JSON, or a letter and what it is about where the store itself ended the job.
  select
    case left(t.text, 1) when '{' then t.text::json ->> 'name' when 'p' then 'ParentFailedError' else 'StalledError' end
      as name,
    case left(t.text, 1) when '{' then t.text::json ->> 'code' when 'p' then 'PARENT_FAILED' when 'k' then 'CRASHED'
      else 'STALLED_TOO_OFTEN' end as code,
    case left(t.text, 1) when '{' then t.text::json ->> 'message'
      when 'p' then format('its parent, job "%s" of queue "%s", %s', split_part(t.text, e'\n', 2),
        substr(split_part(t.text, e'\n', 1), 3),
        case substr(t.text, 2, 1) when 'f' then 'failed' when 'x' then 'was cancelled' else 'was removed' end)
      when 'k' then format('the lease of "%s" expired while the job ran', substr(t.text, 2))
      else format('its process died or froze %s times while the job ran', split_part(substr(t.text, 2), ':', 1)) end
      as message,
    case left(t.text, 1) when '{' then t.text::json ->> 'stack' end as stack
  from (select case when n.status = 'completed' then null else coalesce(n.error, h.error) end as text) t
  where t.text is not null
) e on true;

create view oqron.queues as
select s.project, s.environment, q.name as queue,
  case q.strategy when 1 then 'lifo' when 2 then 'priority' else 'fifo' end as strategy,
  q.paused, q.disabled, q.version, c.waiting, c.delayed, c.waiting_children, c.held, c.active, c.completed, c.failed,
  c.cancelled
from oqron.space s
join oqron.queue q on q.space_id = s.id
cross join lateral (
  select
    coalesce(sum(c.n) filter (where c.place in (1, 2)), 0) as waiting,
    coalesce(sum(c.n) filter (where c.place = 3), 0) as delayed,
    coalesce(sum(c.n) filter (where c.place = 4), 0) as waiting_children,
    coalesce(sum(c.n) filter (where c.place = 5), 0) as held,
    coalesce(sum(c.n) filter (where c.place = 6), 0) as active,
    coalesce(sum(c.n) filter (where c.place in (7, 10)), 0) as completed,
    coalesce(sum(c.n) filter (where c.place in (8, 11)), 0) as failed,
    coalesce(sum(c.n) filter (where c.place in (9, 12)), 0) as cancelled
  from oqron.count c where c.queue_id = q.id
) c
where q.recorded;

create view oqron.job_history as
select j.project, j.environment, j.queue, j.id, t.at, t.event, t.attempt, t.detail
from (
  select s.project, s.environment, q.name as queue, j.id, j.seq, j.queue_id, j.created_at
  from oqron.space s join oqron.queue q on q.space_id = s.id join oqron.job j on j.queue_id = q.id
) j
cross join lateral (
  select to_timestamp(j.created_at / 1000.0) as at, 'added' as event, null::int as attempt, null::text as detail
  union all
  select to_timestamp(substring(x.line from '^.(\d+)')::bigint / 1000.0),
    case left(x.line, 1) when 'f' then 'attempt-failed' when 's' then 'stalled' when 'r' then 'released'
      when 'p' then 'promoted' when 'd' then 'rescheduled' when 'u' then 'updated' else 'held' end,
    substring(x.line from '^.\d+:(\d+):')::int, substring(x.line from '^.\d+:\d*:(.+)$')
  from oqron.history h cross join lateral unnest(h.timeline) x (line) where h.seq = j.seq
  union all
  select to_timestamp(l.started_at / 1000.0), 'started', l.attempt, l.owner from oqron.lease l
  where l.queue_id = j.queue_id and l.seq = j.seq
  union all
  select to_timestamp(d.started_at / 1000.0), 'started', d.attempt, d.owner from oqron.done d
  where d.seq = j.seq and d.started_at is not null
  union all
  select to_timestamp(d.finished_at / 1000.0),
    case when d.place in (7, 10) then 'completed' when d.place in (8, 11) then 'failed' else 'cancelled' end,
    null, d.reason from oqron.done d where d.seq = j.seq
) t;

create view oqron.job_logs as
select s.project, s.environment, q.name as queue, j.id, to_timestamp((x.line ->> 'at')::float8 / 1000.0) as at,
  x.line ->> 'level' as level, x.line ->> 'message' as message, x.line -> 'meta' as meta
from oqron.space s
join oqron.queue q on q.space_id = s.id
join oqron.job j on j.queue_id = q.id
join oqron.history h on h.seq = j.seq
cross join lateral (select y.line::json as line from unnest(h.logs) y (line)) x;
