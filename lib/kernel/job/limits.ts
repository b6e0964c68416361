/** Sizes that are refused before any I/O. All in bytes unless the name says otherwise. */
export interface Limits {
  /** One payload, encoded. Default 256 KiB. */
  readonly payloadBytes: number;
  /** One result, encoded. Default 64 KiB. */
  readonly resultBytes: number;
}

export const DEFAULT_LIMITS: Limits = { payloadBytes: 256 * 1024, resultBytes: 64 * 1024 };

/** An error message and a stack are cut to this many characters. */
export const MAX_ERROR_CHARS = 8 * 1024;

/** A cancel reason, a log message or a progress label is cut to this many characters. */
export const MAX_TEXT_CHARS = 2 * 1024;

/** What travels with a job for instrumentations is cut to this many characters, names included. */
export const MAX_HEADERS_CHARS = 4 * 1024;

/** Items in one call to the store, whatever it carries. */
export const MAX_BATCH_ITEMS = 1_000;

/** Payload bytes in one call to the store or one reply (a single larger item still travels alone). */
export const MAX_BATCH_BYTES = 1024 * 1024;

/** A job id, in UTF-8 bytes. */
export const MAX_ID_BYTES = 256;

/** The highest priority number, which is the last served. */
export const MAX_PRIORITY = 2_097_152;

/** Delays and timeouts, in ms: one hundred years. Larger numbers are typing errors, and would overflow a Date. */
export const MAX_DELAY_MS = 100 * 365 * 24 * 3_600_000;
