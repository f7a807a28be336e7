/**
 * The VMMs, each with the data in its own folder: the one place outside of those folders that names them, beside the list of
 * their code in src/vmm/create.ts, to which the compiler holds it.
 */
import { cloudHypervisor } from '../vmm/cloud-hypervisor/configuration/configuration.ts'
import { firecracker } from '../vmm/firecracker/configuration/configuration.ts'
import type { FirecrackerFields } from '../vmm/firecracker/configuration/keys.ts'
import { qemu } from '../vmm/qemu/configuration/configuration.ts'
import type { QemuFields } from '../vmm/qemu/configuration/keys.ts'
import type { DriverConfiguration } from './driver-configuration.ts'

/** In the order of messages and documentation; the first is the default. */
const listed = [qemu, cloudHypervisor, firecracker] as const

/** What their own keys set. */
export interface DriverFields extends QemuFields, FirecrackerFields {}

/** Nothing compiles with a name that is not written as a literal: the type would take any text. */
type Literal<Name extends string> = string extends Name ? never : Name

/** Which VMM: the name of the table `[hypervisor.<driver>]`. */
export type HypervisorDriver = Literal<(typeof listed)[number]['driver']>

/** Their data, in that order. */
export const configurations: readonly (DriverConfiguration & { readonly driver: HypervisorDriver })[] = listed

export const drivers: readonly HypervisorDriver[] = configurations.map(({ driver }) => driver)

/** What is used where no file has a hypervisor table. */
export const defaultDriver: HypervisorDriver = listed[0].driver

const byName = new Map(configurations.map((configuration) => [configuration.driver, configuration]))

export const configurationOf = (driver: HypervisorDriver): DriverConfiguration => byName.get(driver)!

/** A driver by its name in a file. */
export const driverNamed = (name: string): HypervisorDriver | undefined =>
  configurations.find(({ driver, aliases }) => driver === name || aliases.includes(name))?.driver

/** How people call it. */
export const nameOf = (driver: HypervisorDriver): string => configurationOf(driver).name
