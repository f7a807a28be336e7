/**
 * The npm commands that set the machine up, after setup/bootstrap.sh: brings the machine up to date as far as the command
 * needs it, then hands over to the program that was asked for.
 */

import { keepVariable } from '../e2e/harness/directories.ts'
import { describeError, KataError } from '../src/errors.ts'
import { createProgress } from '../src/guest-image/progress.ts'
import { endDescendants, type Interruption, npmAbove, ownChild, supervise } from './gate/supervise.ts'
import { TestRun } from './gate/test-leftovers.ts'
import type { Purpose } from './packages/system-packages.ts'
import { buildDir, root } from './paths.ts'
import { SetupError } from './setup-error.ts'
import { type Needs, type Step, stepsFor } from './steps.ts'

interface Command {
  /** What must be there; absent for a command that sets nothing up. */
  readonly needs?: Needs
  /** What runs then, as arguments to Bun. */
  readonly program?: readonly string[]
  /** First arguments with which it needs less, or nothing. */
  readonly lighter?: Readonly<Record<string, Needs | 'nothing'>>
}

const needs = (...packages: Purpose[]): Needs => ({ packages, build: 'everything' })

const commands: Readonly<Record<string, Command>> = {
  demo: { needs: needs('run', 'build'), program: ['setup/demo.ts'] },
  test: {
    needs: needs('run', 'build', 'test', 'lab'),
    program: ['setup/gate/test.ts'],
    lighter: {
      static: 'nothing',
      unit: { packages: ['run', 'build', 'test'], build: 'busybox' },
    },
  },
  'test:vmm': { needs: needs('run', 'build', 'test'), program: ['setup/gate/test-vmm.ts'] },
  bench: { needs: needs('run', 'build', 'bench'), program: ['bench/main.ts'] },
  build: { needs: needs('run', 'build') },
  package: { needs: needs('run', 'build'), program: ['setup/package/main.ts'] },
  bundle: { needs: needs('run', 'build'), program: ['setup/bundle/main.ts'] },
  release: { needs: needs('run', 'build'), program: ['setup/release/main.ts'] },
  lab: {
    needs: needs('run', 'build', 'lab'),
    program: ['lab/main.ts'],
    lighter: { stop: 'nothing', remove: 'nothing' },
  },
  'test:kvm': { needs: needs('run', 'build', 'lab'), program: ['lab/test-kvm.ts'] },
  uninstall: { program: ['setup/uninstall.ts'] },
}

const [name = '', ...rest] = process.argv.slice(2)
const command = commands[name]
if (command === undefined) {
  console.error(`unknown command ${name || '(none)'}; known are: ${Object.keys(commands).join(', ')}`)
  process.exit(2)
}
const wanted = command.lighter?.[rest[0] ?? ''] ?? command.needs ?? 'nothing'
if (wanted !== 'nothing' && !(await setUp(stepsFor(wanted)))) {
  if (name === 'test') console.log('0 passed, 1 failed, 0 skipped')
  process.exit(1)
}
const run = name.startsWith('test') ? handOverTests : handOver
process.exit(command.program === undefined ? 0 : await run([...command.program, ...rest]))

/** Runs every step in order; false after a failure, which is then on stderr. */
async function setUp(steps: readonly Step[]): Promise<boolean> {
  const progress = createProgress(process.stderr)
  const since = Date.now()
  let done = 0
  for (const step of steps) {
    try {
      if (await step.run(progress)) done++
    } catch (error) {
      progress.end('failed')
      report(step.name, error)
      return false
    }
  }
  const what = done === 0 ? 'nothing to do' : `${done} of ${steps.length} steps done`
  process.stderr.write(`set-up: ${what} (${((Date.now() - since) / 1000).toFixed(1)} s)\n`)
  return true
}

function report(step: string, error: unknown): void {
  const { message, remedy } = explain(error)
  process.stderr.write(`set-up stopped at "${step}": ${message}\n  What to do: ${remedy}\n`)
}

function explain(error: unknown): { message: string; remedy: string } {
  if (error instanceof KataError) return { message: error.rawMessage, remedy: error.remedy }
  if (error instanceof SetupError) return error
  const errno = (error as NodeJS.ErrnoException).code
  if (errno === 'ENOSPC' || errno === 'EDQUOT')
    return { message: describeError(error), remedy: `free about 1 GB on the file system of ${buildDir}` }
  return { message: describeError(error), remedy: 'see the message; then run the same command again' }
}

/** Runs `bun ARGS` with our streams. */
function spawnBun(args: readonly string[]) {
  const streams = { stdin: 'inherit', stdout: 'inherit', stderr: 'inherit' } as const
  return ownChild(Bun.spawn([process.execPath, ...args], { cwd: root, ...streams }))
}

/** Runs `bun ARGS` in our place. A terminal's interrupt reaches the child too; we wait for it to end in its own way. */
async function handOver(args: readonly string[]): Promise<number> {
  const child = spawnBun(args)
  process.on('SIGINT', () => {})
  process.on('SIGTERM', () => child.kill('SIGTERM'))
  return child.exited
}

/** The same for tests, of which nothing stays, whatever ends them. */
async function handOverTests(args: readonly string[]): Promise<number> {
  const testRun = new TestRun()
  const isKept = process.env[keepVariable] === '1'
  sayRemoved(testRun, 'an earlier run that was killed')
  let interruption: Interruption | undefined
  const child = spawnBun(args)
  supervise(npmAbove(), (why) => {
    interruption = why
    child.kill('SIGKILL')
  })
  const code = await child.exited
  if (isKept && interruption === undefined) return code
  await endDescendants()
  sayRemoved(testRun, 'this run')
  if (interruption === undefined) return code
  process.stderr.write(`interrupted by ${interruption.reason}: everything that was started has ended\n`)
  return interruption.exitCode
}

function sayRemoved(run: TestRun, whose: string): void {
  const removed = run.removeLeftovers()
  if (removed.length > 0) process.stderr.write(`removed what ${whose} left: ${removed.join(', ')}\n`)
}
