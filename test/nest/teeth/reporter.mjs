// Writes which tests passed and failed in which project: Jest's own report names files only.
import { writeFileSync } from 'node:fs';

export default class ProjectReporter {
  #projects = {};

  onTestResult({ context }, { testResults, testExecError, failureMessage }) {
    const ran = testResults.filter(({ status }) => status === 'passed' || status === 'failed');
    this.#projects[context.config.displayName.name] = {
      tests: Object.fromEntries(ran.map(({ fullName, status }) => [fullName, status])),
      // A spec that could not be loaded has no tests.
      ...(testExecError || ran.length === 0 ? { trouble: failureMessage ?? 'no test has such a name' } : {}),
    };
  }

  onRunComplete() {
    const file = process.env.OQRON_TEETH_REPORT;
    if (file) writeFileSync(file, JSON.stringify(this.#projects));
  }
}
