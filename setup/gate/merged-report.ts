/** One JUnit report of several, each of a process that ran a single test file. */
import { reportedTests } from './junit.ts'
import { add, junitCounts } from './test-counts.ts'

export interface FileReport {
  /** Path from the directory of the run. */
  readonly file: string
  /** What its process ended with. */
  readonly code: number
  /** Empty where it wrote none. */
  readonly xml: string
}

/** A file's process that names no failed test gets one where it ended badly (a crash, an error between tests), and where it tells no test at all. */
export function mergedReport(parts: readonly FileReport[]): string {
  const none = { passed: 0, failed: 0, skipped: 0 }
  const { passed, failed, skipped } = parts
    .map(({ xml, code, file }) => junitCounts(xml, code, [file]))
    .reduce(add, none)
  const totals = `tests="${passed + failed + skipped}" failures="${failed}" skipped="${skipped}"`
  return `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="bun test" ${totals}>
${parts.map((part) => suitesIn(part.xml) + badEnd(part)).join('')}</testsuites>
`
}

/** The test that stands for a process that came to no good end, or told nothing. */
export const endOfProcess = 'runs to its end'

/** All below the outermost element. */
const suitesIn = (xml: string): string => /<testsuites\b[^>]*>\n?(.*)<\/testsuites>/s.exec(xml)?.[1] ?? ''

function badEnd({ file, code, xml }: FileReport): string {
  const tests = reportedTests(xml)
  if (tests.some(({ failure }) => failure !== undefined) || (code === 0 && tests.length > 0)) return ''
  const lack = tests.length > 0 ? 'no failed test' : 'its report has no test of it'
  const inside = `<failure message="its process ended with ${code}, and ${lack}" />`
  return `  <testsuite name="${file}" file="${file}" tests="1" failures="1">
    <testcase name="${endOfProcess}" classname="" file="${file}">${inside}</testcase>
  </testsuite>
`
}
