import { describePage } from './support/describe-page.js';

describePage('docs/health.md');
