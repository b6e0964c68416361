import { parseArgs } from 'node:util';
import { migrateDatabase } from '../engine/migrate-database.js';
import { OqronError } from '../kernel/errors/index.js';
import { healthProblem } from './healthcheck.js';

const HELP = `npx oqronkit migrate [options]

Makes or updates the tables and functions of OqronKit in a PostgreSQL database.

  --url <url>        postgresql://user@host:5432/database   (default: DATABASE_URL)
  --schema <name>    the schema                             (default: public)
  --prefix <name>    how the names of all tables begin      (default: oqron)
  --grant <role>     lets this role work with the tables
  --print            prints the SQL instead of running it: what the database lacks, or all of it when there is no url

npx oqronkit healthcheck [options]

Exits with 0 while a process with the option \`liveness\` lives, else with 1. For exec probes and HEALTHCHECK.

  --file <path>      the file that it touches
  --max-age <time>   how old that may be                    (default: 30s)
  --port <number>    the port on which it answers
  --host <address>                                          (default: 127.0.0.1)
`;

const OPTIONS = {
  url: { type: 'string' },
  schema: { type: 'string' },
  prefix: { type: 'string' },
  grant: { type: 'string' },
  print: { type: 'boolean' },
  file: { type: 'string' },
  'max-age': { type: 'string' },
  port: { type: 'string' },
  host: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;

/** Where a command writes to, and its surroundings. */
export interface CommandHost {
  readonly env: Readonly<Record<string, string | undefined>>;
  out(text: string): void;
  error(text: string): void;
}

/** Runs one command of the command line and answers its exit code. */
export async function runCommand(args: readonly string[], host: CommandHost): Promise<number> {
  try {
    const { values, positionals } = parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
    const { help, prefix, print = false, schema, grant, url = host.env['DATABASE_URL'] } = values;
    const [command, ...rest] = positionals;
    if (help || (command !== 'migrate' && command !== 'healthcheck') || rest.length > 0) {
      (help ? host.out : host.error)(HELP);
      return help ? 0 : 1;
    }
    if (command === 'healthcheck') {
      const problem = await healthProblem(values);
      if (problem !== undefined) host.error(`${problem}\n`);
      return problem === undefined ? 0 : 1;
    }
    if (url === undefined && !print) {
      host.error('migrate needs --url, or DATABASE_URL, or --print\n');
      return 1;
    }
    host.out(await migrateDatabase({ url, schema, tablePrefix: prefix, print, grant }));
    return 0;
  } catch (error) {
    if (!(error instanceof OqronError) && !isMisuse(error)) throw error;
    host.error(`${error.message}\n`);
    return 1;
  }
}

function isMisuse(error: unknown): error is Error {
  return String((error as { code?: unknown }).code).startsWith('ERR_PARSE_ARGS_');
}
