import { describePage } from './support/describe-page.js';

describePage('docs/migrating-from-nestjs-bullmq.md');
