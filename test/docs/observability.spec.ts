import { describePage } from './support/describe-page.js';

describePage('docs/observability.md');
