import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Registry } from 'prom-client';
import { createPrometheusMetrics } from 'oqronkit/prometheus';
import { thrownBy } from '../support/until.js';
import { World } from '../support/world.js';
import { wrapBackend } from '../support/wrapped-backend.js';

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.end());

/** The samples of a text, by name and labels in the order of their names. */
function samples(text: string): Record<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return Object.fromEntries(
    lines.map((line) => {
      const [, name = '', labels = '', value = ''] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
      return [labels ? `${name}{${labels}}` : name, Number(value)];
    }),
  );
}

describe('createPrometheusMetrics', () => {
  it('tells outcomes, attempts, durations, waits and what stands in the queues', async () => {
    const engine = world.engine();
    const metrics = createPrometheusMetrics(engine);
    const queue = engine.queue<string>({
      name: 'q',
      concurrency: 1,
      retries: { max: 1, baseDelay: 10 },
      handler: async ({ data }) => {
        await world.clock.sleep('2s');
        if (data === 'fails') throw new Error('no');
      },
    });
    await queue.add('default', 'works');
    await queue.add('default', 'fails');
    await (await queue.add('default', 'is cancelled')).cancel();
    await queue.add('default', 'waits', { delay: '1h' });
    await engine.start();
    await world.clock.advance('1m');
    const found = samples(await metrics.text());
    expect(found).toMatchObject({
      'oqron_jobs_added_total{queue="q"}': 4,
      'oqron_jobs_total{queue="q",outcome="completed"}': 1,
      'oqron_jobs_total{queue="q",outcome="failed"}': 1,
      'oqron_jobs_total{queue="q",outcome="cancelled"}': 1,
      'oqron_job_duration_seconds_count{queue="q",outcome="retried"}': 1,
      'oqron_job_duration_seconds_sum{queue="q",outcome="completed"}': 2,
      'oqron_job_duration_seconds_bucket{le="1",queue="q",outcome="completed"}': 0,
      'oqron_job_duration_seconds_bucket{le="2.5",queue="q",outcome="completed"}': 1,
      'oqron_job_wait_seconds_sum{queue="q"}': 2,
      'oqron_job_attempts_count{queue="q"}': 2,
      'oqron_job_attempts_sum{queue="q"}': 3,
      'oqron_queue_depth{queue="q",state="delayed"}': 1,
      'oqron_queue_depth{queue="q",state="failed"}': 1,
      oqron_jobs_running: 0,
      oqron_zombies: 0,
      oqron_leader: 1,
    });
    expect(metrics.contentType).toContain('text/plain');
  });

  it('tells leases that were lost, and jobs that were found stalled', async () => {
    let cut = false;
    const backend = wrapBackend(world.backend, (_operation, _args, run) => {
      if (cut) throw new Error('cut off');
      return run();
    });
    const crashed = world.engine({}, { backend });
    const metrics = createPrometheusMetrics(crashed);
    const rescuer = world.engine();
    const rescue = createPrometheusMetrics(rescuer);
    crashed.queue<number>({ name: 'q', handler: () => world.never() });
    await crashed.start();
    await crashed.producer('q').add(1);
    await world.clock.advance('1s');
    cut = true;
    rescuer.queue<number>({ name: 'q', handler: () => undefined });
    await rescuer.start();
    await world.clock.advance('2m');
    cut = false;
    expect(samples(await metrics.text())['oqron_leases_lost_total{queue="q"}']).toBe(1);
    expect(samples(await rescue.text())).toMatchObject({
      'oqron_jobs_stalled_total{queue="q"}': 1,
      'oqron_jobs_total{queue="q",outcome="completed"}': 1,
    });
  });

  it('still answers while the store does not, without the depths', async () => {
    let down = false;
    const backend = wrapBackend(world.backend, (operation, _args, run) => {
      if (down && operation.startsWith('admin.')) throw new Error('down');
      return run();
    });
    const engine = world.engine({}, { backend });
    const metrics = createPrometheusMetrics(engine);
    await engine.producer('q').add(1);
    expect(samples(await metrics.text())).toHaveProperty(['oqron_queue_depth{queue="q",state="waiting"}'], 1);
    down = true;
    const found = samples(await metrics.text());
    expect(Object.keys(found).filter((name) => name.startsWith('oqron_queue_depth'))).toEqual([]);
    expect(found['oqron_jobs_added_total{queue="q"}']).toBe(1);
  });

  it('reads each queue once for scrapes that come together, and no more queues than it may', async () => {
    const counted: unknown[] = [];
    const backend = wrapBackend(world.backend, (operation, [queue], run) => {
      if (operation === 'admin.counts') counted.push(queue);
      return run();
    });
    const engine = world.engine({}, { backend });
    const metrics = createPrometheusMetrics(engine, { maxQueues: 2 });
    for (const name of ['a', 'b', 'c']) await engine.producer(name).add(1);
    await Promise.all([metrics.text(), metrics.text(), metrics.text()]);
    expect(counted.toSorted()).toEqual(['a', 'b']);
  });

  it('uses a register and a prefix of yours, and leaves nothing there when it is closed', async () => {
    const engine = world.engine();
    const register = new Registry();
    const metrics = createPrometheusMetrics(engine, { register, prefix: 'shop_jobs_' });
    await engine.producer('q').add(1);
    expect(metrics.register).toBe(register);
    expect(samples(await register.metrics())).toMatchObject({ 'shop_jobs_jobs_added_total{queue="q"}': 1 });
    metrics.close();
    expect(await register.metrics()).toBe('\n');
    createPrometheusMetrics(engine, { register, prefix: 'shop_jobs_' });
    expect(thrownBy(() => createPrometheusMetrics(engine, { prefix: '1-' }))).toMatchObject({
      code: 'INVALID_OPTIONS',
    });
  });
});
