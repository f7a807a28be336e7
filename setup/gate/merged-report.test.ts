import { expect, test } from 'bun:test'
import { reportedTests } from './junit.ts'
import { mergedReport } from './merged-report.ts'
import { describeFailures, failedFiles, junitCounts } from './test-counts.ts'

const reportOf = (file: string, totals: string, ...cases: string[]) => `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="bun test" ${totals} time="1.5">
  <testsuite name="${file}" file="${file}" ${totals}>
    ${cases.join('\n    ')}
  </testsuite>
</testsuites>
`
const passed = (file: string) => `<testcase name="good" classname="" file="${file}" />`

test('totals are added up, and every test is in it with its file', () => {
  const failed = `<testcase name="bad" classname="" file="b"><failure message="no" /></testcase>`
  const merged = mergedReport([
    { file: 'a', code: 0, xml: reportOf('a', 'tests="1" failures="0" skipped="0"', passed('a')) },
    { file: 'b', code: 1, xml: reportOf('b', 'tests="2" failures="1" skipped="0"', passed('b'), failed) },
  ])
  expect(junitCounts(merged, 1)).toEqual({ passed: 2, failed: 1, skipped: 0 })
  expect(reportedTests(merged).map(({ file, name }) => `${file} ${name}`)).toEqual([
    'a good',
    'b good',
    'b bad',
  ])
  expect(failedFiles(merged)).toEqual(['b'])
})

test('a file whose process ends badly has a failed test, with a report and without one, whatever failed in others', () => {
  const whole = reportOf('a', 'tests="1" failures="0" skipped="0"', passed('a'))
  const merged = mergedReport([
    { file: 'a', code: 1, xml: whole },
    { file: 'b', code: 139, xml: '' },
  ])
  expect(junitCounts(merged, 1)).toEqual({ passed: 1, failed: 2, skipped: 0 })
  expect(describeFailures(merged, 1)).toEqual([
    'failed: a > runs to its end\n    its process ended with 1, and no failed test',
    'failed: b > runs to its end\n    its process ended with 139, and its report has no test of it',
  ])
  expect(failedFiles(merged)).toEqual(['a', 'b'])
})

// oven-sh/bun#35139: process.exit(0) in a test makes such an end.
test('a file whose process ends well and tells no test has a failed test', () => {
  const whole = reportOf('a', 'tests="1" failures="0" skipped="0"', passed('a'))
  const leftOut = '<testcase name="good" classname="" file="b"><skipped /></testcase>'
  const merged = mergedReport([
    { file: 'a', code: 0, xml: whole },
    { file: 'b', code: 0, xml: reportOf('b', 'tests="1" failures="0" skipped="1"', leftOut) },
    { file: 'c', code: 0, xml: '' },
  ])
  expect(junitCounts(merged, 0, ['a', 'b', 'c'])).toEqual({ passed: 1, failed: 1, skipped: 1 })
  expect(describeFailures(merged, 0, ['a', 'b', 'c'])).toEqual([
    'failed: c > runs to its end\n    its process ended with 0, and its report has no test of it',
  ])
})

test('of nothing it is empty', () => {
  expect(junitCounts(mergedReport([]), 0)).toEqual({ passed: 0, failed: 0, skipped: 0 })
})
