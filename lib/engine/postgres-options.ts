import { z } from 'zod';
import { integer, strict } from '../kernel/validation.js';

const url = z.string().regex(/^(postgres(ql)?|socket):/, 'expected a url such as postgresql://user@host:5432/database');

const sqlName = (max: number): z.ZodString =>
  z
    .string()
    .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'expected letters, digits and "_"')
    .max(max, `expected at most ${max} characters`);

const text = z.string().optional();
const any = z.unknown().optional();

/** The options of `postgres`. What `pg` takes beside the address is passed to it as it is. */
const optionsSchema = strict({
  connectionString: url.optional(),
  listenUrl: url.optional(),
  schema: sqlName(63).optional(),
  tablePrefix: sqlName(30).optional(),
  poolSize: integer(1, 1_000).optional(),
  migrate: z.boolean('expected true or false').optional(),
  host: text,
  port: integer(1, 65_535).optional(),
  user: text,
  password: z
    .custom<unknown>(
      (value) => typeof value === 'string' || typeof value === 'function',
      'expected a text or a function',
    )
    .optional(),
  database: text,
  ssl: any,
  sslnegotiation: text,
  enableChannelBinding: z.boolean().optional(),
  application_name: text,
  options: text,
  stream: any,
});

function isPool(value: unknown): value is object {
  return typeof value === 'object' && value !== null && typeof Reflect.get(value, 'connect') === 'function';
}

/** A URL, options, or a `pg.Pool`. No message shows a value: it may hold a password. */
export const postgresSchema = z.unknown().transform((value, ctx): string | object => {
  if (isPool(value)) return value;
  const schema = typeof value === 'string' ? url : optionsSchema;
  if (typeof value !== 'string' && (typeof value !== 'object' || value === null)) {
    ctx.addIssue("expected { connectionString: 'postgresql://...' }, a url or a pg.Pool");
    return z.NEVER;
  }
  const { error } = schema.safeParse(value);
  for (const { message, path } of error?.issues ?? []) ctx.addIssue({ code: 'custom', message, path: [...path] });
  return value;
});
