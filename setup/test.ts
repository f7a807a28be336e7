/**
 * The gate: types, lint, floors, unit tests, and e2e tests in real VMs. The last line of its output is
 * `N passed, N failed, N skipped`; its exit code is 1 when something failed.
 *
 *   npm test                    everything
 *   npm test -- unit [NAME]     unit tests of files whose path holds NAME
 *   npm test -- e2e [NAME]      the same for e2e tests
 *   npm test -- static          types, lint and floors
 *   npm test -- lab             a container under KVM, on a lab host that is built and booted for it
 */
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { slow } from '../e2e/harness/time.ts'
import { buildDir, root } from './paths.ts'
import { endDescendants, mainAbove, ownChild, supervise } from './supervise.ts'
import { add, type Counts, junitCounts } from './test-counts.ts'

const bin = (path: string) => join(root, 'node_modules', path)

/** Programs that pass or fail as a whole; each counts as one test. */
const staticChecks: readonly { name: string; argv: readonly string[] }[] = [
  { name: 'types of host, tests and tools', argv: [bin('typescript/bin/tsc'), '-p', '.'] },
  { name: 'types of the guest agent', argv: [bin('typescript/bin/tsc'), '-p', 'guest/agent'] },
  {
    name: 'types of the Cloud Hypervisor double',
    argv: [bin('typescript/bin/tsc'), '-p', 'e2e/doubles/cloud-hypervisor'],
  },
  {
    name: 'types of the Firecracker double',
    argv: [bin('typescript/bin/tsc'), '-p', 'e2e/doubles/firecracker'],
  },
  {
    name: 'types of the lying agent',
    argv: [bin('typescript/bin/tsc'), '-p', 'e2e/doubles/lying-agent'],
  },
  { name: 'lint and format', argv: [bin('@biomejs/biome/bin/biome'), 'check', '.'] },
  {
    name: 'floors',
    argv: [
      bin('dependency-cruiser/bin/dependency-cruiser.mjs'),
      '--config',
      '.dependency-cruiser.cjs',
      'src',
      'guest',
      'e2e',
      'lab',
    ],
  },
]

const [which = 'all', filter = ''] = process.argv.slice(2)
if (!['all', 'static', 'unit', 'e2e', 'lab'].includes(which)) {
  console.error(`unknown part ${which}; known are: static, unit [NAME], e2e [NAME], lab`)
  process.exit(2)
}
mkdirSync(buildDir, { recursive: true })
supervise(mainAbove(), ({ exitCode }) => void endDescendants().finally(() => process.exit(exitCode)))
const counts: Counts[] = []
if (which === 'all' || which === 'static')
  for (const { name, argv } of staticChecks) counts.push(await check(name, argv))
if (which === 'all' || which === 'unit')
  counts.push(await bunTests('unit', ['src', 'guest', 'setup', 'bench', 'lab'], ['--timeout', '20000']))
if (which === 'all' || which === 'e2e')
  counts.push(
    await bunTests(
      'e2e',
      ['e2e'],
      ['--timeout', `${slow(180_000)}`, '--preload', './e2e/harness/preload.ts'],
    ),
  )
// No time limit: a lab host is waited for as long as it goes on.
if (which === 'all' || which === 'lab') counts.push(await bunTests('lab', ['lab/tests/smoke.test.ts'], []))
const { passed, failed, skipped } = counts.reduce(add)
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`)
process.exit(failed === 0 ? 0 : 1)

async function check(name: string, argv: readonly string[]): Promise<Counts> {
  console.log(`--- ${name}`)
  const ok = (await run(argv)) === 0
  console.log(ok ? 'ok' : `FAILED: ${name}`)
  return { passed: ok ? 1 : 0, failed: ok ? 0 : 1, skipped: 0 }
}

/** Runs the test files at or below `places`, one after the other in one process; a timeout (ms) is per test. */
async function bunTests(
  name: string,
  places: readonly string[],
  options: readonly string[],
): Promise<Counts> {
  const files = places.flatMap(testFiles).filter((file) => file.includes(filter))
  console.log(`--- ${name} tests: ${files.length} files`)
  if (files.length === 0) return { passed: 0, failed: 1, skipped: 0 }
  const report = join(buildDir, `junit-${name}.xml`)
  rmSync(report, { force: true })
  const reporter = ['--reporter=junit', `--reporter-outfile=${report}`]
  const code = await run(['test', ...options, ...reporter, ...files.map((file) => `./${file}`)])
  return junitCounts(existsSync(report) ? readFileSync(report, 'utf8') : '', code)
}

/** Of a directory all below, but for those that need a lab host (lab/tests). */
function testFiles(place: string): string[] {
  if (place.endsWith('.test.ts')) return [place]
  const found = [...new Bun.Glob(`${place}/**/*.test.ts`).scanSync({ cwd: root })]
  return found.filter((file) => !file.startsWith('lab/tests/')).sort()
}

/** Runs `bun ARGV` with our output and waits for it. */
async function run(argv: readonly string[]): Promise<number> {
  const child = Bun.spawn([process.execPath, ...argv], {
    cwd: root,
    stdin: 'ignore',
    stdout: 'inherit',
    stderr: 'inherit',
  })
  return ownChild(child).exited
}
