import { describe, expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { cannot, type Feature, features } from '../../e2e/vmm-features.ts'
import { drivers } from '../../src/config/drivers.ts'
import { isOld, stateOf, vmmFeaturesPage } from '../pages/vmm-features-page.ts'
import { root } from '../paths.ts'
import {
  driverFiles,
  driverSources,
  isNamed,
  readResults,
  recordResults,
  testResults,
  testsOf,
  unfit,
  type VmmResults,
  whatRuns,
} from './vmm-results.ts'

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
    <testcase name="in a block" classname="KVM (skipped: no device) &gt; all" file="e2e/x.test.ts" line="4">
      <skipped />
    </testcase>
  </testsuite>
</testsuites>`

test('a report is read with the reasons of what was left out, and what it ran over', () => {
  const over = 'double'
  expect(testResults(report, over)).toEqual([
    { file: 'x', name: 'is "a" & b', outcome: 'pass', over },
    { file: 'x', name: 'breaks', outcome: 'fail', over },
    { file: 'x', name: 'is left out', outcome: { skipped: 'it cannot' }, over },
    { file: 'x', name: 'in a block', outcome: { skipped: 'no device' }, over },
  ])
})

test('the code of a driver is what runs of it, and what drivers share belongs to all of them', () => {
  const covered = drivers.map(driverFiles)
  const [first = [], ...others] = covered
  const shared = first.filter((name) => others.every((files) => files.includes(name)))
  expect(shared).toContain('vmm-process.ts')
  expect(shared).toContain('monitor/answers.ts')
  expect(shared.some((name) => name.includes('qemu'))).toBe(false)
  expect(driverFiles('qemu')).toContain('qemu/monitor/qmp.ts')
  // Types alone, the choice of a driver, and what stands in for something in tests.
  for (const name of ['vmm.ts', 'create.ts']) expect(covered.flat()).not.toContain(name)
  expect(covered.flat().filter((name) => /\.(test|double)\.ts$/.test(name))).toEqual([])
})

const now: Omit<VmmResults, 'tests'> = {
  program: 'x',
  isDouble: false,
  date: '',
  driver: driverSources('clh'),
}

test('results with a failure, or with a test that was left out without a reason, are neither recorded nor shown', () => {
  const tests = testResults(report.replace('(clh: it cannot)', ''), 'real')
  const reasons = ['x: breaks: it failed', 'x: is left out : it was left out without a reason']
  expect(unfit({ tests })).toEqual(reasons)
  expect(() => recordResults('clh', { ...now, tests })).toThrow(reasons.join('\n'))
  expect(() => vmmFeaturesPage(new Map([['clh', { ...now, tests }]]))).toThrow('not fit to be shown')
  // What was recorded of another driver is not shown in any case.
  const old = { ...now, driver: 'another', tests }
  expect(vmmFeaturesPage(new Map([['clh', old]]))).toContain('| exec | to be recorded anew |')
})

test('a driver is the same when what it imports has moved or its comments say more, and another one when its code is', () => {
  const source = (from: string, body: string) =>
    `/** From 'x'. */\nimport {\n  a,\n  type B,\n} from '${from}'\nimport c from 'c'\n${body}\n`
  const code = whatRuns(source('../a.ts', 'a(c)'))
  expect(whatRuns(source('../../lib/a.ts', 'a(c)'))).toBe(code)
  expect(whatRuns(source('../a.ts', '// Why.\na(c as B)'))).toBe(code)
  expect(whatRuns(source('../a.ts', 'a()'))).not.toBe(code)
  expect(code).toBe('a(c);\n')
})

test('each recorded test belongs to a feature', () => {
  const strangers = drivers.flatMap((driver) => {
    const results = readResults(driver)
    if (results === undefined || isOld(driver, results)) return []
    const alien = results.tests.filter(
      (result) => !features.some((feature) => testsOf(feature, driver).some((test) => isNamed(result, test))),
    )
    return alien.map(({ file }) => `${driver}: ${file}`)
  })
  expect(strangers).toEqual([])
})

describe('a feature', () => {
  const results: VmmResults = { ...now, tests: testResults(report, 'real') }
  const state = (...names: string[]) =>
    stateOf({ name: 'f', tests: names.map((name) => ['x', name] as const) }, 'clh', results)

  test('passes when all of its tests do, with the driver as it is now, and says when that was over a double', () => {
    expect(state('is "a" & b')).toBe('pass')
    const feature = { name: 'f', tests: [['x', 'is "a" & b'] as const] }
    const double = { ...now, tests: testResults(report, 'double') }
    expect(stateOf(feature, 'clh', double)).toBe('pass (double)')
    expect(stateOf(feature, 'clh', { ...results, driver: 'another' })).toBe('to be recorded anew')
  })

  test('says why it was not run', () => {
    expect(state('in a block')).toBe('not run here (no device)')
    expect(state('is "a" & b', 'in a block')).toBe('pass; 1 of 2 tests not run here (no device)')
    expect(state('never heard of')).toBe('not run here (no result is recorded)')
    const fresh = { name: 'f', tests: [['x', 'never heard of'] as const], isNew: true as const }
    expect(stateOf(fresh, 'clh', results)).toBe('to be recorded')
    const partly = { ...fresh, tests: [...fresh.tests, ['x', 'is "a" & b'] as const] }
    expect(stateOf(partly, 'clh', results)).toBe('pass; 1 of 2 tests to be recorded')
  })

  test('says what a VMM has nothing of', () => {
    expect(stateOf({ name: 'f', tests: [], missing: { clh: 'it is too small' } }, 'clh', results)).toBe(
      'not possible (it is too small)',
    )
  })

  test('says why it is not possible', () => {
    const name = 'accelerator tcg: no group at all'
    const tests = [{ file: 'x', name, outcome: { skipped: 'it runs with KVM only' }, over: 'real' as const }]
    expect(stateOf({ name: 'f', tests: [['x', name]] }, 'clh', { ...results, tests })).toBe(
      'not possible (it runs with KVM only)',
    )
  })
})

test('every test that a feature names has a recorded result: none was renamed since', () => {
  const recorded = drivers.flatMap((driver) => {
    const results = readResults(driver)
    return results === undefined || isOld(driver, results) ? [] : [{ driver, results }]
  })
  const missing = recorded.flatMap(({ driver, results }) =>
    features
      .filter((feature) => stateOf(feature, driver, results).includes('no result'))
      .map(({ name }) => `${driver}: ${name}`),
  )
  expect(missing).toEqual([])
})

test('a feature is new no longer than until all records have it', () => {
  const known = features.filter(({ isNew }) => isNew)
  const states = (feature: Feature) =>
    drivers.map((driver) => {
      const results = readResults(driver)
      return results === undefined ? 'to be recorded' : stateOf(feature, driver, results)
    })
  const recorded = known.filter(
    (feature) => !states(feature).some((state) => state.includes('to be recorded')),
  )
  expect(recorded.map(({ name }) => name)).toEqual([])
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
