import { describePage } from './support/describe-page.js';

describePage('docs/nestjs-handlers.md');
