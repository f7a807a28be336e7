/** What a run of the pod suite over one VMM came to: read from the JUnit report of `bun test`, kept for docs/vmm-features.md. */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type Feature, features, type ShownBy } from '../../e2e/vmm-features.ts'
import type { HypervisorDriver } from '../../src/config/config.ts'
import { configurationOf } from '../../src/config/drivers.ts'
import { root } from '../paths.ts'
import { reportedTests } from './junit.ts'

/** `pass`, `fail`, or why it was left out. */
export type Outcome = 'pass' | 'fail' | { readonly skipped: string }

export interface TestResult {
  /** Below e2e/, without `.test.ts`. */
  readonly file: string
  /** Without the reason of a test that was left out. */
  readonly name: string
  readonly outcome: Outcome
  /** What it ran over. */
  readonly over: 'real' | 'double'
}

export interface VmmResults {
  /** The program's own words about its version. */
  readonly program: string
  readonly isDouble: boolean
  /** Day of the last run, UTC. */
  readonly date: string
  /** {@link driverSources} of that run. */
  readonly driver: string
  readonly tests: readonly TestResult[]
}

const vmmDirectory = join(root, 'src/vmm')

/** The code of a driver, below src/vmm: its own folder, and what that needs of the rest when it runs. */
export function driverFiles(driver: HypervisorDriver): string[] {
  const own = `${configurationOf(driver).folder}/`
  const found = new Set<string>()
  const add = (name: string): void => {
    if (found.has(name)) return
    found.add(name)
    for (const imported of importedBy(name)) if (!imported.startsWith('..')) add(imported)
  }
  readdirSync(vmmDirectory, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.startsWith(own) && /(?<!\.test|\.double)\.ts$/.test(name))
    .forEach(add)
  return [...found].sort()
}

const transpiler = new Bun.Transpiler({ loader: 'ts', trimUnusedImports: true })

/** Types alone are no import: nothing of them runs. */
function importedBy(name: string): string[] {
  const source = readFileSync(join(vmmDirectory, name), 'utf8')
  return transpiler
    .scanImports(source)
    .filter(({ path }) => path.startsWith('.'))
    .map(({ path }) => join(dirname(name), path))
}

/**
 * A checksum of {@link driverFiles}: a record of another one says nothing of the driver. Only what runs counts, and not where an imported file
 * lies: types, comments and moves of files outside the driver change nothing that a test could see.
 */
export function driverSources(driver: HypervisorDriver): string {
  const hash = createHash('sha256')
  for (const name of driverFiles(driver))
    hash.update(name).update(whatRuns(readFileSync(join(vmmDirectory, name), 'utf8')))
  return hash.digest('hex').slice(0, 16)
}

/** The code of a source without types, comments and imports. */
export const whatRuns = (source: string): string =>
  transpiler.transformSync(source).replace(/^(import|export) [^;'"]*? from "[^"]*";\n/gm, '')

const noReason = 'no reason is given'

/** Why nothing may be said of a feature by these results; none when they are fit for it. */
export function unfit({ tests }: Pick<VmmResults, 'tests'>): string[] {
  return tests.flatMap(({ file, name, outcome }) => {
    if (outcome === 'fail') return [`${file}: ${name}: it failed`]
    const unexplained = typeof outcome === 'object' && outcome.skipped === noReason
    return unexplained ? [`${file}: ${name}: it was left out without a reason`] : []
  })
}

/** The tests that show a feature with this VMM. */
export const testsOf = ({ tests, own }: Feature, driver: HypervisorDriver): readonly ShownBy[] => [
  ...tests,
  ...(own?.[driver] ?? []),
]

export const isNamed = (
  { file, name }: Pick<TestResult, 'file' | 'name'>,
  [wantedFile, wantedName]: ShownBy,
): boolean => file === wantedFile && (wantedName === undefined || name === wantedName)

/** What is recorded: a run of `npm run test:vmm -- VMM`, or that of `npm run test:kvm`. */
export type RecordName = HypervisorDriver | 'qemu-kvm'

const fileOf = (name: RecordName) => join(root, 'e2e/results', `${name}.json`)

export function readResults(name: RecordName): VmmResults | undefined {
  const file = fileOf(name)
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as VmmResults) : undefined
}

/**
 * Writes down what the table of features names. Files that were not run keep what they had with the same driver.
 *
 * @throws Error when the results are not fit to be shown; nothing is written then.
 */
export function recordResults(
  driver: HypervisorDriver,
  results: VmmResults,
  name: RecordName = driver,
): void {
  const reasons = unfit(results)
  if (reasons.length > 0) throw new Error(`these results are not recorded:\n${reasons.join('\n')}`)
  const run = new Set(results.tests.map(({ file }) => file))
  const before = readResults(name)
  const kept = before?.driver === results.driver ? before.tests.filter(({ file }) => !run.has(file)) : []
  const tests = [...kept, ...results.tests]
    .filter((result) =>
      features.some((feature) => testsOf(feature, driver).some((test) => isNamed(result, test))),
    )
    .sort((a, b) => (a.file < b.file ? -1 : Number(a.file > b.file)))
  mkdirSync(dirname(fileOf(name)), { recursive: true })
  writeFileSync(fileOf(name), `${JSON.stringify({ ...results, tests }, null, 2)}\n`)
}

/** Every test of a report. Of blocks only the name matters in which a reason stands. */
export function testResults(xml: string, over: TestResult['over']): TestResult[] {
  return reportedTests(xml).map(({ file: path, name, blocks, isSkipped, failure }) => {
    const file = path.replace(/^e2e\//, '').replace(/\.test\.ts$/, '')
    const reason = [name, ...blocks.split(' > ')].map(reasonIn).find((found) => found !== undefined)
    if (isSkipped) return { file, name: withoutReason(name), outcome: { skipped: reason ?? noReason }, over }
    return { file, name, outcome: failure === undefined ? 'pass' : 'fail', over }
  })
}

/** Names end like this when they are left out: `name (skipped: why)`, `name (clh: why)`. */
const reasonAtEnd = / \(([a-z]+: |)([^()]+)\)$/
const reasonIn = (name: string): string | undefined => reasonAtEnd.exec(name)?.[2]
const withoutReason = (name: string): string => name.replace(reasonAtEnd, '')
