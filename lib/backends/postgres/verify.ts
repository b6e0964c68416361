import { InvalidOptionsError } from '../../kernel/errors/index.js';
import { MAX_BATCH_ITEMS } from '../../kernel/job/limits.js';
import type { VerifyProblemKind, VerifyReply, VerifyRequest } from '../../kernel/ports/job-admin.js';
import type { FunctionRunner } from './function-runner.js';
import type { PostgresParts } from './parts.js';

/** What verify_v1 answers: how many were checked, id, kind and detail of each problem, where to go on. */
type Page = readonly [
  number,
  readonly (readonly [string | null, VerifyProblemKind, string])[],
  number | null,
  number?,
  number?,
  (string | null)?,
];

const TEXT = 'select oqron.verify_v1($1, $2, $3, $4, $5, $6, $7, $8) as reply';

/** Holds one page of a queue against what must be true of every job: see functions/verify.sql. */
export async function verifyPage(
  { project, environment }: PostgresParts,
  functions: FunctionRunner,
  { queue, limit, cursor }: VerifyRequest,
): Promise<VerifyReply> {
  const where = `JobAdmin.verify (queue "${queue}")`;
  const values = [project, environment, queue, ...openCursor(cursor), Math.min(limit, MAX_BATCH_ITEMS)];
  const [checked, found, place, k1, k2, id] = await functions.reply<Page>('main', where, TEXT, values);
  const problems = found.map(([job, kind, detail]) => ({ queue, ...(job !== null && { id: job }), kind, detail }));
  if (place === null) return { problems, checked };
  const hex = Buffer.from(id ?? '', 'utf8').toString('hex');
  return { problems, checked, cursor: `${place}:${k1}:${k2}:${hex}` };
}

/** Place, two keys, the id of a record in hex (ids are whatever users like). */
function openCursor(cursor: string | undefined): readonly unknown[] {
  if (cursor === undefined) return [null, null, null, null];
  const parts = /^(\d{1,2}):(-1|\d{1,16}):(-1|\d{1,16}):((?:[0-9a-f]{2}){0,300})$/.exec(cursor);
  if (!parts) {
    throw new InvalidOptionsError('JobAdmin.verify', [
      `cursor ${JSON.stringify(cursor)} did not come from a page before`,
    ]);
  }
  const id = Buffer.from(parts[4] ?? '', 'hex').toString('utf8');
  return [Number(parts[1]), Number(parts[2]), Number(parts[3]), Number(parts[1]) === 13 ? id : null];
}
