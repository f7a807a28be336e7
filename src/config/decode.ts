/** Turns the tables of one file into checked settings, and warns about what has no effect. */

import { KataError } from '../errors.ts'
import { isEqual } from '../json/is-equal.ts'
import type { Logger } from '../log.ts'
import { driverNamed, nameOf } from './drivers.ts'
import { hypervisorTables } from './files/hypervisor-tables.ts'
import { isTable, type Table, type TomlFile } from './files/toml-file.ts'
import type { KataTable } from './kata/kata-key.ts'
import {
  findKataKey,
  innerTables,
  kataKeyNames,
  movedKeys,
  refusedValue,
  unsetByEmpty,
} from './kata/kata-keys.ts'
import { asksForNothing, requirePossible } from './key-support.ts'
import { findKey, type KeySpec, type TableName, tableName } from './keys.ts'
import type { KnownKeys } from './known-keys.ts'
import { nearest } from './nearest.ts'
import { type UnknownKeys, unknownKeys } from './unknown-keys.ts'
import { quoteValue, Refusal, typeName } from './value-types.ts'

/** One key with its value and its place. */
export interface Setting {
  readonly spec: KeySpec
  /** undefined: the key counts as absent, whatever an earlier file says. */
  readonly value: unknown
  readonly source: TomlFile
  readonly path: readonly string[]
}

/** `file:line` of a setting. Looked up only for messages: a start should not pay for it. */
export const placeOf = ({ source, path }: Setting): string => whereOf(source, path)

const whereOf = ({ file, lineOf }: TomlFile, path: readonly string[]): string => `${file}:${lineOf(path)}`

/** Says each text once, however many files repeat its cause. */
export function warnOnce(log: Logger): Logger['warn'] {
  const said = new Set<string>()
  return (message, fields) => {
    if (said.has(message)) return
    said.add(message)
    log.warn(message, fields)
  }
}

/**
 * Decodes one file for the VMM that was chosen ({@link chosenDriver}), with the keys that it may have.
 * @throws KataError CONFIG_TABLE, CONFIG_WALL_MISSPELLED, CONFIG_UNSUPPORTED, CONFIG_TYPE, CONFIG_VALUE, CONFIG_VMM_CANNOT or
 *   CONFIG_CONFLICT, each with file, line and what is allowed
 */
export function decode(source: TomlFile, known: KnownKeys, warn: Logger['warn']): Setting[] {
  const unknown = unknownKeys(source, known, warn)
  const decoding = { source, known, unknown, warn }
  const table = (name: TableName, path: readonly string[], value: unknown) =>
    decodeTable(decoding, name, path, value)
  const settings = Object.entries(source.root).flatMap(([name, value]) => {
    if (name === 'hypervisor')
      return hypervisorTables(source).flatMap((found) =>
        table('hypervisor', ['hypervisor', found.name], (value as Table)[found.name]),
      )
    if (name === 'agent') return table('agent.kata', ['agent', 'kata'], onlyKata(source, value))
    if (name === 'runtime') return table('runtime', ['runtime'], value)
    if (name === 'factory') return table('factory', ['factory'], value)
    if (name === 'image') {
      decodeUnused(decoding, 'image', ['image'], value)
      return []
    }
    unknown.add([name], value, () => nearest(name, ['hypervisor', 'agent', 'runtime', 'factory']))
    return []
  })
  unknown.end()
  for (const setting of settings) requireOneValue(setting, settings)
  return settings
}

/** A file may have a key by two spellings or in two tables. Which of them a person meant cannot be known. @throws KataError CONFIG_CONFLICT */
function requireOneValue(setting: Setting, settings: readonly Setting[]): void {
  const other = settings.find(({ spec, value }) => spec === setting.spec && !isEqual(value, setting.value))
  if (other !== undefined)
    throw new KataError('CONFIG_CONFLICT', {
      where: placeOf(other),
      reason: `${other.path.join('.')} contradicts ${setting.path.join('.')} (${placeOf(setting)}), which is the same key`,
      hint: 'Keep one of them.',
    })
}

/** `[agent]` holds one table for each kind of agent; ours is Kata's. */
function onlyKata(source: TomlFile, value: unknown): unknown {
  const agents = requireTable(source, ['agent'], value, '[agent.kata]')
  for (const name of Object.keys(agents))
    if (name !== 'kata') throw tableError(source, ['agent', name], '[agent.kata]')
  return Object.hasOwn(agents, 'kata') ? agents.kata : {}
}

/** The state of decoding one file. */
interface Decoding {
  readonly source: TomlFile
  readonly known: KnownKeys
  readonly unknown: UnknownKeys
  readonly warn: Logger['warn']
}

function decodeTable(
  decoding: Decoding,
  table: TableName,
  path: readonly string[],
  value: unknown,
): Setting[] {
  const { source, known, warn } = decoding
  const { driver, keys } = known
  const found = requireTable(source, path, value, `[${tableName(driver, table)}]`)
  return Object.entries(found).flatMap(([name, raw]) => {
    const here = [...path, name]
    const spec = findKey(keys, table, name) ?? findKey(keys, ...(movedKeys[here.join('.')] ?? [table, name]))
    if (spec === undefined) return decodeOther(decoding, table, here, raw)
    const where = () => whereOf(source, here)
    const reason = refusedValue(spec.key, raw)
    if (reason !== undefined)
      throw new KataError('CONFIG_UNSUPPORTED', {
        where: where(),
        asked: `${name} = ${quoteValue(raw)}`,
        reason,
      })
    const isUnset = raw === '' && unsetByEmpty.includes(spec.key)
    if (!spec.drivers.includes(driver)) {
      if (isUnset) return []
      requirePossible(driver, { spec, value: raw, where: where() })
      if (!asksForNothing(spec, spec.type.fromToml(raw)))
        warn(`configuration key ${here.join('.')} has no meaning for ${nameOf(driver)}`, place(source, here))
      return []
    }
    if (isUnset) return [{ spec, value: undefined, source, path: here }]
    return [checkValue(source, spec, here, raw)]
  })
}

/**
 * A table inside of another, or a key that kata-ts does not implement: Kata's are judged by their values (kata-settings.ts),
 * others are a warning.
 */
function decodeOther(decoding: Decoding, table: TableName, path: readonly string[], raw: unknown): Setting[] {
  const name = path.at(-1)!
  const inner = Object.hasOwn(innerTables[table], name) ? innerTables[table][name] : undefined
  if (inner === undefined) decodeUnknown(decoding, table, path, raw)
  else if (inner !== 'mem_agent') return decodeTable(decoding, inner, path, raw)
  else decodeUnused(decoding, inner, path, raw)
  return []
}

function decodeUnknown(decoding: Decoding, table: TableName, path: readonly string[], raw: unknown): void {
  const { known, unknown } = decoding
  const name = path.at(-1)!
  if (table === 'runtime' && name === 'hypervisor_name') requireSameHypervisor(decoding, path, raw)
  else if (findKataKey(known.kata(), table, name) === undefined) {
    unknown.add(path, raw, () => suggestion(known, table, name))
  }
}

/** A table of keys that kata-ts does not implement. @throws KataError CONFIG_TABLE, and as {@link UnknownKeys} */
function decodeUnused(
  { source, known, unknown }: Decoding,
  table: KataTable,
  path: readonly string[],
  value: unknown,
): void {
  for (const [name, raw] of Object.entries(requireTable(source, path, value, `[${path.join('.')}]`)))
    if (findKataKey(known.kata(), table, name) === undefined) {
      unknown.add([...path, name], raw, () => nearest(name, kataKeyNames(known.kata(), table)))
    }
}

/**
 * runtime-rs writes into every file which parts it is made of.
 * @throws KataError CONFIG_CONFLICT when it names another VMM than the hypervisor table
 */
function requireSameHypervisor({ source, known }: Decoding, path: readonly string[], value: unknown): void {
  const { driver } = known
  if (typeof value === 'string' && driverNamed(value) === driver) return
  throw new KataError('CONFIG_CONFLICT', {
    where: whereOf(source, path),
    reason: `hypervisor_name = ${quoteValue(value)} disagrees with [hypervisor.${driver}]`,
    hint: 'Remove it: the hypervisor table chooses the VMM.',
  })
}

function checkValue(source: TomlFile, spec: KeySpec, path: readonly string[], raw: unknown): Setting {
  const value = spec.type.fromToml(raw)
  const setting = { spec, value, source, path }
  if (value instanceof Refusal) {
    throw refused(value, { spec, raw, where: placeOf(setting) })
  }
  return setting
}

/** The coded error for a refused value; `where` is a file and line, an option or an annotation. */
export function refused(
  refusal: Refusal,
  { spec, raw, where }: { spec: KeySpec; raw: unknown; where: string },
): KataError {
  const { key, type } = spec
  const fields = { where, key, allowed: type.allowed }
  return refusal.wrong === 'type'
    ? new KataError('CONFIG_TYPE', { ...fields, expected: type.name, got: describeValue(raw) })
    : new KataError('CONFIG_VALUE', { ...fields, value: quoteValue(raw) })
}

const describeValue = (raw: unknown) =>
  isTable(raw) ? typeName(raw) : `${typeName(raw)} (${quoteValue(raw)})`

function requireTable(source: TomlFile, path: readonly string[], value: unknown, allowed: string): Table {
  if (!isTable(value)) throw tableError(source, path, allowed)
  return value
}

function tableError(source: TomlFile, path: readonly string[], allowed: string): KataError {
  return new KataError('CONFIG_TABLE', {
    file: source.file,
    line: source.lineOf(path),
    table: quoteValue(path.join('.')),
    allowed,
  })
}

function suggestion({ driver, keys, kata }: KnownKeys, table: TableName, name: string): string | undefined {
  const here = keys.filter((spec) => spec.table === table && spec.drivers.includes(driver))
  const elsewhere = keys.find((spec) => spec.table !== table && spec.key === name)
  return elsewhere === undefined
    ? nearest(name, [...here.map((spec) => spec.key), ...kataKeyNames(kata(), table)])
    : `${name} in [${tableName(driver, elsewhere.table)}]`
}

const place = (source: TomlFile, path: readonly string[]) => ({
  file: source.file,
  line: source.lineOf(path),
})
