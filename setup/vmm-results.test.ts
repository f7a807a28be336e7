import { describe, expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { cannot, features } from '../e2e/vmm-features.ts'
import { drivers } from '../src/config/drivers.ts'
import { root } from './paths.ts'
import { stateOf } from './vmm-features-page.ts'
import { readResults, testResults, type VmmResults } from './vmm-results.ts'

const report = `<?xml version="1.0"?>
<testsuites name="bun test" tests="4">
  <testsuite name="e2e/x.test.ts" file="e2e/x.test.ts">
    <testcase name="is &quot;a&quot; &amp; b" classname="" file="e2e/x.test.ts" line="1" />
    <testcase name="breaks" classname="" file="e2e/x.test.ts" line="2">
      <failure type="AssertionError" />
    </testcase>
    <testcase name="is left out (clh: it cannot)" classname="" file="e2e/x.test.ts" line="3">
      <skipped />
    </testcase>
    <testcase name="in a block" classname="KVM (skipped: no device)" file="e2e/x.test.ts" line="4">
      <skipped />
    </testcase>
  </testsuite>
</testsuites>`

test('a report is read with the reasons of what was left out', () => {
  expect(testResults(report)).toEqual([
    { file: 'x', name: 'is "a" & b', outcome: 'pass' },
    { file: 'x', name: 'breaks', outcome: 'fail' },
    { file: 'x', name: 'is left out', outcome: { skipped: 'it cannot' } },
    { file: 'x', name: 'in a block', outcome: { skipped: 'no device' } },
  ])
})

describe('a feature', () => {
  const results: VmmResults = { program: 'x', isDouble: false, date: '', tests: testResults(report) }
  const state = (...names: string[]) =>
    stateOf({ name: 'f', tests: names.map((name) => ['x', name] as const) }, 'clh', results)

  test('passes when all of its tests do, and fails with one of them', () => {
    expect(state('is "a" & b')).toBe('pass')
    expect(state('is "a" & b', 'breaks')).toBe('**FAIL**')
    expect(stateOf({ name: 'f', tests: [['x']] }, 'clh', results)).toBe('**FAIL**')
  })

  test('says why it was not run', () => {
    expect(state('in a block')).toBe('not run here (no device)')
    expect(state('is "a" & b', 'in a block')).toBe('pass; 1 of 2 tests not run here (no device)')
    expect(state('never heard of')).toBe('not run here (no result is recorded)')
  })

  test('says what a VMM has nothing of', () => {
    expect(stateOf({ name: 'f', tests: [], missing: { clh: 'it is too small' } }, 'clh', results)).toBe(
      'not possible (it is too small)',
    )
  })

  test('says why it is not possible', () => {
    const name = 'accelerator tcg: no group at all'
    const tests = [{ file: 'x', name, outcome: { skipped: 'it runs with KVM only' } }]
    expect(stateOf({ name: 'f', tests: [['x', name]] }, 'clh', { ...results, tests })).toBe(
      'not possible (it runs with KVM only)',
    )
  })
})

test('every test that a feature names has a recorded result: none was renamed since', () => {
  const recorded = drivers.flatMap((driver) => {
    const results = readResults(driver)
    return results === undefined ? [] : [{ driver, results }]
  })
  expect(recorded).not.toEqual([])
  const missing = recorded.flatMap(({ driver, results }) =>
    features
      .filter((feature) => stateOf(feature, driver, results).includes('no result'))
      .map(({ name }) => `${driver}: ${name}`),
  )
  expect(missing).toEqual([])
})

test('every test that the tables name stands in e2e/', () => {
  const e2e = join(root, 'e2e')
  const text = (readdirSync(e2e, { recursive: true }) as string[])
    .filter((file) => file.endsWith('.ts') && file !== 'vmm-features.ts')
    .map((file) => readFileSync(join(e2e, file), 'utf8'))
    .join('\n')
  // Titles of test.each, as patterns.
  const titles = [...text.matchAll(/'([^'\n]*%[sp][^'\n]*)'/g)].map(
    ([, title = '']) => new RegExp(`^${title.split(/%[sp]/).map(RegExp.escape).join('.+')}$`),
  )
  const named = [
    ...features.flatMap(({ tests, own = {} }) =>
      [...tests, ...Object.values(own).flat()].map(([, name]) => name),
    ),
    ...Object.values(cannot).flatMap((reasons) => Object.keys(reasons)),
  ]
  const unknown = named.filter(
    (name) => name !== undefined && !text.includes(name) && !titles.some((title) => title.test(name)),
  )
  expect(unknown).toEqual([])
})
