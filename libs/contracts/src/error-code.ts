/** The code of an error of the system (`ENOENT`, `EADDRINUSE`, ...), or `undefined`. */
export function errorCode(error: unknown): string | undefined {
  const code: unknown = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : undefined;
}
