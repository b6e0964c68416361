import { readAppSettings, StartError, type AppSettings } from '#contracts';

const DEFAULT_PORT = 3000;
const DEFAULT_HOST = '127.0.0.1';
const DEFAULT_MAX_BYTES = 200 * 1024 * 1024;

export interface ApiSettings extends AppSettings {
  /** `HOST`. Only this machine by default; `0.0.0.0` opens it to others. */
  readonly host: string;
  /** `PORT`; 0 takes a free one. */
  readonly port: number;
  /** `MAX_BYTES`: the largest body of an upload. */
  readonly maxBytes: number;
}

/**
 * Reads the settings of a process that serves HTTP.
 *
 * @throws StartError naming every bad value
 */
export function readApiSettings(args: readonly string[], env: NodeJS.ProcessEnv): ApiSettings {
  const problems: string[] = [];
  const integer = (name: string, fallback: number, max: number): number => {
    const text = env[name];
    if (text === undefined || text === '') return fallback;
    const value = Number(text);
    if (/^\d+$/.test(text) && value <= max) return value;
    problems.push(`${name}: expected a whole number from 0 to ${max}, got "${text}"`);
    return fallback;
  };
  const settings: ApiSettings = {
    ...readAppSettings(args, env),
    host: env.HOST || DEFAULT_HOST,
    port: integer('PORT', DEFAULT_PORT, 65_535),
    maxBytes: integer('MAX_BYTES', DEFAULT_MAX_BYTES, Number.MAX_SAFE_INTEGER),
  };
  if (problems.length > 0) throw new StartError(problems.join('\n'));
  return settings;
}
