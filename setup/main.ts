/**
 * `npm run demo|bench|build|lab` and `npm test`, after setup/bootstrap.sh: brings the machine up to date, then hands over to
 * the program that was asked for.
 */

import { createProgress } from '../guest/image/progress.ts'
import { describeError, KataError } from '../src/errors.ts'
import { buildDir, root } from './paths.ts'
import { SetupError, steps } from './steps.ts'

/** What runs after the set-up, as arguments to Bun. */
const programs: Record<string, readonly string[]> = {
  demo: ['setup/demo.ts'],
  test: ['setup/test.ts'],
  'test:vmm': ['setup/test-vmm.ts'],
  lab: ['lab/main.ts'],
  'test:kvm': ['lab/test-kvm.ts'],
  bench: ['bench/main.ts'],
  build: [],
}

const [command = '', ...rest] = process.argv.slice(2)
const program = programs[command]
if (program === undefined) {
  console.error(`unknown command ${command || '(none)'}; known are: ${Object.keys(programs).join(', ')}`)
  process.exit(2)
}
if (!(await setUp())) {
  if (command === 'test') console.log('0 passed, 1 failed, 0 skipped')
  process.exit(1)
}
process.exit(program.length === 0 ? 0 : await handOver([...program, ...rest]))

/** Runs every step in order; false after a failure, which is then on stderr. */
async function setUp(): Promise<boolean> {
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

/** Runs `bun ARGS` in our place. A terminal's interrupt reaches the child too; we wait for it to end in its own way. */
async function handOver(args: readonly string[]): Promise<number> {
  const child = Bun.spawn([process.execPath, ...args], {
    cwd: root,
    stdin: 'inherit',
    stdout: 'inherit',
    stderr: 'inherit',
  })
  process.on('SIGINT', () => {})
  process.on('SIGTERM', () => child.kill('SIGTERM'))
  return child.exited
}
