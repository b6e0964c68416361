import { writeFileSync } from 'node:fs';

/** After this long without the end of any file, whatever still runs hangs. The slowest file takes two minutes. */
const HANG_MS = 10 * 60_000;

/** How long a finished run may take to end its process. */
const EXIT_MS = 30_000;

/**
 * A Jest reporter that writes the real counts to the file `OQRON_TEST_COUNTS`, and ends a run that hangs: no limit of
 * Jest's own covers the loading of a file, or a process that a test left behind.
 */
export default class JestCounts {
  #running = new Set();
  #watchdog;

  onTestFileStart({ path }) {
    this.#running.add(path);
    this.#watch();
  }

  onTestFileResult({ path }) {
    this.#running.delete(path);
    this.#watch();
  }

  onRunComplete(_contexts, results) {
    // A file that does not even load has no tests to count, but it is a failure.
    const failed = results.numFailedTests + results.numRuntimeErrorTestSuites;
    writeFileSync(process.env.OQRON_TEST_COUNTS, JSON.stringify({ passed: results.numPassedTests, failed }));
    this.#watch('The tests are done, but something keeps their process alive.', EXIT_MS);
  }

  #watch(problem, afterMs = HANG_MS) {
    clearTimeout(this.#watchdog);
    this.#watchdog = setTimeout(() => {
      const minutes = HANG_MS / 60_000;
      console.error(
        problem ?? `No test file ended within ${minutes} minutes. Running: ${[...this.#running].join(', ')}`,
      );
      process.exit(1);
    }, afterMs).unref();
  }
}
