/** What of a run is tried once more, after a guest died in its boot: the tests that failed. The others have had their guests. */
import { reportedTests } from '../setup/gate/junit.ts'
import { endOfProcess } from '../setup/gate/merged-report.ts'
import type { Counts } from '../setup/gate/test-counts.ts'
import { type TestResult, testResults } from '../setup/gate/vmm-results.ts'

/** What one run of a file came to. */
export interface Run {
  readonly counts: Counts
  /** JUnit, by mergedReport: a run that did not come to its end has a failed test of that name. */
  readonly report: string
}

/** A pattern for the names of the tests that failed; undefined where the report names none of the file's own. */
export function failedTests(report: string): string | undefined {
  const failed = reportedTests(report).filter(({ failure }) => failure !== undefined)
  const isWhole = failed.length === 0 || failed.some(({ name }) => name === endOfProcess)
  return isWhole ? undefined : failed.map(({ name }) => RegExp.escape(name)).join('|')
}

/** Both as one run: of the tests that failed first, only the second time counts. */
export function joined(first: Run, second: Run): Counts {
  const { passed, skipped } = first.counts
  return { passed: passed + second.counts.passed, failed: second.counts.failed, skipped }
}

/** What a pattern of names left out says nothing. */
export const toldOf = (report: string, over: TestResult['over']): TestResult[] =>
  testResults(report, over).filter(
    ({ outcome }) => typeof outcome === 'string' || !outcome.skipped.startsWith('no reason'),
  )
