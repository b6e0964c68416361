import { describePage } from './support/describe-page.js';

describePage('docs/cpu-bound.md');
