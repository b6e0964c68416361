/**
 * Makes a text safe for every store (no NUL, no half of a surrogate pair) and cuts it to `maxChars`.
 */
export function safeText(text: string, maxChars: number): string {
  const cut = text.length > maxChars ? `${text.slice(0, maxChars - 1)}…` : text;
  return cut.replaceAll('\u0000', '\uFFFD').toWellFormed();
}
