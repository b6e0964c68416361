// The built Nest face, by path for the same reason as in oqronkit.mjs.
export { getQueueToken, OqronModule, OqronRunner, Queue } from '../../../dist/lib/nestjs/index.js';
