/**
 * Which VMM the tests run with: KATA_TS_E2E_VMM names its table in configuration.toml, default qemu. A Cloud Hypervisor
 * that KATA_TS_CLOUD_HYPERVISOR names or the path has is taken, else its double.
 */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Config, HypervisorDriver } from '../../src/config/config.ts'
import { configurationOf, drivers } from '../../src/config/drivers.ts'
import { loadConfigText } from '../../src/config/load.ts'
import { silentLogger } from '../../src/log.ts'
import { buildDouble } from '../doubles/cloud-hypervisor/build.ts'
import { isDouble } from '../doubles/common/marker.ts'
import { buildFirecrackerDouble } from '../doubles/firecracker/build.ts'
import { buildJailerDouble } from '../doubles/jailer/build.ts'
import { configuration } from './configuration.ts'

export interface VmmUnderTest {
  readonly driver: HypervisorDriver
  readonly path: string
  /** What starts Firecracker. */
  readonly jailer?: string
  /** It stands in for a program that this machine does not have. */
  readonly isDouble: boolean
}

const root = resolve(import.meta.dir, '../..')

/** Names the VMM of which no double will do. */
export const onlyReal = 'KATA_TS_E2E_REAL'

/** Finds the program, or builds the double. @throws Error where {@link onlyReal} asks for a program that is not there. */
export async function findVmm(driver: HypervisorDriver): Promise<VmmUnderTest> {
  const found = await findOrBuild(driver)
  if (found.isDouble && process.env[onlyReal] === driver)
    throw new Error(`there is no real ${driver} here: ${variables[driver]}, or put it on the path`)
  return found
}

const variables: Readonly<Record<HypervisorDriver, string>> = {
  qemu: 'install it',
  clh: 'name it by KATA_TS_CLOUD_HYPERVISOR',
  firecracker: 'name it and its jailer by KATA_TS_FIRECRACKER and KATA_TS_JAILER',
}

async function findOrBuild(driver: HypervisorDriver): Promise<VmmUnderTest> {
  if (driver === 'qemu') return { driver, path: '/usr/bin/qemu-system-x86_64', isDouble: false }
  if (driver === 'firecracker') return findFirecracker()
  const real = process.env.KATA_TS_CLOUD_HYPERVISOR ?? Bun.which('cloud-hypervisor')
  if (real !== null) return { driver, path: real, isDouble: isDouble(real) }
  const { path } = await buildDouble({ outDir: `${root}/build/doubles` })
  return { driver, path, isDouble: isDouble(path) }
}

/** A Firecracker and its jailer go together: both are real ones, or both doubles. */
async function findFirecracker(): Promise<VmmUnderTest> {
  const real = process.env.KATA_TS_FIRECRACKER ?? Bun.which('firecracker')
  const realJailer = process.env.KATA_TS_JAILER ?? Bun.which('jailer')
  const driver = 'firecracker'
  if (real !== null && realJailer !== null)
    return { driver, path: real, jailer: realJailer, isDouble: [real, realJailer].some(isDouble) }
  const options = { outDir: `${root}/build/doubles` }
  const [{ path }, jailer] = [await buildFirecrackerDouble(options), await buildJailerDouble(options)]
  return { driver, path, jailer: jailer.path, isDouble: isDouble(path) }
}

const asked = process.env.KATA_TS_E2E_VMM ?? 'qemu'
const driver = drivers.find((known) => known === asked)
if (driver === undefined) throw new Error(`KATA_TS_E2E_VMM is ${asked}; known are: ${drivers.join(', ')}`)

export const vmm: VmmUnderTest = await findVmm(driver)

/** How `kata-ts audit` ends where all is as asked for: of the QEMU that a double starts nothing is written down. */
export const auditCode = vmm.isDouble ? 1 : 0

/** A hypervisor table with these lines more; what it does not say has the value of an absent key. */
export function hypervisorTable(lines: string, { driver, path, jailer }: VmmUnderTest = vmm): string {
  const program = /^path = /m.test(lines) ? '' : `path = "${path}"\n`
  const starter = jailer === undefined || /^jailer_path = /m.test(lines) ? '' : `jailer_path = "${jailer}"\n`
  return configuration(`[hypervisor.${driver}]\nrootless = true\n${program}${starter}${lines}`)
}

/** The configuration that we ship for the VMM, with this program. */
export function shippedConfiguration({ driver, path, jailer }: VmmUnderTest = vmm): string {
  const text = readFileSync(`${root}/packaging/configuration${configurationOf(driver).suffix}.toml`, 'utf8')
  return configuration(
    text
      // It insists on KVM, which the tests' host need not have.
      .replace(/^accelerator = .*$/m, 'accelerator = "auto"')
      .replace(/^path = .*$/m, `path = "${path}"`)
      .replace(/^jailer_path = .*$/m, `jailer_path = "${jailer}"`),
  )
}

/** {@link shippedConfiguration}, read. */
export function configurationOfVmm(): Config {
  return loadConfigText('shipped', Buffer.from(shippedConfiguration()), silentLogger)
}
