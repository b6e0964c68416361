/** Where a Redis is, for people: without user names and passwords. Takes what the option `redis` takes. */
export function redisAddress(target: string | object): string {
  if (typeof target === 'string') return ofUrl(target);
  const { isCluster, options } = target as { isCluster?: unknown; options?: unknown };
  if (isCluster === true) return 'a Redis Cluster';
  const isClient = typeof (target as { duplicate?: unknown }).duplicate === 'function';
  return ofOptions((isClient && typeof options === 'object' && options ? options : target) as RedisPlace);
}

interface RedisPlace {
  readonly url?: unknown;
  readonly host?: unknown;
  readonly port?: unknown;
  readonly path?: unknown;
  readonly db?: unknown;
  readonly tls?: unknown;
  readonly name?: unknown;
  readonly sentinels?: unknown;
}

function ofOptions({ url, host, port, path, db, tls, name, sentinels }: RedisPlace): string {
  if (Array.isArray(sentinels)) return `the master "${text(name) ?? ''}" of ${sentinels.length} Sentinels`;
  if (typeof url === 'string') return ofUrl(url);
  if (typeof path === 'string') return path;
  const base = `${tls ? 'rediss' : 'redis'}://${text(host) ?? 'localhost'}:${text(port) ?? '6379'}`;
  const number = text(db);
  return number === undefined || number === '0' ? base : `${base}/${number}`;
}

function ofUrl(url: string): string {
  try {
    const { protocol, host, pathname } = new URL(url);
    if (/^rediss?:$/.test(protocol)) return `${protocol}//${host || 'localhost'}${pathname === '/' ? '' : pathname}`;
  } catch {
    // Nothing is shown of what cannot be taken apart: the password could be anywhere in it.
  }
  return 'the given address';
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
}
