import type { SchemaIssue } from '../standard-schema.js';
import { OqronError } from './oqron-error.js';

/**
 * Options, names, ids, priorities or delays that break a rule. Nothing was written.
 * @publicApi
 */
export class InvalidOptionsError extends OqronError {
  /** Every problem found, one sentence each. */
  readonly problems: readonly string[];

  constructor(where: string, problems: readonly string[]) {
    super(
      'INVALID_OPTIONS',
      problems.length === 1
        ? `${where}: ${problems[0]}`
        : `${where}: ${problems.length} problems\n${problems.map(item).join('\n')}`,
    );
    this.problems = problems;
  }
}

/** One problem of a list; what it says in further lines stays under its first one. */
function item(problem: string): string {
  return `  - ${problem.replace(/\n(?=.)/g, '\n    ')}`;
}

/**
 * A payload or result that the codec cannot carry, or a payload that its queue's `schema` refuses. Nothing was written.
 * @publicApi
 */
export class InvalidPayloadError extends OqronError {
  /** What the schema found, each with its path; empty when the codec refused it. */
  readonly issues: readonly SchemaIssue[];

  constructor(
    where: string,
    problem: string,
    { issues = [], ...options }: { cause?: unknown; issues?: readonly SchemaIssue[] } = {},
  ) {
    super('INVALID_PAYLOAD', `${where}: ${problem}`, options);
    this.issues = issues;
  }
}

/**
 * A payload or result above its limit. Nothing was written.
 * @publicApi
 */
export class PayloadTooLargeError extends OqronError {
  constructor(
    where: string,
    what: 'payload' | 'result' | 'bulk call',
    readonly bytes: number,
    readonly limit: number,
  ) {
    super(
      'PAYLOAD_TOO_LARGE',
      `${where}: the ${what} has ${bytes} bytes, the limit is ${limit}. ` +
        'Store large data elsewhere (a file, an object store) and put its key into the job, or raise the limit.',
    );
  }
}

/**
 * A feature that the product's pages name and this release does not have yet.
 * @publicApi
 */
export class ModuleNotAvailableError extends OqronError {
  constructor(name: string, hint = 'It comes with a later release.') {
    super('MODULE_NOT_AVAILABLE', `${name} is not available in this release of oqronkit. ${hint}`);
  }
}
