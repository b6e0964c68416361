import { Injectable } from '@nestjs/common';
import { HealthIndicatorService, type HealthIndicatorResult } from '@nestjs/terminus';
import { OqronEngine } from '../../engine/oqron-engine.js';
import type { EngineHealth } from '../../engine/health.js';
import { InvalidOptionsError } from '../../kernel/errors/index.js';
import { parseDuration, type Duration } from '../../kernel/job/duration.js';
import type { QueueTarget } from '../oqron.tokens.js';

/** What any check takes. @publicApi */
export interface OqronCheckOptions {
  /** The check is down when the answer takes longer. @default 1_000 ms */
  readonly timeout?: Duration;
}

/** @publicApi */
export interface PingCheckOptions extends OqronCheckOptions {
  /** The check is degraded when a small read takes longer. @default never */
  readonly degraded?: Duration;
}

/** How long a job may wait for its turn. @publicApi */
export interface QueueLagOptions extends OqronCheckOptions {
  /** @default never */
  readonly degraded?: Duration;
  /** @default never */
  readonly down?: Duration;
  /** The key of the result. @default the name of the queue */
  readonly key?: string;
}

/** What one check found. */
interface Finding {
  readonly status: 'up' | 'degraded' | 'down';
  readonly data: Record<string, unknown>;
}

const TIMEOUT_MS = 1_000;

/**
 * Health of OqronKit for `@nestjs/terminus`, on the connections that are in use.
 *
 * @example
 * @Module({ imports: [TerminusModule], providers: [OqronHealthIndicator], controllers: [HealthController] })
 * export class HealthModule {}
 *
 * @Get('ready') @HealthCheck()
 * ready() {
 *   return this.health.check([
 *     () => this.oqron.pingCheck('oqron'),
 *     () => this.oqron.queueLag('mail', { degraded: '1m', down: '5m' }),
 *   ]);
 * }
 * @publicApi
 */
@Injectable()
export class OqronHealthIndicator {
  constructor(
    private readonly health: HealthIndicatorService,
    private readonly engine: OqronEngine,
  ) {}

  /**
   * For readiness. Down while the engine does not run, its store does not answer, or a background loop turns no more;
   * degraded while the store is slow. Tells the time of a round trip, the leader, and what is wrong with the server.
   */
  async pingCheck<const K extends string>(key: K, options: PingCheckOptions = {}): Promise<HealthIndicatorResult<K>> {
    const degraded = msOf('OqronHealthIndicator.pingCheck', options.degraded);
    return this.#check(key, 'OqronHealthIndicator.pingCheck', options, async () => {
      const health = this.engine.health();
      if (health.state !== 'started') return down(notStarted(health), healthData(health));
      const roundTripMs = Math.round((await this.engine.manager.ping()) * 10) / 10;
      const data = { roundTripMs, ...healthData(health) };
      if (health.stuck.length > 0) return down(health.stuck.join('; '), data);
      if (degraded !== undefined && roundTripMs > degraded) {
        return { status: 'degraded', data: { message: `the store takes ${roundTripMs} ms to answer`, ...data } };
      }
      return { status: 'up', data };
    });
  }

  /**
   * For liveness: down while a background loop of this process turns no more, so that only a new process helps. The
   * store is not asked: to restart workers because their server is away would help nobody.
   */
  async loopsCheck<const K extends string>(key: K, options: OqronCheckOptions = {}): Promise<HealthIndicatorResult<K>> {
    return this.#check(key, 'OqronHealthIndicator.loopsCheck', options, async () => {
      const { state, running, zombies, stuck } = this.engine.health();
      const data = { state, running, zombies };
      return stuck.length > 0 ? down(stuck.join('; '), data) : { status: 'up', data };
    });
  }

  /**
   * How long the job that waits longest could have been running: degraded and down above these. A queue that somebody
   * paused or disabled is shown as such, and not judged.
   *
   * @throws InvalidOptionsError for thresholds that are no durations
   */
  async queueLag(target: QueueTarget, options: QueueLagOptions): Promise<HealthIndicatorResult> {
    const where = 'OqronHealthIndicator.queueLag';
    const queue = typeof target === 'string' ? target : target.name;
    const limits = { down: msOf(where, options.down), degraded: msOf(where, options.degraded) };
    return this.#check(options.key ?? queue, where, options, async () => {
      const { paused, disabled, waiting, active, delayed, failed, lagMs } =
        await this.engine.manager.getQueueLag(queue);
      const data = { lagMs, waiting, active, delayed, failed, paused, disabled };
      if (paused || disabled) return { status: 'up', data };
      const message = `a job of queue "${queue}" has been waiting for ${lagMs} ms`;
      if (limits.down !== undefined && lagMs > limits.down) return down(message, data);
      if (limits.degraded !== undefined && lagMs > limits.degraded) {
        return { status: 'degraded', data: { message, ...data } };
      }
      return { status: 'up', data };
    });
  }

  async #check<const K extends string>(
    key: K,
    where: string,
    { timeout }: OqronCheckOptions,
    look: () => Promise<Finding>,
  ): Promise<HealthIndicatorResult<K>> {
    const session = this.health.check(key);
    let found: Finding | undefined;
    const attempted = await session
      .attempt(async () => {
        found = await look();
        return found.data;
      })
      .withTimeout(msOf(where, timeout) ?? TIMEOUT_MS);
    // Without a finding it threw, or took too long: the attempt says so.
    if (!found || found.status === 'up' || attempted[key]?.status === 'down') return attempted;
    const { responseTime } = attempted[key] as { readonly responseTime?: unknown };
    const data = { ...found.data, responseTime };
    return found.status === 'down' ? session.down(data) : session.degraded(data);
  }
}

function down(message: string, data: Record<string, unknown>): Finding {
  return { status: 'down', data: { message, ...data } };
}

function healthData({ state, backend, durability, running, zombies, signals, warnings, leader }: EngineHealth) {
  return { state, backend, durability, running, zombies, signals, warnings, ...(leader && { leader }) };
}

function notStarted({ state }: EngineHealth): string {
  return state === 'new' ? 'the engine has not been started' : `the engine is ${state}`;
}

function msOf(where: string, duration: Duration | undefined): number | undefined {
  const ms = duration === undefined ? undefined : parseDuration(duration);
  if (duration !== undefined && ms === undefined) {
    throw new InvalidOptionsError(where, [`expected ms or a text such as '30s', '5m', got ${String(duration)}`]);
  }
  return ms;
}
