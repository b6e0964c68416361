import { describe, expect, it } from '@jest/globals';
import { Lifecycle } from '../../../lib/kernel/runtime/lifecycle.js';
import { failureOf, gate } from '../../support/until.js';

/** A lifecycle whose steps are recorded; `failing` start attempts throw. */
function recorded(failing = 0) {
  const steps: string[] = [];
  let left = failing;
  const lifecycle = new Lifecycle(
    async () => {
      steps.push('start');
      await Promise.resolve();
      if (left > 0) {
        left -= 1;
        throw new Error('no server');
      }
      steps.push('started');
    },
    async () => {
      steps.push('stop');
      await Promise.resolve();
      steps.push('stopped');
    },
  );
  return { lifecycle, steps };
}

describe('Lifecycle', () => {
  it('starts and stops once, however often it is asked', async () => {
    const { lifecycle, steps } = recorded();
    await lifecycle.start();
    await lifecycle.start();
    expect(lifecycle.started).toBe(true);
    await lifecycle.stop();
    await lifecycle.stop();
    expect(lifecycle.started).toBe(false);
    expect(steps).toEqual(['start', 'started', 'stop', 'stopped']);
  });

  it('does nothing when it is stopped before it was started', async () => {
    const { lifecycle, steps } = recorded();
    await lifecycle.stop();
    expect(steps).toEqual([]);
  });

  it('takes concurrent calls one after another', async () => {
    const { lifecycle, steps } = recorded();
    await Promise.all([lifecycle.start(), lifecycle.stop(), lifecycle.start(), lifecycle.start(), lifecycle.stop()]);
    expect(steps).toEqual(['start', 'started', 'stop', 'stopped', 'start', 'started', 'stop', 'stopped']);
    expect(lifecycle.started).toBe(false);
  });

  it('rolls back a start that fails, tells its error, and can be started again', async () => {
    const { lifecycle, steps } = recorded(1);
    await expect(lifecycle.start()).rejects.toThrow('no server');
    expect(lifecycle.started).toBe(false);
    expect(steps).toEqual(['start', 'stop', 'stopped']);
    await lifecycle.start();
    expect(lifecycle.started).toBe(true);
  });

  it('lets a call that waited behind a failed start go ahead', async () => {
    const { lifecycle } = recorded(1);
    const [first, second] = await Promise.allSettled([lifecycle.start(), lifecycle.start()]);
    expect([first.status, second.status]).toEqual(['rejected', 'fulfilled']);
    expect(lifecycle.started).toBe(true);
  });

  it('tells why the start failed, not what went wrong while it was rolled back', async () => {
    const lifecycle = new Lifecycle(
      () => Promise.reject(new Error('no server')),
      () => Promise.reject(new Error('nothing to close')),
    );
    expect((await failureOf(lifecycle.start())).message).toBe('no server');
  });

  it('counts as stopped after a stop that failed, so that it can be started again', async () => {
    let broken = true;
    const lifecycle = new Lifecycle(
      () => Promise.resolve(),
      () => (broken ? Promise.reject(new Error('stuck')) : Promise.resolve()),
    );
    await lifecycle.start();
    await expect(lifecycle.stop()).rejects.toThrow('stuck');
    expect(lifecycle.started).toBe(false);
    broken = false;
    await lifecycle.start();
    expect(lifecycle.started).toBe(true);
  });

  it('is started only when the start is over', async () => {
    const ready = gate();
    const lifecycle = new Lifecycle(
      () => ready.opened,
      () => Promise.resolve(),
    );
    const starting = lifecycle.start();
    await Promise.resolve();
    expect(lifecycle.started).toBe(false);
    ready.open();
    await starting;
    expect(lifecycle.started).toBe(true);
  });
});
