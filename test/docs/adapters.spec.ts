import { describePage } from './support/describe-page.js';

describePage('docs/adapters.md');
