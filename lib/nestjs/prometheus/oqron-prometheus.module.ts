import {
  Controller,
  Get,
  Header,
  Inject,
  Module,
  UseGuards,
  type CanActivate,
  type DynamicModule,
  type ModuleMetadata,
  type Type,
} from '@nestjs/common';
import { Registry } from 'prom-client';
import { OqronEngine } from '../../engine/oqron-engine.js';
import {
  createPrometheusMetrics,
  type PrometheusMetrics,
  type PrometheusOptions,
} from '../../prometheus/prometheus-metrics.js';

/** @publicApi */
export interface OqronPrometheusOptions extends PrometheusOptions {
  /** Where it is served; `false`: nowhere, inject {@link OQRON_METRICS} and serve it yourself. @default 'metrics' */
  path?: string | false;
  /** Guards of the route, with what they inject from `imports`. Guards of the whole application hold too. */
  guards?: readonly (Type<CanActivate> | CanActivate)[];
  /** Modules that export what the guards inject. */
  imports?: ModuleMetadata['imports'];
}

/** Injects the `PrometheusMetrics` of the engine. @publicApi */
export const OQRON_METRICS = 'OQRON_METRICS';

/**
 * Metrics of the engine for Prometheus, served by the application.
 *
 * @example
 * @Module({ imports: [OqronModule.forRoot(), OqronPrometheusModule.forRoot({ guards: [ScrapeGuard] })] })
 * export class AppModule {}
 * @publicApi
 */
@Module({})
export class OqronPrometheusModule {
  /** @throws InvalidOptionsError when the application is made */
  static forRoot(options: OqronPrometheusOptions = {}): DynamicModule {
    const { path = 'metrics', guards = [], imports = [], ...metrics } = options;
    const contentType = metrics.register?.contentType ?? Registry.PROMETHEUS_CONTENT_TYPE;
    return {
      module: OqronPrometheusModule,
      imports,
      controllers: path === false ? [] : [controllerAt(path, guards, contentType)],
      providers: [
        {
          provide: OQRON_METRICS,
          inject: [OqronEngine],
          useFactory: (engine: OqronEngine) => {
            const made = createPrometheusMetrics(engine, metrics);
            // The next application of this process, as in tests, may have the same register.
            return Object.assign(made, { onApplicationShutdown: () => made.close() });
          },
        },
      ],
      exports: [OQRON_METRICS],
    };
  }
}

function controllerAt(
  path: string,
  guards: readonly (Type<CanActivate> | CanActivate)[],
  contentType: string,
): Type<unknown> {
  @Controller(path)
  @UseGuards(...guards)
  class OqronMetricsController {
    constructor(@Inject(OQRON_METRICS) private readonly metrics: PrometheusMetrics) {}

    @Get()
    @Header('Content-Type', contentType)
    @Header('Cache-Control', 'no-store')
    text(): Promise<string> {
      return this.metrics.text();
    }
  }
  return OqronMetricsController;
}
