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

/** A process that ended badly and names no failed test (a crash, an error between tests, no report) gets a failed one in the file's name. */
export function mergedReport(parts: readonly FileReport[]): string {
  const none = { passed: 0, failed: 0, skipped: 0 }
  const { passed, failed, skipped } = parts.map(({ xml, code }) => junitCounts(xml, code)).reduce(add, none)
  const totals = `tests="${passed + failed + skipped}" failures="${failed}" skipped="${skipped}"`
  return `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="bun test" ${totals}>
${parts.map((part) => suitesIn(part.xml) + badEnd(part)).join('')}</testsuites>
`
}

/** All below the outermost element. */
const suitesIn = (xml: string): string => /<testsuites\b[^>]*>\n?(.*)<\/testsuites>/s.exec(xml)?.[1] ?? ''

function badEnd({ file, code, xml }: FileReport): string {
  if (code === 0 || reportedTests(xml).some(({ failure }) => failure !== undefined)) return ''
  const inside = `<failure message="its process ended with ${code}, and no failed test" />`
  return `  <testsuite name="${file}" file="${file}" tests="1" failures="1">
    <testcase name="runs to its end" classname="" file="${file}">${inside}</testcase>
  </testsuite>
`
}
