export { createMemoryBackend } from '../backends/memory/index.js';
