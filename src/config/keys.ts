/**
 * Every configuration key that has a meaning in kata-ts, as data: those of keys/ (one file for each subject), and those of
 * each driver's own folder (src/vmm/<driver>/configuration), with what the drivers say of all of them. Parsing,
 * defaults, validation, suggestions, annotations, packaging/configuration*.toml and docs/configuration.md all come
 * from this one table. Names and the values of absent keys are those of Kata Containers' configuration.toml; where ours
 * differ, `description` says so.
 */
import type { HypervisorDriver } from './config.ts'
import type { DriverConfiguration, Field } from './driver-configuration.ts'
import { configurationOf, configurations, drivers } from './drivers.ts'
import type { KataTable } from './kata/kata-key.ts'
import { type Key, type KeySpec, keyFor, type TableName } from './key-spec.ts'
import { agentKeys } from './keys/agent.ts'
import { bootKeys } from './keys/boot.ts'
import { deviceKeys } from './keys/devices.ts'
import { factoryKeys } from './keys/factory.ts'
import { limitKeys } from './keys/limits.ts'
import { rightsKeys } from './keys/rights.ts'
import { runtimeKeys } from './keys/runtime.ts'
import { shareKeys } from './keys/share.ts'
import { sizeKeys } from './keys/size.ts'

export type { KeySpec, TableName } from './key-spec.ts'

/** With what the drivers say of them. The table is large and is built anew for each call: see kata/kata-keys.ts. */
export function allKeys(): readonly KeySpec[] {
  const owners = new Map(configurations.flatMap((one) => one.keys.map(({ key }) => [key, one] as const)))
  return configurations
    .flatMap(({ keys }) => keys)
    .reduce(placed, common())
    .map((key) => withDrivers(key, owners.get(key.key)))
}

const common = (): readonly Key[] => [
  ...bootKeys(),
  ...rightsKeys(),
  ...sizeKeys(),
  ...deviceKeys(),
  ...limitKeys(),
  ...shareKeys(),
  ...agentKeys(),
  ...runtimeKeys(),
  ...factoryKeys(),
]

/** The keys with a driver's own one behind the key that it names. @throws Error when there is none of that name. */
function placed(before: readonly Key[], own: Key): readonly Key[] {
  const at = before.findIndex(({ table, key }) => table === own.table && key === own.after)
  if (at === -1) throw new Error(`${own.key} stands behind ${own.after}, which is no key of ${own.table}`)
  return before.toSpliced(at + 1, 0, own)
}

/** `owner`: of a key that one driver alone has. */
function withDrivers(key: Key, owner: DriverConfiguration | undefined): KeySpec {
  const field = key.field as Field
  const having = configurations.filter(
    (one) => (owner === undefined || one === owner) && (!key.optional || one.has.includes(field)),
  )
  const said = <T>(of: (one: (typeof configurations)[number]) => T | undefined) =>
    Object.fromEntries(
      configurations.flatMap((one) => {
        const value = of(one)
        return value === undefined ? [] : [[one.driver, value] as const]
      }),
    )
  return {
    ...key,
    drivers: having.map(({ driver }) => driver),
    perDriver: said(({ values }) => values[field]),
    impossible: said((one) => one.impossible[field] ?? (having.includes(one) ? undefined : key.elsewhere)),
  }
}

/** All keys with the values of this VMM, those without a meaning for it included. */
export const keysFor = (driver: HypervisorDriver): readonly KeySpec[] =>
  allKeys().map((spec) => keyFor(spec, driver))

/** A key of one table by its name or other spelling, among those of one VMM; tables that Kata alone has have none. */
export function findKey(among: readonly KeySpec[], table: KataTable, name: string): KeySpec | undefined {
  return among.find((spec) => spec.table === table && (spec.key === name || spec.aliases.includes(name)))
}

/** Whether an optional key has a meaning for this VMM. */
export const hasKey = (driver: HypervisorDriver, field: Field): boolean =>
  configurationOf(driver).has.includes(field)

/** The tables of the VMMs that have an optional key, for remedies: `[hypervisor.a] or [hypervisor.b]`. */
export const tablesWith = (field: Field): string =>
  drivers
    .filter((driver) => hasKey(driver, field))
    .map((driver) => `[${tableName(driver, 'hypervisor')}]`)
    .join(' or ')

/** The table's name in a file for this VMM. */
export const tableName = (driver: HypervisorDriver, table: TableName): string =>
  table === 'hypervisor' ? `hypervisor.${driver}` : table
