export { createMemoryBackend } from '../engine/backends.js';
export { VirtualClock } from './virtual-clock.js';
