/** Reads the range of user ids leniently, from a configuration that cannot be loaded. */
import { defaultDriver } from '../drivers.ts'
import { findKey, keysFor } from '../keys.ts'
import { Refusal } from '../value-types.ts'
import { findDropIns } from './drop-ins.ts'
import { hypervisorTables } from './hypervisor-tables.ts'
import { findMainFile } from './search.ts'
import { readMainFile, type Table, type TomlFile } from './toml-file.ts'

/** `rootless_uid_base` and `rootless_uid_blocks`. */
export interface UidRangeKeys {
  readonly base: number
  readonly blocks: number
}

/** The range that its files name, as far as they can be read; otherwise the built-in one. Throws nothing. */
export function lenientUidRange(where: Parameters<typeof findMainFile>[0]): UidRangeKeys {
  const tables = attempt(() => findMainFile(where))
    .flatMap((main) =>
      main === undefined
        ? []
        : [() => readMainFile(main.path), ...attempt(() => findDropIns(main.path)).flat()],
    )
    .flatMap((read) => attempt(() => tablesOf(read())).flat())
  return {
    base: lastValue(tables, 'rootless_uid_base'),
    blocks: lastValue(tables, 'rootless_uid_blocks'),
  }
}

function tablesOf(source: TomlFile): Table[] {
  return hypervisorTables(source).map(({ name }) => (source.root.hypervisor as Table)[name] as Table)
}

function lastValue(tables: readonly Table[], key: string): number {
  const { type, shipped } = findKey(keysFor(defaultDriver), 'hypervisor', key)!
  const values = tables.flatMap((table) => (Object.hasOwn(table, key) ? [type.fromToml(table[key])] : []))
  return (values.findLast((value) => !(value instanceof Refusal)) ?? shipped) as number
}

/** A list of one, or of none when it cannot be had. */
function attempt<T>(read: () => T): T[] {
  try {
    return [read()]
  } catch {
    return []
  }
}
