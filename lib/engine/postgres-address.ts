/** Where a database is, for people: without user names and passwords. Takes what the option `postgres` takes. */
export function postgresAddress(target: string | object): string {
  if (typeof target === 'string') return ofUrl(target);
  const isPool = typeof Reflect.get(target, 'connect') === 'function';
  const options: unknown = isPool ? Reflect.get(target, 'options') : target;
  return ofOptions((options ?? {}) as PostgresPlace);
}

interface PostgresPlace {
  readonly connectionString?: unknown;
  readonly host?: unknown;
  readonly port?: unknown;
  readonly database?: unknown;
}

function ofOptions({ connectionString, host, port, database }: PostgresPlace): string {
  if (typeof connectionString === 'string') return ofUrl(connectionString);
  const name = text(database) ?? process.env['PGDATABASE'];
  const place = text(host) ?? process.env['PGHOST'] ?? 'localhost';
  const path = name === undefined ? '' : `/${name}`;
  if (place.startsWith('/')) return `${place}${path}`;
  return `postgresql://${place}:${text(port) ?? process.env['PGPORT'] ?? '5432'}${path}`;
}

function ofUrl(url: string): string {
  try {
    const { protocol, host, pathname } = new URL(url);
    if (/^postgres(ql)?:$/.test(protocol))
      return `postgresql://${host || 'localhost'}${pathname === '/' ? '' : pathname}`;
  } catch {
    // Nothing is shown of what cannot be taken apart: the password could be anywhere in it.
  }
  return 'the given address';
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
}
