/**
 * Every configuration key that has a meaning in kata-ts, as data (one file for each subject in keys/). Parsing,
 * defaults, validation, suggestions, annotations, packaging/configuration*.toml and docs/configuration.md all come
 * from this one table. Names and the values of absent keys are those of Kata Containers' configuration.toml; where ours
 * differ, `description` says so.
 */
import type { HypervisorDriver } from './config.ts'
import { drivers } from './drivers.ts'
import { type KeySpec, keyFor, type TableName } from './key-spec.ts'
import { agentKeys } from './keys/agent.ts'
import { bootKeys } from './keys/boot.ts'
import { deviceKeys } from './keys/devices.ts'
import { rightsKeys } from './keys/rights.ts'
import { runtimeKeys } from './keys/runtime.ts'
import { shareKeys } from './keys/share.ts'
import { sizeKeys } from './keys/size.ts'

export type { KeySpec, TableName } from './key-spec.ts'
export { fullSeccompSandbox } from './keys/boot.ts'

export const keys: readonly KeySpec[] = [
  ...bootKeys,
  ...rightsKeys,
  ...sizeKeys,
  ...deviceKeys,
  ...shareKeys,
  ...agentKeys,
  ...runtimeKeys,
]

const forDriver = new Map(
  drivers.map((driver) => [driver, keys.map((spec) => keyFor(spec, driver))] as const),
)

/** All keys with the values of this VMM, those without a meaning for it included. */
export const keysFor = (driver: HypervisorDriver): readonly KeySpec[] => forDriver.get(driver)!

/** A key of one table by its name or other spelling, with the values of this VMM. */
export function findKey(driver: HypervisorDriver, table: TableName, name: string): KeySpec | undefined {
  return keysFor(driver).find(
    (spec) => spec.table === table && (spec.key === name || spec.aliases.includes(name)),
  )
}

/** The table's name in a file for this VMM. */
export const tableName = (driver: HypervisorDriver, table: TableName): string =>
  table === 'hypervisor' ? `hypervisor.${driver}` : table
