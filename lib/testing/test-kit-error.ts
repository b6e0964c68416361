import { OqronError } from '../kernel/errors/index.js';

/**
 * What a test asked the tester for did not come about, or cannot. The message says what there is instead, and what to
 * do. `code` is `TEST_KIT`.
 * @publicApi
 */
export class TestKitError extends OqronError {
  constructor(where: string, problem: string, solutions: readonly string[] = []) {
    const hints = solutions.map((solution) => `\n  - ${solution}`).join('');
    super('TEST_KIT', `${where}: ${problem}${hints}`);
  }
}
