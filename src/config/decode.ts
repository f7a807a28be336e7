/** Turns the tables of one file into checked settings, and warns about what has no effect. */
import { KataError } from '../errors.ts'
import type { Logger } from '../log.ts'
import { factoryKeys, unsupportedHypervisors, unsupportedKeys } from './kata-keys.ts'
import { findKey, type KeySpec, keys, type TableName } from './keys.ts'
import { lineOf } from './locate.ts'
import { nearest } from './nearest.ts'
import { isTable, type Table, type TomlFile } from './toml-file.ts'
import { quoteValue, Refusal, typeName } from './value-types.ts'

/** One key with its value and where it stands. */
export interface Setting {
  readonly spec: KeySpec
  readonly value: unknown
  readonly source: TomlFile
  readonly path: readonly string[]
}

/** `file:line` of a setting. Looked up only for messages: a start should not pay for it. */
export function placeOf({ source, path }: Setting): string {
  return `${source.file}:${lineOf(source.text, path)}`
}

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
 * Decodes one file.
 * @throws KataError CONFIG_TABLE, CONFIG_TYPE or CONFIG_VALUE, each with file, line and what is allowed
 */
export function decode(source: TomlFile, warn: Logger['warn']): Setting[] {
  return Object.entries(source.root).flatMap(([name, value]) => {
    if (name === 'hypervisor')
      return decodeDrivers(source, ['hypervisor'], value, 'qemu', unsupportedHypervisors, warn)
    if (name === 'agent') return decodeDrivers(source, ['agent'], value, 'kata', [], warn)
    if (name === 'runtime') return decodeTable(source, 'runtime', value, warn)
    if (name === 'factory') warnFactory(source, value, warn)
    else warnUnknown(source, [name], nearest(name, ['hypervisor', 'agent', 'runtime', 'factory']), warn)
    return []
  })
}

/** `[hypervisor]` and `[agent]` hold one table for each driver; ours has one driver of each. */
function decodeDrivers(
  source: TomlFile,
  path: readonly [string],
  value: unknown,
  driver: string,
  others: readonly string[],
  warn: Logger['warn'],
): Setting[] {
  const drivers = requireTable(source, path, value, `[${path[0]}.${driver}]`)
  const names = Object.keys(drivers)
  for (const name of names) {
    if (name === driver) continue
    const other = requireTable(source, [...path, name], drivers[name], `[${path[0]}.${driver}]`)
    // A table of another VMM beside ours is ignored; alone, it asks for a VMM that would not be used.
    if (!others.includes(name) || !names.includes(driver))
      throw tableError(source, [...path, name], `[${path[0]}.${driver}]`)
    warn(`[${path[0]}.${name}] has no effect: kata-ts has no driver for it yet`, {
      file: source.file,
      line: lineOf(source.text, [...path, name]),
      keys: Object.keys(other).length,
    })
  }
  const table = `${path[0]}.${driver}` as TableName
  return names.includes(driver) ? decodeTable(source, table, drivers[driver], warn) : []
}

function decodeTable(source: TomlFile, table: TableName, value: unknown, warn: Logger['warn']): Setting[] {
  const path = table.split('.')
  return Object.entries(requireTable(source, path, value, `[${table}]`)).flatMap(([name, raw]) => {
    const spec = findKey(table, name)
    if (spec !== undefined) return [checkValue(source, spec, [...path, name], raw)]
    if (unsupportedKeys[table].includes(name)) warnUnsupported(source, [...path, name], warn)
    else warnUnknown(source, [...path, name], suggestion(table, name), warn)
    return []
  })
}

function checkValue(source: TomlFile, spec: KeySpec, path: readonly string[], raw: unknown): Setting {
  const value = spec.type.fromToml(raw)
  const setting = { spec, value, source, path }
  if (value instanceof Refusal) {
    const { file, line } = place(source, path)
    throw refused(value, { spec, raw, where: placeOf(setting), file, line })
  }
  return setting
}

/** The coded error for a refused value; `where` is a file and line, an option or an annotation. */
export function refused(
  refusal: Refusal,
  {
    spec,
    raw,
    where,
    file = '',
    line = 0,
  }: { spec: KeySpec; raw: unknown; where: string; file?: string; line?: number },
): KataError {
  const { key, type } = spec
  const fields = { where, key, allowed: type.allowed, file, line }
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
  const { file, text } = source
  return new KataError('CONFIG_TABLE', {
    file,
    line: lineOf(text, path),
    table: quoteValue(path.join('.')),
    allowed,
  })
}

function suggestion(table: TableName, name: string): string | undefined {
  const here = keys.filter((spec) => spec.table === table).map((spec) => spec.key)
  const elsewhere = keys.find((spec) => spec.table !== table && spec.key === name)
  return elsewhere === undefined
    ? nearest(name, [...here, ...unsupportedKeys[table]])
    : `${name} in [${elsewhere.table}]`
}

function warnUnknown(
  source: TomlFile,
  path: readonly string[],
  meant: string | undefined,
  warn: Logger['warn'],
): void {
  const hint = meant === undefined ? '' : `; did you mean ${meant}?`
  warn(`unknown configuration key ${quoteValue(path.join('.'))} has no effect${hint}`, place(source, path))
}

function warnUnsupported(source: TomlFile, path: readonly string[], warn: Logger['warn']): void {
  warn(
    `configuration key ${path.join('.')} has no effect: kata-ts does not support it yet`,
    place(source, path),
  )
}

function warnFactory(source: TomlFile, value: unknown, warn: Logger['warn']): void {
  for (const name of Object.keys(requireTable(source, ['factory'], value, '[factory]')))
    if (factoryKeys.includes(name)) warnUnsupported(source, ['factory', name], warn)
    else warnUnknown(source, ['factory', name], nearest(name, factoryKeys), warn)
}

const place = (source: TomlFile, path: readonly string[]) => ({
  file: source.file,
  line: lineOf(source.text, path),
})
