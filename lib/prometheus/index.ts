export { createPrometheusMetrics, type PrometheusMetrics, type PrometheusOptions } from './prometheus-metrics.js';
