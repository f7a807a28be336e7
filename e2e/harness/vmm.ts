/**
 * Which VMM the tests run with: KATA_TS_E2E_VMM names its table in configuration.toml, default qemu. Where a real
 * Cloud Hypervisor is named by KATA_TS_CLOUD_HYPERVISOR or lies on the path it is taken, else its double.
 */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Config, HypervisorDriver } from '../../src/config/config.ts'
import { drivers } from '../../src/config/drivers.ts'
import { loadConfigText } from '../../src/config/load.ts'
import { silentLogger } from '../../src/log.ts'
import { buildDouble } from '../doubles/cloud-hypervisor/build.ts'

export interface VmmUnderTest {
  readonly driver: HypervisorDriver
  readonly path: string
  /** It stands in for a program that this machine does not have. */
  readonly isDouble: boolean
}

const root = resolve(import.meta.dir, '../..')

/** Finds the program, or builds the double. Throws for a driver that has neither. */
export async function findVmm(driver: HypervisorDriver): Promise<VmmUnderTest> {
  if (driver === 'qemu') return { driver, path: '/usr/bin/qemu-system-x86_64', isDouble: false }
  if (driver !== 'clh') throw new Error(`there is neither a program nor a double for ${driver}`)
  const real = process.env.KATA_TS_CLOUD_HYPERVISOR ?? Bun.which('cloud-hypervisor')
  if (real !== null) return { driver, path: real, isDouble: false }
  const { path } = await buildDouble({ outDir: `${root}/build/doubles` })
  return { driver, path, isDouble: true }
}

const asked = process.env.KATA_TS_E2E_VMM ?? 'qemu'
const driver = drivers.find((known) => known === asked)
if (driver === undefined) throw new Error(`KATA_TS_E2E_VMM is ${asked}; known are: ${drivers.join(', ')}`)

export const vmm: VmmUnderTest = await findVmm(driver)

/** A hypervisor table with these lines more; what it does not say has the value of an absent key. */
export function hypervisorTable(lines: string, { driver, path }: VmmUnderTest = vmm): string {
  const program = /^path = /m.test(lines) ? '' : `path = "${path}"\n`
  return `[hypervisor.${driver}]\nrootless = true\n${program}${lines}`
}

/** The configuration that we ship for the VMM, with this program. */
export function shippedConfiguration({ driver, path }: VmmUnderTest = vmm): string {
  const file = driver === 'qemu' ? 'configuration.toml' : `configuration-${driver}.toml`
  return readFileSync(`${root}/packaging/${file}`, 'utf8').replace(/^path = .*$/m, `path = "${path}"`)
}

/** {@link shippedConfiguration}, read. */
export function configurationOfVmm(): Config {
  return loadConfigText('shipped', Buffer.from(shippedConfiguration()), silentLogger)
}
