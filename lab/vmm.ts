/**
 * `npm run lab -- vmm NAME=FILE...`: the suite of `npm run test:vmm` on the lab host, under KVM, over the programs that the user
 * has. Its last line is `N passed, N failed, N skipped`.
 */
import { parseArgs } from 'node:util'
import { isDouble } from '../e2e/doubles/common/marker.ts'
import { add, type Counts } from '../setup/gate/test-counts.ts'
import { driverSources, recordResults } from '../setup/gate/vmm-results.ts'
import { vmmSuite } from '../setup/gate/vmm-suite.ts'
import type { Progress } from '../src/guest-image/progress.ts'
import { LabTests } from './lab-tests.ts'
import { type Programs, parsePrograms, putProgram, variablesOf } from './programs.ts'
import { up } from './up.ts'

/** What was asked for. */
export interface VmmRequest {
  readonly programs: Programs
  readonly files: readonly string[]
  readonly isRecorded: boolean
}

/** Reads `NAME=FILE... [PART-OF-A-PATH] [--record]`. @throws Error that says what is wrong. */
export function parseVmmRequest(args: readonly string[]): VmmRequest {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { record: { type: 'boolean', default: false } },
  })
  const programs = parsePrograms(positionals.filter((word) => word.includes('=')))
  const filters = positionals.filter((word) => !word.includes('='))
  const all = vmmSuite(programs.driver)
  const files = all.filter((file) => filters.length === 0 || filters.some((filter) => file.includes(filter)))
  if (files.length === 0) throw new Error(`no file of the suite has ${filters.join(' or ')} in its path`)
  return { programs, files, isRecorded: values.record }
}

/** @returns The exit code. @throws what {@link up} and {@link putProgram} do; Error when the results are not fit to be recorded. */
export async function testVmm(
  { programs, files, isRecorded }: VmmRequest,
  progress: Progress,
): Promise<number> {
  const { driver } = programs
  const over = programs.programs.some(({ file }) => isDouble(file)) ? 'double' : 'real'
  await up(progress, { fresh: true })
  const versions: string[] = []
  for (const program of programs.programs) {
    versions.push(await putProgram(program))
    const what = isDouble(program.file) ? 'a double' : 'the real program'
    console.log(`${program.name}: ${program.file}, ${what}: ${versions.at(-1)}`)
  }
  const tests = new LabTests(progress, {
    name: `lab-${driver}`,
    over,
    environment: { ...variablesOf(programs), KATA_TS_E2E_VMM: driver },
  })
  let counts: Counts = { passed: 0, failed: 0, skipped: 0 }
  for (const file of files) counts = add(counts, await tests.run({ file }))
  if (isRecorded) {
    const date = new Date().toISOString().slice(0, 10)
    const [program = ''] = versions
    const record = { program, isDouble: over === 'double', date, driver: driverSources(driver) }
    recordResults(driver, { ...record, tests: tests.results })
  }
  for (const line of tests.again) console.log(`tried again: ${line}`)
  console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`)
  return counts.failed === 0 ? 0 : 1
}
