/** Settings of Kata's that kata-ts does not implement: refused, named in a warning, or silent, by their value. */
import { KataError } from '../../errors.ts'
import type { Logger } from '../../log.ts'
import { hypervisorTables } from '../files/hypervisor-tables.ts'
import { isTable, type TomlFile } from '../files/toml-file.ts'
import { findKey } from '../keys.ts'
import type { KnownKeys } from '../known-keys.ts'
import { quoteValue } from '../value-types.ts'
import { fateOf, type KataKey, type KataTable } from './kata-key.ts'
import { findKataKey, innerTables } from './kata-keys.ts'

/** A value of such a key, and its place. */
interface KataSetting {
  readonly value: unknown
  readonly source: TomlFile
  readonly path: readonly string[]
}

/**
 * Judges what files and drop-ins ask for; of a key that several have, the last value counts, as for every key.
 * @throws KataError CONFIG_UNSUPPORTED for a protection or a limit that kata-ts does not give
 */
export function judgeKataKeys(known: KnownKeys, files: readonly TomlFile[], warn: Logger['warn']): void {
  const settings = new Map(files.flatMap((source) => kataSettings(known, source)))
  const judged = [...settings].map(([key, setting]) => ({ key, setting, fate: fateOf(key, setting.value) }))
  // First what stops everything: warnings about a file that is refused are noise.
  for (const { key, setting, fate } of judged) if (fate === 'refused') throw unsupported(key, setting)
  for (const { key, setting, fate } of judged)
    if (fate === 'warned')
      warn(`configuration key ${setting.path.join('.')} has no effect: ${key.about}`, placeOf(setting))
}

function kataSettings(known: KnownKeys, source: TomlFile): [KataKey, KataSetting][] {
  const tables: [KataTable, string[]][] = [
    ...hypervisorTables(source).map(({ name }): [KataTable, string[]] => [
      'hypervisor',
      ['hypervisor', name],
    ]),
    ['agent.kata', ['agent', 'kata']],
    ['runtime', ['runtime']],
    ['factory', ['factory']],
    ['image', ['image']],
  ]
  return tables.flatMap(([table, path]) => settingsIn(known, source, table, path))
}

function settingsIn(
  known: KnownKeys,
  source: TomlFile,
  table: KataTable,
  path: readonly string[],
): [KataKey, KataSetting][] {
  const found = path.reduce<unknown>(
    (value, name) => (isTable(value) && Object.hasOwn(value, name) ? value[name] : undefined),
    source.root,
  )
  // A value in place of a table is an error of decoding.
  if (!isTable(found)) return []
  return Object.entries(found).flatMap(([name, value]): [KataKey, KataSetting][] => {
    const here = [...path, name]
    const inner = Object.hasOwn(innerTables[table], name) ? innerTables[table][name] : undefined
    if (inner !== undefined) return settingsIn(known, source, inner, here)
    if (findKey(known.keys, table, name) !== undefined) return []
    const key = findKataKey(known.kata(), table, name)
    return key === undefined ? [] : [[key, { value, source, path: here }]]
  })
}

function unsupported({ key, about }: KataKey, setting: KataSetting): KataError {
  const { file, line } = placeOf(setting)
  return new KataError('CONFIG_UNSUPPORTED', {
    where: `${file}:${line}`,
    asked: `${key} = ${quoteValue(setting.value)}`,
    reason: about,
  })
}

const placeOf = ({ source, path }: KataSetting) => ({
  file: source.file,
  line: source.lineOf(path),
})
