import { writeFileSync } from 'node:fs';

/** A Jest reporter that writes the real counts to the file `OQRON_TEST_COUNTS`. */
export default class JestCounts {
  onRunComplete(_contexts, results) {
    // A file that does not even load has no tests to count, but it is a failure.
    const failed = results.numFailedTests + results.numRuntimeErrorTestSuites;
    writeFileSync(process.env.OQRON_TEST_COUNTS, JSON.stringify({ passed: results.numPassedTests, failed }));
  }
}
