export {
  OqronHealthIndicator,
  type OqronCheckOptions,
  type PingCheckOptions,
  type QueueLagOptions,
} from './oqron.health.js';
