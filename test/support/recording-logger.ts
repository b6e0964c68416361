import type { Logger } from 'oqronkit';

export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly message: string;
  readonly context: Record<string, unknown>;
}

/** Keeps what it is told. */
export class RecordingLogger implements Logger {
  readonly lines: LogLine[] = [];

  debug(message: string, context: Record<string, unknown> = {}): void {
    this.lines.push({ level: 'debug', message, context });
  }

  info(message: string, context: Record<string, unknown> = {}): void {
    this.lines.push({ level: 'info', message, context });
  }

  warn(message: string, context: Record<string, unknown> = {}): void {
    this.lines.push({ level: 'warn', message, context });
  }

  error(message: string, context: Record<string, unknown> = {}): void {
    this.lines.push({ level: 'error', message, context });
  }

  /** Lines of this level whose message matches. */
  matching(level: LogLine['level'], pattern: RegExp): LogLine[] {
    return this.lines.filter((line) => line.level === level && pattern.test(line.message));
  }
}
