/** Runs e2e tests and keeps the logs of those that failed. */
import {
  appendFileSync,
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join, relative } from 'node:path'
import { directoryList, isKept } from '../../e2e/harness/directories.ts'
import { logsVariable } from '../../e2e/harness/kept-logs.ts'
import { slow, slowness } from '../../e2e/harness/time.ts'
import { buildDir, root } from '../paths.ts'
import { inLanes } from './lanes.ts'
import { type FileReport, mergedReport } from './merged-report.ts'
import { OwnHost } from './own-host.ts'
import { ownChild } from './supervise.ts'
import { failedFiles, junitCounts } from './test-counts.ts'

export interface E2eRun {
  /** Paths from the repository's root. */
  readonly files: readonly string[]
  /** The JUnit report to write. */
  readonly report: string
  /** How many independent tests of a file (e2e/harness/independent-test.ts) run at a time; {@link testsAtATime} where absent. */
  readonly tests?: number
}

/** Where the logs of failed tests are, by their files. */
export const logsDir = join(buildDir, 'e2e-logs')

/** Guests under an emulated KVM are started one by one. */
const isSlow = slowness > 1
/** Two processors have time for a third: tests wait for time limits, and guests for each other. */
const filesAtATime = isSlow ? 1 : 3
const testsAtATime = isSlow ? 1 : 2

/**
 * Runs the files three at a time (./lanes.ts), each on a host of its own, and shows what one printed when it has ended. Such a host ends with all that is on it: where
 * sandboxes are to be kept, the files run on this one. Returns the exit code, which is 1 where all processes ended well and one of them told no test.
 */
export async function runE2e({ files, report }: E2eRun): Promise<number> {
  const code = isKept ? await runHere({ files, report }) : await runApart({ files, report })
  const xml = existsSync(report) ? readFileSync(report, 'utf8') : ''
  return code === 0 && junitCounts(xml, code, files).failed > 0 ? 1 : code
}

async function runApart({ files, report }: E2eRun): Promise<number> {
  const done: FileReport[] = []
  await inLanes(files, filesAtATime, async (file) => {
    done.push(await runOnOwnHost(file, files.length > 1))
  })
  writeFileSync(report, mergedReport(done))
  return done.find(({ code }) => code !== 0)?.code ?? 0
}

/** Those of packages make Debians from its archive. */
const needsArchive = (file: string): boolean => file.startsWith('e2e/package/')

async function runOnOwnHost(file: string, isOneOfMany: boolean): Promise<FileReport> {
  await using host = new OwnHost({ network: needsArchive(file) ? 'shared' : 'own' })
  const report = join(host.directory, 'report.xml')
  const log = join(host.directory, 'log')
  const output = isOneOfMany ? openSync(log, 'w') : 'inherit'
  const tests = isOneOfMany ? 1 : testsAtATime
  const since = performance.now()
  const code = await host.run([process.execPath, 'setup/gate/e2e-file.ts', file, report, `${tests}`], output)
  const seconds = (performance.now() - since) / 1000
  if (output !== 'inherit') {
    closeSync(output)
    process.stdout.write(readFileSync(log))
    // One that waits more than it computes may belong to those with which a lane begins (./lanes.ts).
    console.log(`${file}: ${seconds.toFixed()} s, ${host.processorSeconds.toFixed()} s of a processor`)
  }
  return { file, code, xml: existsSync(report) ? readFileSync(report, 'utf8') : '' }
}

/** Runs the files in one process on this very host, one after the other, and returns the exit code. Says where the logs of failed ones are. */
export async function runHere({ files, report, tests = testsAtATime }: E2eRun): Promise<number> {
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
    const code = await ownChild(bunTest({ files, report, tests }, { ...process.env, [logsVariable]: note }))
      .exited
    const failed = existsSync(report) ? failedFiles(readFileSync(report, 'utf8')).map(nameOf) : names
    collect(note, failed)
    sayWhere(failed)
    return code
  } finally {
    for (const directory of directoriesIn(note)) rmSync(directory, { recursive: true, force: true })
    rmSync(work, { recursive: true, force: true })
  }
}

function bunTest({ files, report, tests }: Required<E2eRun>, env: NodeJS.ProcessEnv) {
  const limits = ['--timeout', `${slow(180_000)}`, '--preload', './e2e/harness/preload.ts']
  const together = ['--max-concurrency', `${tests}`]
  const reporter = ['--reporter=junit', `--reporter-outfile=${report}`]
  const argv = ['test', ...limits, ...together, ...reporter, ...files.map((file) => `./${file}`)]
  const streams = { stdin: 'ignore', stdout: 'inherit', stderr: 'inherit' } as const
  return Bun.spawn([process.execPath, ...argv], { cwd: root, env, ...streams })
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
