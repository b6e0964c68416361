import { z } from 'zod';
import { InvalidOptionsError } from '../../kernel/errors/index.js';

/** Where a walk over queues stands: in a queue, in one of its states, behind a page of the store. */
export interface WalkCursor {
  readonly queue: string;
  /** Index of the state; walks that know no states leave it out. */
  readonly status?: number;
  /** The store's own cursor within them. */
  readonly page?: string;
}

const schema = z.strictObject({
  queue: z.string().min(1),
  status: z.int().min(0).optional(),
  page: z.string().min(1).optional(),
});

/** A cursor as users hand it back: nothing that they should read. */
export function encodeCursor(cursor: WalkCursor): string {
  return Buffer.from(JSON.stringify(cursor)).toString('base64url');
}

/** @throws InvalidOptionsError for a text that {@link encodeCursor} never made */
export function decodeCursor(where: string, text: string): WalkCursor {
  const { data } = schema.safeParse(parse(text));
  if (data) return data;
  throw new InvalidOptionsError(where, ['cursor: expected what the page before answered']);
}

function parse(text: unknown): unknown {
  try {
    return JSON.parse(Buffer.from(String(text), 'base64url').toString());
  } catch {
    return undefined;
  }
}
