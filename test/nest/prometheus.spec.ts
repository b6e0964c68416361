import { Injectable, Module, type CanActivate, type ExecutionContext, type INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Registry } from 'prom-client';
import { defineQueue, OqronEngine } from 'oqronkit';
import { OqronModule, Queue } from 'oqronkit/nestjs';
import { OQRON_METRICS, OqronPrometheusModule, type OqronPrometheusOptions } from 'oqronkit/nestjs/prometheus';
import type { PrometheusMetrics } from 'oqronkit/prometheus';
import { until } from '../support/until.js';

const Mail = defineQueue<{ to: string }>('mail');

@Injectable()
class Mailer {
  @Queue(Mail)
  send(): void {
    // Nothing to do.
  }
}

const SECRET = 'SECRET';

@Module({ providers: [{ provide: SECRET, useValue: 'letmein' }], exports: [SECRET] })
class SecretModule {}

@Injectable()
class ScrapeGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const { headers } = context.switchToHttp().getRequest<{ headers: Record<string, string> }>();
    return headers['authorization'] === 'Bearer letmein';
  }
}

let app: INestApplication | undefined;
afterEach(async () => {
  await app?.close();
  app = undefined;
});

async function start(options?: OqronPrometheusOptions): Promise<string> {
  const compiled = await Test.createTestingModule({
    imports: [OqronPrometheusModule.forRoot(options), OqronModule.forRoot({ logger: false })],
    providers: [Mailer],
  }).compile();
  app = compiled.createNestApplication({ logger: false });
  await app.listen(0, '127.0.0.1');
  return app.getUrl();
}

describe('OqronPrometheusModule', () => {
  it('serves the metrics of the engine as text', async () => {
    const url = await start();
    await app?.get(OqronEngine).producer(Mail).add({ to: 'ada' });
    const completed = 'oqron_jobs_total{queue="mail",outcome="completed"} 1';
    const answer = await until('the metrics to say it', async () => {
      const found = await fetch(`${url}/metrics`);
      const text = await found.text();
      return text.includes(completed) ? { found, text } : undefined;
    });
    expect(answer.found.headers.get('content-type')).toContain('text/plain; version=0.0.4');
    expect(answer.text).toContain('oqron_queue_depth{queue="mail",state="completed"} 1');
    expect(answer.text).toContain('oqron_leader');
  });

  it('at a path and behind guards of yours', async () => {
    const url = await start({ path: 'internal/scrape', guards: [ScrapeGuard], imports: [SecretModule] });
    expect((await fetch(`${url}/internal/scrape`)).status).toBe(403);
    const headers = { authorization: 'Bearer letmein' };
    expect((await fetch(`${url}/internal/scrape`, { headers })).status).toBe(200);
    expect((await fetch(`${url}/metrics`, { headers })).status).toBe(404);
  });

  it('nowhere with path: false, and can be injected', async () => {
    const url = await start({ path: false, prefix: 'shop_' });
    expect((await fetch(`${url}/metrics`)).status).toBe(404);
    const metrics = app?.get<PrometheusMetrics>(OQRON_METRICS);
    expect(await metrics?.text()).toContain('shop_jobs_running 0');
  });

  it('lets the next application have the same register', async () => {
    const register = new Registry();
    await start({ register });
    await app?.close();
    await start({ register });
    expect(await register.metrics()).toContain('oqron_jobs_running 0');
  });
});
