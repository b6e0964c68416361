/** Asks again, turn by turn of the event loop, until there is an answer. */
export async function until<T>(what: string, ask: () => T | undefined | Promise<T | undefined>): Promise<T> {
  const deadline = performance.now() + 5_000;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (performance.now() > deadline) throw new Error(`in vain: ${what}`);
    await new Promise((turn) => setImmediate(turn));
  }
}
