/**
 * `npm run test:kvm`: the suite of ./suite.ts on a lab host as it was built, with kata-ts installed as a user would. The last line of
 * its output is `N passed, N failed, N skipped`.
 *
 *   npm run test:kvm                 all of it, then the tests that do things to the lab host itself (lab/tests)
 *   npm run test:kvm -- NAME...      the files whose path holds one of the names, those of `onlyByName` among them
 *    npm run test:kvm -- --record     writes down for docs/vmm-features.md what came of it
 *
 * The SVM that QEMU emulates is not perfect. A lab host that panics, or a guest that dies or falls silent in its boot, is
 * tried once more; each is counted and printed.
 */
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { add, type Counts, junitCounts } from '../setup/gate/test-counts.ts'
import { driverSources, recordResults } from '../setup/gate/vmm-results.ts'
import { buildDir, root } from '../setup/paths.ts'
import { describeError } from '../src/errors.ts'
import { createProgress } from '../src/guest-image/progress.ts'
import { askedRelease } from './image/kernel.ts'
import { LabTests } from './lab-tests.ts'
import { stopLab } from './machine/host.ts'
import { onlyByName, suite } from './suite.ts'
import { up } from './up.ts'

/** Tests on this machine that do things to the lab host. */
const hostTests = ['lab/tests/power-cut.test.ts', 'lab/tests/package.test.ts']

const progress = createProgress(process.stderr)
const { values, positionals: names } = parseArgs({
  args: process.argv.slice(2),
  allowPositionals: true,
  options: { record: { type: 'boolean', default: false } },
})
if (values.record && askedRelease(process.env) !== undefined) {
  console.error('results of an older kernel are not recorded: run it without --record')
  process.exit(2)
}
const isAsked = (path: string) => names.length === 0 || names.some((name) => path.includes(name))
const parts = names.length === 0 ? suite : [...suite, ...onlyByName].filter(({ file }) => isAsked(file))
if (parts.length === 0 && !hostTests.some(isAsked)) {
  console.error(`no file of the suite has ${names.join(' or ')} in its path; they stand in lab/suite.ts`)
  process.exit(2)
}
const tests = new LabTests(progress, { name: 'kvm', over: 'real' })
const since = Date.now()
let counts: Counts = { passed: 0, failed: 0, skipped: 0 }
try {
  await up(progress, { fresh: true })
  for (const part of parts) counts = add(counts, await tests.run(part))
  for (const file of hostTests.filter(isAsked)) counts = add(counts, await runHere(file))
} catch (error) {
  progress.end('failed')
  console.error(`test:kvm: ${describeError(error)}`)
  counts = add(counts, { passed: 0, failed: 1, skipped: 0 })
} finally {
  await stopLab()
}
if (values.record) {
  try {
    record()
  } catch (error) {
    console.error(describeError(error))
    process.exitCode = 1
  }
}
for (const line of tests.again) console.log(`tried again: ${line}`)
console.log(`${((Date.now() - since) / 60_000).toFixed(1)} minutes; ${tests.again.length} tried again`)
console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`)
if (counts.failed > 0) process.exitCode = 1

function record(): void {
  const [program = ''] = Bun.spawnSync(['qemu-system-x86_64', '--version']).stdout.toString().split('\n')
  const date = new Date().toISOString().slice(0, 10)
  const driver = driverSources('qemu')
  recordResults('qemu', { program, isDouble: false, date, driver, tests: tests.results }, 'qemu-kvm')
}

async function runHere(file: string): Promise<Counts> {
  console.log(`--- ${file}`)
  await up(progress)
  const report = join(buildDir, 'junit-kvm-host.xml')
  rmSync(report, { force: true })
  const options = ['--timeout', '3600000', '--reporter=junit', `--reporter-outfile=${report}`]
  const child = Bun.spawn([process.execPath, 'test', ...options, `./${file}`], {
    cwd: root,
    stdin: 'ignore',
    stdout: 'inherit',
    stderr: 'inherit',
  })
  const code = await child.exited
  return junitCounts(existsSync(report) ? readFileSync(report, 'utf8') : '', code, [file])
}
