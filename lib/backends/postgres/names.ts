import { InvalidOptionsError } from '../../kernel/errors/index.js';

/** What the objects of the store are called: `"<schema>"."<tablePrefix>_<name>"`. */
export interface NameOptions {
  /** @default 'public' */
  readonly schema?: string | undefined;
  /** @default 'oqron' */
  readonly tablePrefix?: string | undefined;
}

const SCHEMA = /^[A-Za-z_][A-Za-z0-9_]{0,62}$/;
/** A name of ours may have 32 characters, and PostgreSQL cuts names at 63 bytes. */
const PREFIX = /^[A-Za-z_][A-Za-z0-9_]{0,29}$/;

/** What is wrong with the names, one sentence each. They go into SQL, quoted, but are not escaped. */
function nameProblems({ schema = 'public', tablePrefix = 'oqron' }: NameOptions): string[] {
  const problems: string[] = [];
  if (!SCHEMA.test(schema)) {
    problems.push(`schema: expected letters, digits and "_", at most 63, got ${JSON.stringify(schema)}`);
  } else if (/^pg_|^information_schema$/i.test(schema)) {
    problems.push(`schema: "${schema}" belongs to PostgreSQL itself`);
  }
  if (!PREFIX.test(tablePrefix)) {
    problems.push(`tablePrefix: expected letters, digits and "_", at most 30, got ${JSON.stringify(tablePrefix)}`);
  }
  return problems;
}

/**
 * Turns SQL as it is written in this backend into SQL for one schema and prefix:
 *
 * - `oqron.job` -> `"public"."oqron_job"`, in string literals too (`'oqron.job'::regclass`)
 * - `oqron_name.job_by_id` -> `"oqron_job_by_id"`, for an index or a constraint, which takes no schema
 * - `{{schema}}`, `{{prefix}}` -> the plain names, for use inside quotes
 */
export class PostgresNames {
  readonly schema: string;
  readonly prefix: string;
  /** Statements are constants of this code, so there are few. */
  readonly #rendered = new Map<string, string>();

  /** @throws InvalidOptionsError */
  constructor(options: NameOptions = {}) {
    const problems = nameProblems(options);
    if (problems.length > 0) throw new InvalidOptionsError('createPostgresBackend', problems);
    this.schema = options.schema ?? 'public';
    this.prefix = options.tablePrefix ?? 'oqron';
  }

  /** The same, remembered. Only for texts that are constants of the code. */
  sql(text: string): string {
    let rendered = this.#rendered.get(text);
    if (rendered === undefined) this.#rendered.set(text, (rendered = this.render(text)));
    return rendered;
  }

  render(text: string): string {
    return text
      .replace(/\boqron\.([a-z_][a-z0-9_]*)/g, `"${this.schema}"."${this.prefix}_$1"`)
      .replace(/\boqron_name\.([a-z_][a-z0-9_]*)/g, `"${this.prefix}_$1"`)
      .replaceAll('{{schema}}', this.schema)
      .replaceAll('{{prefix}}', this.prefix);
  }
}
