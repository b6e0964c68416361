import { z } from 'zod';
import { MAX_BATCH_ITEMS } from '../../kernel/job/limits.js';
import { JOB_STATUSES } from '../../kernel/job/states.js';
import { duration, integer, positiveDuration, strict } from '../../kernel/validation.js';

/** Jobs that one `redrive` may run again. */
const MAX_REDRIVE = 10_000;

const instant = z
  .union([z.number(), z.date()], 'expected ms since 1970, or a Date')
  .transform((value) => (typeof value === 'number' ? value : value.getTime()));

const filterShape = {
  name: z.string().optional(),
  tag: z.string().optional(),
  correlationId: z.string().optional(),
  parentId: z.string().optional(),
  createdFrom: instant.optional(),
  createdTo: instant.optional(),
};

const pageShape = { limit: integer(1, MAX_BATCH_ITEMS).default(100), cursor: z.string().optional() };

const filter = strict(filterShape);

// What the reads and the administration of a queue take. Every problem is found before anything is sent.

export const getJobsSchema = strict({
  status: z.enum(JOB_STATUSES, `expected one of ${JOB_STATUSES.join(', ')}`),
  ...pageShape,
  filter: strict({ ...filterShape, dead: z.boolean().optional() }).optional(),
});

export const deadLettersSchema = strict({ ...pageShape, filter: filter.optional() });

export const redriveSchema = strict({
  limit: integer(1, MAX_REDRIVE).default(MAX_BATCH_ITEMS),
  filter: filter.optional(),
});

export const drainSchema = strict({ timeout: positiveDuration.optional() });

export const obliterateSchema = strict({ force: z.boolean().default(false) });

export const waitSchema = strict({ timeout: positiveDuration.optional() });

export const delaySchema = duration;
