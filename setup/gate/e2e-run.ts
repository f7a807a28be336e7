/** Runs e2e tests and keeps the logs of those that failed. */
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join, relative } from 'node:path'
import { directoryList } from '../../e2e/harness/directories.ts'
import { logsVariable } from '../../e2e/harness/kept-logs.ts'
import { slow, slowness } from '../../e2e/harness/time.ts'
import { buildDir, root } from '../paths.ts'
import { ownChild } from './supervise.ts'
import { failedFiles } from './test-counts.ts'

export interface E2eRun {
  /** Paths from the repository's root. */
  readonly files: readonly string[]
  /** The JUnit report to write. */
  readonly report: string
  /** How many files run at a time, in processes of their own. Absent: one after the other in one. */
  readonly workers?: number | undefined
  /** Variables more than those of this process. */
  readonly env?: Readonly<Record<string, string>>
}

/** Where the logs of failed tests are, by their files. */
export const logsDir = join(buildDir, 'e2e-logs')

/** Runs the files, and returns the exit code. Says where the logs of failed ones are. */
export async function runE2e({ files, report, workers, env = {} }: E2eRun): Promise<number> {
  mkdirSync(buildDir, { recursive: true })
  rmSync(report, { force: true })
  const work = mkdtempSync(join(buildDir, 'e2e-logs-'))
  // A run that is killed leaves it to the next one.
  appendFileSync(directoryList, `${work}\n`)
  const note = join(work, 'directories')
  writeFileSync(note, '')
  const names = files.map(nameOf)
  for (const name of names) rmSync(join(logsDir, name), { recursive: true, force: true })
  try {
    const code = await ownChild(bunTest({ files, report, workers }, { ...env, [logsVariable]: note })).exited
    const failed = existsSync(report) ? failedFiles(readFileSync(report, 'utf8')).map(nameOf) : names
    collect(note, failed)
    sayWhere(failed)
    return code
  } finally {
    for (const directory of directoriesIn(note)) rmSync(directory, { recursive: true, force: true })
    rmSync(work, { recursive: true, force: true })
  }
}

function bunTest({ files, report, workers }: Omit<E2eRun, 'env'>, env: Readonly<Record<string, string>>) {
  const limits = ['--timeout', `${slow(180_000)}`, '--preload', './e2e/harness/preload.ts']
  // Of independent tests (e2e/harness/independent-test.ts). Guests under an emulated KVM are started one by one.
  const together =
    workers === undefined
      ? ['--max-concurrency', slowness > 1 ? '1' : '2']
      : ['--max-concurrency', '1', `--parallel=${workers}`]
  const reporter = ['--reporter=junit', `--reporter-outfile=${report}`]
  const argv = ['test', ...limits, ...together, ...reporter, ...files.map((file) => `./${file}`)]
  const streams = { stdin: 'ignore', stdout: 'inherit', stderr: 'inherit' } as const
  return Bun.spawn([process.execPath, ...argv], { cwd: root, env: { ...process.env, ...env }, ...streams })
}

/** A test file below e2e/, without `.test.ts`. */
const nameOf = (file: string): string => file.replace(/^(\.\/)?e2e\//, '').replace(/\.test\.ts$/, '')

const directoriesIn = (note: string): string[] => readFileSync(note, 'utf8').split('\n').filter(Boolean)

/** Copies the logs of these test files, from every file system on which some were kept. */
function collect(note: string, failed: readonly string[]): void {
  for (const name of failed)
    for (const kept of directoriesIn(note).map((directory) => join(directory, name)))
      if (existsSync(kept)) cpSync(kept, join(logsDir, name), { recursive: true })
}

function sayWhere(failed: readonly string[]): void {
  for (const name of failed) {
    const place = join(logsDir, name)
    if (!existsSync(place)) continue
    const logs = readdirSync(place, { recursive: true, encoding: 'utf8' }).filter((path) =>
      path.endsWith('.log'),
    )
    console.log(`logs of ${name}: ${relative(root, place)} (${logs.length} files)`)
  }
}
