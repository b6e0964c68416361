/** What the secrets of a connection are: a URL, options of a client, or a client that has options. */
type Target = string | object;

const SECRET_OPTIONS = ['password', 'sentinelPassword', 'passphrase', 'key'];
const URL_OPTIONS = ['url', 'connectionString', 'listenUrl'];
const NESTED_OPTIONS = ['options', 'redisOptions', 'tls', 'ssl'];

/** Replaces every secret of the connection in a text by `***`. */
export function withoutSecrets(text: string, target: Target): string {
  return secretsOf(target).reduce((clean, secret) => clean.replaceAll(secret, '***'), text);
}

function secretsOf(target: Target): string[] {
  if (typeof target === 'string') return ofUrl(target);
  // One by one: clients hide passwords and keys from enumeration.
  const read = (name: string): unknown => Reflect.get(target, name);
  const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';
  const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;
  return [
    ...SECRET_OPTIONS.map(read).filter(isText),
    ...URL_OPTIONS.map(read).filter(isText).flatMap(ofUrl),
    ...NESTED_OPTIONS.map(read).filter(isObject).flatMap(secretsOf),
  ];
}

function ofUrl(url: string): string[] {
  // Also of an address that is no URL: everything between the scheme and the last @.
  const [, login] = /^[\w+]*:?\/\/(.*)@/s.exec(url) ?? [];
  const [, parameter] = /[?&]password=([^&]*)/.exec(url) ?? [];
  const colon = login?.indexOf(':') ?? -1;
  const found = [colon < 0 ? login : login?.slice(colon + 1), parameter];
  return found
    .flatMap((secret) => [secret, decoded(secret)])
    .filter((secret) => secret !== undefined && secret !== '') as string[];
}

function decoded(text: string | undefined): string | undefined {
  try {
    return text === undefined ? undefined : decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
