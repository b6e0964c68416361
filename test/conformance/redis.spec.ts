import { describe, it } from '@jest/globals';
import { jobStoreConformance } from '../../lib/conformance/index.js';
import { freshSubject } from '../support/redis.js';

jobStoreConformance({ describe, it }, freshSubject);
