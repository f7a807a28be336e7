/** docs/vmm-features.md: what was shown with which VMM. */
import { cannot, type Feature, features, type ShownBy } from '../../e2e/vmm-features.ts'
import type { HypervisorDriver } from '../../src/config/config.ts'
import { drivers, nameOf } from '../../src/config/drivers.ts'
import {
  driverSources,
  isNamed,
  type RecordName,
  readResults,
  type TestResult,
  testsOf,
  unfit,
  type VmmResults,
} from '../gate/vmm-results.ts'

const introduction = `# Features by VMM

Generated from \`e2e/vmm-features.ts\` and from the results that \`npm run test:vmm -- VMM --record\` wrote down; do not edit.

- **pass**: the tests of the feature passed in their last recorded run, with the current driver. The cell also says which tests did not
  run, and whether they ran with a double.
- **not possible**: the VMM cannot do it, for the reason given.
- **to be recorded**: its tests, or so many of them, are newer than the last record.
- **to be recorded anew**: the driver has changed since its last record, so the record no longer counts.
- **not run here**: the machine of that run lacked something; the reason says what.

A **double** is a program of ours that stands in for a VMM (\`e2e/doubles\`): it takes the real command line and the
real API, refuses what the real one would, and runs a real guest. What passes with a double shows our side of the feature.

**QEMU under KVM** is the record of \`npm run test:kvm -- --record\`: what KVM, systemd and real devices can change, and some of
the rest, on the lab host (docs/design/lab.md). The other columns ran on a machine without KVM.
`

/** A column of the table: a run that was recorded. */
interface Column {
  readonly record: RecordName
  readonly driver: HypervisorDriver
  readonly title: string
}

const columns: readonly Column[] = drivers.flatMap((driver) => [
  { record: driver, driver, title: nameOf(driver) },
  ...(driver === 'qemu' ? [{ record: 'qemu-kvm', driver, title: 'QEMU under KVM' } as const] : []),
])

export function vmmFeaturesPage(
  results: ReadonlyMap<RecordName, VmmResults | undefined> = new Map(
    columns.map(({ record }) => [record, readResults(record)]),
  ),
): string {
  const shown = columns.flatMap((column) => {
    const found = results.get(column.record)
    return found === undefined ? [] : [{ ...column, found }]
  })
  const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |\n`
  for (const { driver, found } of shown) requireFit(driver, found)
  const programs = shown.map(({ title, found: { program, isDouble, date } }) => {
    return `- ${title}: ${isDouble ? 'the double of ' : ''}${program}, ${date}\n`
  })
  const table = [
    row(['', ...shown.map(({ title }) => title)]),
    `|${'---|'.repeat(shown.length + 1)}\n`,
    ...features.map((feature) =>
      row([feature.name, ...shown.map(({ driver, found }) => stateOf(feature, driver, found))]),
    ),
  ]
  const shownDrivers = drivers.filter((driver) => results.get(driver) !== undefined)
  return [introduction, '\n', ...programs, '\n', ...table, ...leftOut(shownDrivers), ...shownBy()].join('')
}

/** @throws Error for a record of this driver with a failure in it, or a test that was left out without a reason. */
function requireFit(driver: HypervisorDriver, results: VmmResults): void {
  const reasons = isOld(driver, results) ? [] : unfit(results)
  if (reasons.length > 0)
    throw new Error(`the record of ${driver} is not fit to be shown:\n${reasons.join('\n')}`)
}

/** Whether the driver has changed since. */
export const isOld = (driver: HypervisorDriver, results: VmmResults): boolean =>
  results.driver !== driverSources(driver)

/** What the recorded tests of a feature come to. */
export function stateOf(feature: Feature, driver: HypervisorDriver, results: VmmResults): string {
  const reason = feature.missing?.[driver]
  if (reason !== undefined) return `not possible (${reason})`
  if (testsOf(feature, driver).length === 0) return 'not asked of it'
  if (isOld(driver, results)) return 'to be recorded anew'
  const found = testsOf(feature, driver).flatMap((test) => {
    const matching = results.tests.filter((result) => isNamed(result, test))
    return matching.length > 0 ? matching : [undefined]
  })
  const reasons = found
    .filter((result) => result?.outcome !== 'pass')
    .map((result) => (result === undefined && feature.isNew ? 'to be recorded' : reasonOf(driver, result)))
  const isShown = reasons.length < found.length
  const lacking = [...new Set(reasons)].map((reason) => {
    const count = reasons.filter((other) => other === reason).length
    return isShown ? `${count} of ${found.length} tests ${reason}` : reason
  })
  const isDouble = found.some((result) => result?.outcome === 'pass' && result.over === 'double')
  return [...(isShown ? [isDouble ? 'pass (double)' : 'pass'] : []), ...lacking].join('; ')
}

function reasonOf(driver: HypervisorDriver, result: TestResult | undefined): string {
  if (result === undefined) return 'not run here (no result is recorded)'
  if (typeof result.outcome === 'string') return result.outcome
  const impossible = cannot[driver][result.name]
  return impossible === undefined
    ? `not run here (${result.outcome.skipped})`
    : `not possible (${impossible})`
}

function leftOut(shown: readonly HypervisorDriver[]): string[] {
  const rows = shown.flatMap((driver) =>
    Object.entries(cannot[driver]).map(([name, reason]) => `| ${nameOf(driver)} | ${name} | ${reason} |\n`),
  )
  if (rows.length === 0) return []
  return [
    '\n## Tests that a VMM cannot pass\n\nThey are left out of its run, with this reason in their name.\n\n',
    '| VMM | test | reason |\n|---|---|---|\n',
    ...rows,
  ]
}

function shownBy(): string[] {
  const list = (tests: readonly ShownBy[]) =>
    tests.map(([file, name]) => `\`e2e/${file}.test.ts\`${name === undefined ? '' : `: ${name}`}`)
  const rows = features.map(({ name, tests, own = {} }) => {
    const all = [
      ...list(tests),
      ...Object.entries(own).flatMap(([driver, more]) =>
        list(more).map((test) => `${test} (${nameOf(driver as HypervisorDriver)} alone)`),
      ),
    ]
    return `| ${name} | ${all.join('<br>')} |\n`
  })
  return ['\n## The tests that show it\n\n| feature | tests |\n|---|---|\n', ...rows]
}
