/** Runs files of e2e/ on the lab host, each a Bun of its own, and counts. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { mergedReport } from '../setup/gate/merged-report.ts'
import { type Counts, junitCounts } from '../setup/gate/test-counts.ts'
import type { TestResult } from '../setup/gate/vmm-results.ts'
import { buildDir, root } from '../setup/paths.ts'
import type { Progress } from '../src/guest-image/progress.ts'
import { failedTests, joined, type Run, toldOf } from './again.ts'
import { checkoutInLab } from './carry.ts'
import { brokenGuest, watchGuests } from './machine/broken-guests.ts'
import { stopLab, whetherLabEnded } from './machine/host.ts'
import { sshArguments } from './machine/ssh.ts'
import { troubleIn } from './machine/trouble.ts'
import type { Part } from './suite.ts'
import { up } from './up.ts'
import { quoted, slowness, variablesForShell } from './variables.ts'

/** Exit code of ssh(1) when the connection broke. */
const sshFailed = 255

export interface LabTestsOptions {
  /** Names the reports below build/. */
  readonly name: string
  /** What ran under the tests. */
  readonly over: TestResult['over']
  /** Variables more. */
  readonly environment?: Readonly<Record<string, string>>
}

/** A run of several files. */
export class LabTests {
  /** What was tried again, for a person. */
  readonly again: string[] = []
  readonly #progress: Progress
  readonly #options: LabTestsOptions
  readonly #results: TestResult[] = []

  constructor(progress: Progress, options: LabTestsOptions) {
    this.#progress = progress
    this.#options = options
  }

  /** Fit to be recorded. */
  get results(): readonly TestResult[] {
    return this.#results
  }

  /**
   * After trouble of the emulation the tests that failed are run once more; or the whole file, where its tests build on each other or it
   * came to no end.
   *
   * @throws what {@link up} does.
   */
  async run(part: Part): Promise<Counts> {
    if (part.boot) await stopLab()
    const first = await this.#attempt(part)
    if (first.counts.failed === 0 || first.trouble === undefined) return this.#keep(first)
    this.again.push(`${part.file}: ${first.trouble}`)
    console.log(`--- ${part.file} once more: ${first.trouble}`)
    await this.#sweep()
    const only = part.inOrder ? undefined : failedTests(first.report)
    if (only === undefined) return this.#keep(await this.#attempt(part))
    return this.#keep(await this.#attempt({ ...part, only }), first)
  }

  /** A lab host that went down left accounts on its disk. A later start would remove them, in a test that looks for what is lost. */
  async #sweep(): Promise<void> {
    await up(this.#progress)
    await tee(sshArguments('kata-ts gc'))
  }

  /** Takes the results of a run, and of one before it what had not failed. Returns the counts of both. */
  #keep(run: Run, before?: Run): Counts {
    const { over } = this.#options
    const earlier = before === undefined ? [] : toldOf(before.report, over)
    this.#results.push(...earlier.filter(({ outcome }) => outcome !== 'fail'), ...toldOf(run.report, over))
    return before === undefined ? run.counts : joined(before, run)
  }

  async #attempt({ file, only }: Part): Promise<Run & { trouble?: string }> {
    console.log(`--- ${file}${only === undefined ? '' : ` (${only})`}`)
    await up(this.#progress)
    await watchGuests()
    const name = `junit-${this.#options.name}-${file.replaceAll('/', '-')}.xml`
    const options = [
      ...['--timeout', String(180_000 * slowness), '--preload', './e2e/harness/preload.ts'],
      ...['--reporter=junit', `--reporter-outfile=/tmp/${name}`],
      ...(only === undefined ? [] : ['--test-name-pattern', quoted(only)]),
    ]
    const variables = variablesForShell(this.#options.environment)
    // The lab host has this checkout, so Bun is at the same place in it.
    const bun = `./${relative(root, process.execPath)}`
    const command = `${variables} ${bun} test ${options.join(' ')} ./e2e/${file}.test.ts`
    const { code, output } = await tee(
      sshArguments(`cd ${checkoutInLab} && rm -f /tmp/${name} && ${command} 2>&1`),
    )
    if (code === sshFailed) await whetherLabEnded()
    const trouble = troubleIn(output) ?? (await brokenGuest())
    const xml = Bun.spawnSync(sshArguments(`cat /tmp/${name}`)).stdout.toString()
    const path = `e2e/${file}.test.ts`
    // A process that tells no failed test, and has not passed, has one then.
    const report = mergedReport([{ file: path, code, xml }])
    mkdirSync(buildDir, { recursive: true })
    writeFileSync(join(buildDir, name), report)
    const counts = junitCounts(report, code, [path])
    return { counts, report, ...(trouble === undefined ? {} : { trouble }) }
  }
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
