export { OQRON_METRICS, OqronPrometheusModule, type OqronPrometheusOptions } from './oqron-prometheus.module.js';
