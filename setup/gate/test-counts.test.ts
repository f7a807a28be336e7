import { expect, test } from 'bun:test'
import { add, describeFailures, failedFiles, junitCounts } from './test-counts.ts'

const report = (numbers: string) =>
  `<?xml version="1.0"?>\n<testsuites name="bun test" ${numbers}>\n<testsuite name="x" tests="99" failures="99">`

test('totals of the outermost element', () => {
  expect(junitCounts(report('tests="10" assertions="5" failures="2" skipped="3" time="0.1"'), 1)).toEqual({
    passed: 5,
    failed: 2,
    skipped: 3,
  })
})

test('a bad end without a failed test counts as a failure', () => {
  expect(junitCounts(report('tests="4" failures="0" skipped="0"'), 1)).toEqual({
    passed: 4,
    failed: 1,
    skipped: 0,
  })
  expect(junitCounts('', 139)).toEqual({ passed: 0, failed: 1, skipped: 0 })
  expect(junitCounts(report('tests="4" failures="0" skipped="0"'), 0).failed).toBe(0)
})

// oven-sh/bun#35139: process.exit(0) in a test.
test('a good end without a report is a failure', () => {
  expect(junitCounts('', 0)).toEqual({ passed: 0, failed: 1, skipped: 0 })
  expect(describeFailures('', 0)).toEqual(['failed: a test process wrote no report; its exit code is 0'])
  // Not one for each file: what they came to nobody knows.
  expect(junitCounts('', 0, ['a', 'b']).failed).toBe(1)
})

test('a file that was asked for and of which no test is told is a failure; one whose tests were left out is none', () => {
  const told = (file: string, inside = '') => `<testcase name="x" file="${file}">${inside}</testcase>`
  const xml = `${report('tests="2" failures="0" skipped="1"')}${told('a')}${told('b', '<skipped />')}</testsuites>`
  expect(junitCounts(xml, 0, ['a', 'b'])).toEqual({ passed: 1, failed: 0, skipped: 1 })
  expect(describeFailures(xml, 0, ['a', 'b'])).toEqual([])
  expect(junitCounts(xml, 0, ['a', 'b', 'c', 'd'])).toEqual({ passed: 1, failed: 2, skipped: 1 })
  expect(describeFailures(xml, 0, ['a', 'b', 'c'])).toEqual(['failed: c: the report has no test of it'])
})

test('add', () => {
  expect(add({ passed: 1, failed: 2, skipped: 3 }, { passed: 4, failed: 5, skipped: 6 })).toEqual({
    passed: 5,
    failed: 7,
    skipped: 9,
  })
})

test('files of which a test failed are named once, blocks within them or not', () => {
  const suite = (file: string, failures: number, inside = '') =>
    `<testsuite name="x" file="${file}" tests="2" failures="${failures}">${inside}</testsuite>`
  const xml = `<testsuites failures="1">${suite('e2e/a.test.ts', 1, suite('e2e/a.test.ts', 1))}${suite('e2e/b.test.ts', 0)}</testsuites>`
  expect(failedFiles(xml)).toEqual(['e2e/a.test.ts'])
  expect(failedFiles('')).toEqual([])
})

test('what failed is told again with its blocks and the first lines of what it said', () => {
  const message = `a &lt; b&#10;&#10;${Array.from({ length: 30 }, (_, line) => `line ${line}`).join('&#10;')}`
  const xml = `<testsuites><testsuite name="x" file="e2e/a.test.ts">
    <testcase name="good" classname="" file="e2e/a.test.ts" />
    <testcase name="left out" classname="" file="e2e/a.test.ts"><skipped /></testcase>
    <testcase name="bad" classname="kill -9" file="e2e/a.test.ts"><failure type="E" message="${message}">x</failure></testcase>
    <testcase name="late" classname="" file="e2e/a.test.ts"><failure type="TimeoutError" message="test timed out" /></testcase>
  </testsuite></testsuites>`
  const [bad = '', late] = describeFailures(xml, 1)
  expect(bad).toStartWith('failed: e2e/a.test.ts > kill -9 > bad\n    a < b\n    line 0\n')
  expect(bad.split('\n')).toHaveLength(16)
  expect(late).toBe('failed: e2e/a.test.ts > late\n    test timed out')
  const good = '<testsuites tests="1"></testsuites>'
  expect(describeFailures(good, 0)).toEqual([])
  expect(describeFailures(good, 7)).toEqual(['failed: a test process ended with 7, and no failed test'])
})
