/**
 * `npm run test:kvm`: the suite of ./suite.ts on a lab host as it was built, with kata-ts installed as a user would. The last line of
 * its output is `N passed, N failed, N skipped`.
 *
 *   npm run test:kvm                 all of it, then the tests that do things to the lab host itself (lab/tests)
 *   npm run test:kvm -- NAME...      the files whose path holds one of the names
 *   npm run test:kvm -- --record     writes down for docs/vmm-features.md what came of it
 *
 * The SVM that QEMU emulates is not perfect. A lab host that panics, or a guest that dies or falls silent in its boot, is
 * tried once more; each is counted and printed.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { parseArgs } from 'node:util'
import { createProgress } from '../guest/image/progress.ts'
import { buildDir, root } from '../setup/paths.ts'
import { add, type Counts, junitCounts } from '../setup/test-counts.ts'
import { driverSources, recordResults, type TestResult, testResults } from '../setup/vmm-results.ts'
import { describeError } from '../src/errors.ts'
import { checkoutInLab } from './carry.ts'
import { stopLab } from './host.ts'
import { spareDevices } from './machine.ts'
import { sshArguments } from './ssh.ts'
import { type Part, suite } from './suite.ts'
import { troubleIn } from './trouble.ts'
import { up } from './up.ts'

/** How many times slower than hardware a guest of the lab host is, on a machine that does other things too. */
const slowness = 20

const environment = [
  'KATA_TS_E2E_ACCELERATOR=kvm',
  `KATA_TS_E2E_SLOWNESS=${slowness}`,
  'KATA_TS_E2E_EXECUTABLE=/usr/local/bin/kata-ts',
  'KATA_TS_E2E_LAB=1',
  `KATA_TS_E2E_SPARE_DISKS=${spareDevices.nvme},${spareDevices.virtio}`,
].join(' ')

/** Tests on this machine that do things to the lab host. */
const hostTests = ['lab/tests/power-cut.test.ts']

const progress = createProgress(process.stderr)
const { values, positionals: names } = parseArgs({
  args: process.argv.slice(2),
  allowPositionals: true,
  options: { record: { type: 'boolean', default: false } },
})
const isAsked = (path: string) => names.length === 0 || names.some((name) => path.includes(name))
if (![...suite.map(({ file }) => file), ...hostTests].some(isAsked)) {
  console.error(`no file of the suite has ${names.join(' or ')} in its path; they stand in lab/suite.ts`)
  process.exit(2)
}
const again: string[] = []
const results: TestResult[] = []

const since = Date.now()
let counts: Counts = { passed: 0, failed: 0, skipped: 0 }
try {
  await up(progress, { fresh: true })
  for (const part of suite.filter(({ file }) => isAsked(file))) counts = add(counts, await runPart(part))
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
for (const line of again) console.log(`tried again: ${line}`)
console.log(`${((Date.now() - since) / 60_000).toFixed(1)} minutes; ${again.length} tried again`)
console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`)
if (counts.failed > 0) process.exitCode = 1

/** One that failed by trouble of the emulation's counts as what its second run comes to. */
async function runPart(part: Part): Promise<Counts> {
  const first = await attempt(part)
  const isOver = first.counts.failed === 0 || first.trouble === undefined
  if (!isOver) {
    again.push(`${part.file}: ${first.trouble}`)
    console.log(`--- ${part.file} once more: ${first.trouble}`)
  }
  const { counts, report } = isOver ? first : await attempt(part)
  results.push(...testResults(report, 'real'))
  return counts
}

/** What a name pattern left out says nothing of. */
function record(): void {
  const tests = results.filter(
    ({ outcome }) => typeof outcome === 'string' || !outcome.skipped.startsWith('no reason'),
  )
  const [program = ''] = Bun.spawnSync(['qemu-system-x86_64', '--version']).stdout.toString().split('\n')
  const date = new Date().toISOString().slice(0, 10)
  const driver = driverSources('qemu')
  recordResults('qemu', { program, isDouble: false, date, driver, tests }, 'qemu-kvm')
}

async function attempt({ file, only }: Part): Promise<{ counts: Counts; report: string; trouble?: string }> {
  console.log(`--- ${file}${only === undefined ? '' : ` (${only})`}`)
  await up(progress)
  const name = `junit-kvm-${file.replaceAll('/', '-')}.xml`
  const options = [
    ...['--timeout', String(180_000 * slowness), '--preload', './e2e/harness/preload.ts'],
    ...['--reporter=junit', `--reporter-outfile=/tmp/${name}`],
    ...(only === undefined ? [] : ['--test-name-pattern', `'${only}'`]),
  ]
  // The lab host has this checkout, so Bun is at the same place in it.
  const bun = `./${relative(root, process.execPath)}`
  const command = `${bun} test ${options.join(' ')} ./e2e/${file}.test.ts`
  const { code, output } = await tee(
    sshArguments(`cd ${checkoutInLab} && rm -f /tmp/${name} && ${environment} ${command} 2>&1`),
  )
  const trouble = troubleIn(output)
  const report = Bun.spawnSync(sshArguments(`cat /tmp/${name}`)).stdout.toString()
  mkdirSync(buildDir, { recursive: true })
  writeFileSync(join(buildDir, name), report)
  return { counts: junitCounts(report, code), report, ...(trouble === undefined ? {} : { trouble }) }
}

/** Runs a command with its output shown and kept. */
async function tee(argv: string[]): Promise<{ code: number; output: string }> {
  const child = Bun.spawn(argv, { stdin: 'ignore', stdout: 'pipe', stderr: 'inherit' })
  const decoder = new TextDecoder()
  let output = ''
  for await (const bytes of child.stdout) {
    process.stdout.write(bytes)
    output += decoder.decode(bytes, { stream: true })
  }
  return { code: await child.exited, output }
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
  return junitCounts(existsSync(report) ? readFileSync(report, 'utf8') : '', code)
}
