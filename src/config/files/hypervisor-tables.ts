/** The hypervisor tables of configuration files, and which VMM they choose. */
import { KataError } from '../../errors.ts'
import { driverNamed, drivers, type HypervisorDriver } from '../drivers.ts'
import { quoteValue } from '../value-types.ts'
import { lineOf } from './locate.ts'
import { isTable, type TomlFile } from './toml-file.ts'

const allowed = drivers.map((driver) => `[hypervisor.${driver}]`).join(', ')

/** A hypervisor table of a file; `name` is its spelling there. */
export interface HypervisorTable {
  readonly driver: HypervisorDriver
  readonly name: string
}

/** The hypervisor tables of one file. @throws KataError CONFIG_TABLE for a table without a driver. */
export function hypervisorTables(source: TomlFile): HypervisorTable[] {
  const { file, text, root } = source
  const refuse = (path: readonly string[]) =>
    new KataError('CONFIG_TABLE', {
      file,
      line: lineOf(text, path),
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
 * @throws KataError CONFIG_TABLE, CONFIG_CONFLICT when there are tables of two: Kata takes one of them at random
 */
export function chosenDriver(files: readonly TomlFile[]): HypervisorDriver | undefined {
  const found = files.flatMap((source) => hypervisorTables(source).map((table) => ({ ...table, source })))
  const [first] = found
  const other = found.find(({ driver }) => driver !== first?.driver)
  if (first !== undefined && other !== undefined) {
    const place = ({ source, name }: typeof first) =>
      `${source.file}:${lineOf(source.text, ['hypervisor', name])}`
    throw new KataError('CONFIG_CONFLICT', {
      where: place(other),
      reason: `[hypervisor.${other.name}] stands beside [hypervisor.${first.name}] (${place(first)})`,
      hint: 'Keep one hypervisor table: a configuration is for one VMM.',
    })
  }
  return first?.driver
}
