import { expect, test } from 'bun:test'
import { mergedReport } from '../setup/gate/merged-report.ts'
import { failedTests, joined, toldOf } from './again.ts'

const of = (name: string, inside = '') =>
  `<testcase name="${name}" classname="" file="e2e/x.test.ts">${inside}</testcase>`
const report = [
  of('one'),
  of('two (of 3) &apos;quoted&apos;', '<failure message="it died"/>'),
  of('three', '<skipped/>'),
  of('four', '<failure message="so did this"/>'),
].join('\n')

test('the pattern matches what failed, and nothing else', () => {
  const pattern = new RegExp(failedTests(report)!)
  expect(["two (of 3) 'quoted'", 'four'].map((name) => pattern.test(name))).toEqual([true, true])
  expect(['one', 'three', 'two of 3'].map((name) => pattern.test(name))).toEqual([false, false, false])
})

test('a run without a report, or without a failure in it, has no pattern', () => {
  expect(failedTests('')).toBeUndefined()
  expect(failedTests(of('one'))).toBeUndefined()
  const died = mergedReport([{ file: 'e2e/x.test.ts', code: 139, xml: '' }])
  expect([failedTests(died), toldOf(died, 'real').map(({ outcome }) => outcome)]).toEqual([
    undefined,
    ['fail'],
  ])
})

test('the second time counts for those that failed', () => {
  const first = { counts: { passed: 1, failed: 2, skipped: 1 }, report }
  const second = { counts: { passed: 1, failed: 1, skipped: 9 }, report: '' }
  expect(joined(first, second)).toEqual({ passed: 2, failed: 1, skipped: 1 })
})

test('what no name asked for is not told', () => {
  expect(toldOf(report, 'real').map(({ name, outcome }) => [name, outcome])).toEqual([
    ['one', 'pass'],
    ["two (of 3) 'quoted'", 'fail'],
    ['four', 'fail'],
  ])
})
