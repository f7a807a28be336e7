/**
 * `npm run test:vmm -- clh`: the pod suite over one VMM. Prints which program and version it runs: a real one by its
 * environment variable or the path, else the double.
 *
 *   npm run test:vmm -- VMM              every file of the suite
 *   npm run test:vmm -- VMM NAME         those whose path holds NAME
 *   npm run test:vmm -- VMM --real       the real program, or none
 *   npm run test:vmm -- VMM --record     writes down for docs/vmm-features.md what came of it, if nothing failed
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { findVmm, onlyReal } from '../../e2e/harness/vmm.ts'
import { drivers } from '../../src/config/drivers.ts'
import { buildDir } from '../paths.ts'
import { runE2e } from './e2e-run.ts'
import { endDescendants, mainAbove, supervise } from './supervise.ts'
import { driverSources, recordResults, testResults } from './vmm-results.ts'
import { vmmSuite } from './vmm-suite.ts'

const { values, positionals } = parseArgs({
  args: process.argv.slice(2),
  allowPositionals: true,
  options: { record: { type: 'boolean', default: false }, real: { type: 'boolean', default: false } },
})
const [asked = '', filter = ''] = positionals
const driver = drivers.find((known) => known === asked)
if (driver === undefined) {
  console.error(`unknown VMM ${asked || '(none)'}; known are: ${drivers.join(', ')}`)
  process.exit(2)
}
// Asked here, and by the tests themselves.
if (values.real) process.env[onlyReal] = driver
process.env.KATA_TS_E2E_VMM = driver
const { path, isDouble } = await findVmm(driver).catch(({ message }: Error) => {
  console.error(message)
  return process.exit(2)
})
const [version = ''] = Bun.spawnSync([path, '--version']).stdout.toString().trim().split('\n')
console.log(`${driver}: ${path}, ${isDouble ? 'a double' : 'the real program'}: ${version}`)
supervise(mainAbove(), ({ exitCode }) => void endDescendants().finally(() => process.exit(exitCode)))
const report = join(buildDir, `junit-vmm-${driver}.xml`)
const files = vmmSuite(driver, filter).map((name) => `e2e/${name}.test.ts`)
if (files.length === 0) {
  console.error(`no file of the suite has ${filter} in its path`)
  process.exit(2)
}
const code = await runE2e({ files, report })
if (values.record && existsSync(report)) {
  const date = new Date().toISOString().slice(0, 10)
  const tests = testResults(readFileSync(report, 'utf8'), isDouble ? 'double' : 'real')
  try {
    recordResults(driver, { program: version, isDouble, date, driver: driverSources(driver), tests })
  } catch (error) {
    console.error((error as Error).message)
    process.exit(code === 0 ? 1 : code)
  }
}
process.exit(code)
