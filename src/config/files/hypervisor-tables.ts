/** The hypervisor tables of configuration files, and which VMM they choose. */
import { KataError } from '../../errors.ts'
import { driverNamed, drivers, type HypervisorDriver } from '../drivers.ts'
import { quoteValue } from '../value-types.ts'
import { isTable, type TomlFile } from './toml-file.ts'

const allowed = drivers.map((driver) => `[hypervisor.${driver}]`).join(', ')

/** A hypervisor table of a file; `name` is its spelling there. */
export interface HypervisorTable {
  readonly driver: HypervisorDriver
  readonly name: string
}

/** The hypervisor tables of one file. @throws KataError CONFIG_TABLE for a table without a driver. */
export function hypervisorTables(source: TomlFile): HypervisorTable[] {
  const { file, root, lineOf } = source
  const refuse = (path: readonly string[]) =>
    new KataError('CONFIG_TABLE', {
      file,
      line: lineOf(path),
      table: quoteValue(path.join('.')),
      allowed,
    })
  if (!Object.hasOwn(root, 'hypervisor')) return []
  if (!isTable(root.hypervisor)) throw refuse(['hypervisor'])
  return Object.entries(root.hypervisor).map(([name, value]) => {
    const driver = driverNamed(name)
    if (driver === undefined || !isTable(value)) throw refuse(['hypervisor', name])
    return { driver, name }
  })
}

/**
 * The one VMM that a file and its drop-ins configure; undefined when they have no hypervisor table.
 * @throws KataError CONFIG_TABLE, CONFIG_CONFLICT when there are tables of two (Kata takes one of them at random), or two of one in a file
 */
export function chosenDriver(files: readonly TomlFile[]): HypervisorDriver | undefined {
  const found = files.flatMap((source) => hypervisorTables(source).map((table) => ({ ...table, source })))
  const [first] = found
  for (const [index, other] of found.entries()) {
    const before = found[index - 1]
    if (other.driver !== first?.driver) throw conflict(other, first!, 'a configuration is for one VMM')
    if (other.source === before?.source) throw conflict(other, before, 'they are two names of one table')
  }
  return first?.driver
}

type PlacedTable = HypervisorTable & { readonly source: TomlFile }

function conflict(table: PlacedTable, other: PlacedTable, why: string): KataError {
  const place = ({ source, name }: PlacedTable) => `${source.file}:${source.lineOf(['hypervisor', name])}`
  return new KataError('CONFIG_CONFLICT', {
    where: place(table),
    reason: `[hypervisor.${table.name}] stands beside [hypervisor.${other.name}] (${place(other)})`,
    hint: `Keep one hypervisor table: ${why}.`,
  })
}
