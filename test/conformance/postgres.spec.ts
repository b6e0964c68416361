import { describe, it } from '@jest/globals';
import { jobStoreConformance } from '../../lib/conformance/index.js';
import { sharedSubject } from './postgres-shared.js';

jobStoreConformance({ describe, it }, sharedSubject);
