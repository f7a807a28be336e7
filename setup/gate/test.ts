/**
 * The gate: types, lint, floors, unit tests, and e2e tests in real VMs. The last line of its output is
 * `N passed, N failed, N skipped`; its exit code is 1 when something failed.
 *
 *   npm test                       everything
 *   npm test -- unit [NAME...]     unit tests of files whose path holds one of the names
 *   npm test -- e2e [NAME...]      the same for e2e tests
 *   npm test -- static             types, lint and floors
 *   npm test -- lab                a container under KVM, on a lab host that is built and booted for it
 *
 * Two parts of it need no set-up and no root:
 *
 *   npm run check                  the static part, without the checks that passed over the very same files
 *   npm run unit [-- NAME...]      unit tests; as an ordinary user without the files `*.root.test.ts`
 */
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { debian13 } from '../../e2e/package/debian.ts'
import { describeError } from '../../src/errors.ts'
import { provideContainerd2 } from '../packages/containerd-2.ts'
import { provideDocker } from '../packages/docker.ts'
import { provideSamba } from '../packages/samba.ts'
import { buildDir, root } from '../paths.ts'
import { scratchDir } from '../scratch-dir.ts'
import { runE2e } from './e2e-run.ts'
import { runStaticChecks } from './static-checks.ts'
import { endDescendants, mainAbove, ownChild, supervise } from './supervise.ts'
import { add, type Counts, describeFailures, junitCounts } from './test-counts.ts'
import { splitByRoot, splitByUsers, testFiles } from './test-files.ts'

const [which = 'all', ...names] = process.argv.slice(2)
if (!['all', 'static', 'unit', 'e2e', 'lab'].includes(which)) {
  console.error(`unknown part ${which}; known are: static, unit [NAME...], e2e [NAME...], lab`)
  process.exit(2)
}
supervise(mainAbove(), ({ exitCode }) => void endDescendants().finally(() => process.exit(exitCode)))
const isAsked = (part: string) => which === 'all' || which === part
const counts: Counts[] = []
const failures: string[] = []
/** The time limit of a unit test, milliseconds. */
const unitLimit = ['--timeout', '20000']
// They wait as much as they compute.
const alone = isAsked('unit') ? unitTestsAlone() : undefined
if (isAsked('static')) counts.push(...(await staticChecks()))
if (alone !== undefined) counts.push(await unitTestsTogether(), await alone())
if (isAsked('e2e')) counts.push(await e2eTests())
// No time limit: a lab host is waited for as long as it goes on.
if (isAsked('lab')) counts.push(await bunTests('lab', ['lab/tests/smoke.test.ts'], []))
const { passed, failed, skipped } = counts.reduce(add)
// At the end, as a CI keeps the end of a log.
for (const failure of failures) console.log(failure)
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`)
process.exit(failed === 0 ? 0 : 1)

async function staticChecks(): Promise<Counts[]> {
  const options = { cache: scratchDir(), onlyChanged: names.includes('--only-changed') }
  const passed = await runStaticChecks(options)
  return passed.map((ok) => ({ passed: ok ? 1 : 0, failed: ok ? 0 : 1, skipped: 0 }))
}

function unitFiles(): string[] {
  return testFiles(['src', 'guest', 'setup', 'bench', 'lab'], names)
}

/** Begins with those that other tests could disturb, one after the other. What it returns waits for them and shows what they said. */
function unitTestsAlone(): () => Promise<Counts> {
  const { alone } = splitByUsers(splitByRoot(unitFiles()).run)
  if (alone.length === 0) return async () => ({ passed: 0, failed: 0, skipped: 0 })
  const log = join(reportDir(), 'unit-alone.log')
  const output = openSync(log, 'w')
  const running = bunTests('unit-alone', alone, unitLimit, output)
  return async () => {
    const found = await running
    closeSync(output)
    process.stdout.write(readFileSync(log))
    return found
  }
}

async function unitTestsTogether(): Promise<Counts> {
  const files = unitFiles()
  const { run, skipped } = splitByRoot(files)
  if (skipped.length > 0) console.log(`skipped, because only root can run them:\n  ${skipped.join('\n  ')}`)
  if (files.length === 0) return failedWithoutFiles('unit')
  // Two processors have time for a third: tests wait much, for time limits among others.
  const ran = await bunTests('unit', splitByUsers(run).together, [...unitLimit, '--parallel=3'])
  return { ...ran, skipped: ran.skipped + skipped.length }
}

async function e2eTests(): Promise<Counts> {
  const files = testFiles(['e2e'], names)
  console.log(`--- e2e tests: ${files.length} files`)
  if (files.length === 0) return failedWithoutFiles('e2e')
  await fetchPrograms(files)
  const report = join(reportDir(), 'junit-e2e.xml')
  return countsOf(report, await runE2e({ files, report }), files)
}

/** What these files need besides what set-up has. */
async function fetchPrograms(files: readonly string[]): Promise<void> {
  if (files.some((file) => /\/(sandbox-api|sandbox-pool|erofs-snapshotter)\.test\.ts$/.test(file)))
    await fetch('containerd 2', provideContainerd2)
  if (files.some((file) => /\/docker[^/]*\.test\.ts$/.test(file))) await fetch('Docker', provideDocker)
  if (files.some((file) => file.endsWith('/guest-networks.test.ts'))) await fetch('Samba', provideSamba)
  // Two files that may run side by side have it in common; they fail without it.
  if (files.some((file) => /\/(lintian|package)\.test\.ts$/.test(file)))
    await fetch('a bare Debian', debian13)
}

/** Debian's archive may be out of reach, or its next release in disorder: then the tests of this are left out, and that is said. */
async function fetch(what: string, provide: () => Promise<unknown>): Promise<void> {
  try {
    await provide()
  } catch (error) {
    console.log(`${what} cannot be had: ${describeError(error)}`)
  }
}

/** Runs test files, one after the other in one process unless the options say otherwise; a timeout (ms) is per test. */
async function bunTests(
  name: string,
  files: readonly string[],
  options: readonly string[],
  output: number | 'inherit' = 'inherit',
): Promise<Counts> {
  console.log(`--- ${name} tests: ${files.length} files`)
  if (files.length === 0) return { passed: 0, failed: 0, skipped: 0 }
  const report = join(reportDir(), `junit-${name}.xml`)
  rmSync(report, { force: true })
  const reporter = ['--reporter=junit', `--reporter-outfile=${report}`]
  const argv = ['test', ...options, ...reporter, ...files.map((file) => `./${file}`)]
  const child = Bun.spawn([process.execPath, ...argv], {
    cwd: root,
    stdin: 'ignore',
    stdout: output,
    stderr: output,
  })
  const code = await ownChild(child).exited
  return countsOf(report, code, files)
}

/** A misspelt name is no success. */
function failedWithoutFiles(part: string): Counts {
  failures.push(`failed: no ${part} test file has a path that holds ${names.join(' or ')}`)
  return { passed: 0, failed: 1, skipped: 0 }
}

function countsOf(report: string, code: number, files: readonly string[]): Counts {
  const xml = existsSync(report) ? readFileSync(report, 'utf8') : ''
  failures.push(...describeFailures(xml, code, files))
  return junitCounts(xml, code, files)
}

/** Reports of root's runs lie in build/ itself. */
function reportDir(): string {
  if (process.getuid?.() !== 0) return scratchDir()
  mkdirSync(buildDir, { recursive: true })
  return buildDir
}
