/** `--mount type=bind|volume|tmpfs,...`: docker's longer way to say `--volume` and `--tmpfs`. */
import { KataError } from '../../errors.ts'
import type { TmpfsMount } from '../../oci/defaults/spec-rights.ts'
import { isName } from './name.ts'
import { parseTmpfs } from './rights.ts'
import { parseSize } from './size.ts'
import { namedVolumeOf, type Volume, type VolumePlace, volumeOf } from './volume.ts'

export interface Mounts {
  readonly volumes: readonly Volume[]
  readonly tmpfs: readonly TmpfsMount[]
}

type Fields = ReadonlyMap<string, string>

const synonyms: Readonly<Record<string, string>> = {
  src: 'source',
  dst: 'target',
  destination: 'target',
  ro: 'readonly',
}
/** The fields of each type, beyond `type` and `target`. */
const known: Readonly<Record<string, readonly string[]>> = {
  bind: ['source', 'readonly', 'bind-propagation', 'consistency'],
  volume: ['source', 'readonly', 'volume-nocopy'],
  tmpfs: ['tmpfs-size', 'tmpfs-mode'],
}

/** @throws KataError OPTION_INVALID; what {@link volumeOf} throws. */
export function parseMounts(options: readonly string[], place: VolumePlace): Mounts {
  const mounts = options.map((text) => ({ text, fields: mountFields(text) }))
  return {
    volumes: mounts
      .filter(({ fields }) => fields.get('type') !== 'tmpfs')
      .map((mount) => (mount.fields.get('type') === 'bind' ? bindOf(mount) : namedOf(mount, place))),
    tmpfs: mounts.filter(({ fields }) => fields.get('type') === 'tmpfs').map(tmpfsOf),
  }
}

/** Fields whose value says yes or no. */
const flags: ReadonlySet<string> = new Set(['readonly', 'volume-nocopy'])
/** What docker's words say that changes nothing here: mounts do not propagate into a machine, and who caches is Docker Desktop's affair. */
const withoutEffect: Readonly<Record<string, readonly string[]>> = {
  'bind-propagation': ['private', 'rprivate'],
  consistency: ['default', 'consistent', 'cached', 'delegated'],
}

/** By docker's names, each once, only those of its type, and flags as `true` or `false`. @throws KataError OPTION_INVALID. */
export function mountFields(text: string): Fields {
  const fields = new Map<string, string>()
  for (const [name, word] of wordsOf(text).map(fieldOf)) {
    const value = flags.has(name) ? flagOf(text, name, word) : word
    const harmless = Object.hasOwn(withoutEffect, name) ? withoutEffect[name]! : [value]
    if (!harmless.includes(value))
      refuse(text, `${name}=${harmless.join(', ')}: mounts do not propagate into a machine`)
    // A reader of the first of two would see another mount than a reader of the last.
    if (fields.has(name)) refuse(text, `${name} once`)
    fields.set(name, value)
  }
  // As in docker, it is a volume by name where there is no type.
  const type = fields.get('type') ?? 'volume'
  const names = Object.hasOwn(known, type)
    ? known[type]!
    : refuse(text, 'type=bind, type=volume or type=tmpfs')
  for (const name of fields.keys())
    if (name !== 'type' && name !== 'target' && !names.includes(name))
      refuse(text, `type=${type} with target, ${names.join(', ')}`)
  if (!fields.has('target')) refuse(text, 'a mount with its target=/path')
  return fields
}

/** The fields of a line of CSV, as docker reads it: one in quotes may have commas. */
function wordsOf(text: string): string[] {
  const words = [...text.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^",]*))(?=,|$)/g)]
  const read = words.map(([whole]) => whole).join('')
  if (read !== text) refuse(text, 'fields with quotes around the whole of them, as "source=/a,b"')
  return words.map(([, quoted, plain = '']) => quoted?.replaceAll('""', '"') ?? plain)
}

/** The option that these fields are read from again. */
export const mountText = (fields: Fields): string =>
  [...fields]
    .map(([name, value]) => `${name}=${value}`)
    .map((field) => (/[",]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field))
    .join(',')

/** Go's words for it. */
function flagOf(text: string, name: string, word: string): string {
  if (/^(1|t|true)$/i.test(word)) return 'true'
  if (/^(0|f|false)$/i.test(word)) return 'false'
  return refuse(text, `${name}, ${name}=true or ${name}=false`)
}

function fieldOf(text: string): [name: string, value: string] {
  const equals = text.indexOf('=')
  const [name, value] = equals < 0 ? [text, 'true'] : [text.slice(0, equals), text.slice(equals + 1)]
  return [synonyms[name] ?? name, value]
}

function bindOf({ text, fields }: { text: string; fields: Fields }): Volume {
  return volumeOf(text, {
    source: fields.get('source') ?? '',
    destination: fields.get('target')!,
    options: fields.get('readonly') === 'true' ? 'ro' : 'rw',
  })
}

function namedOf({ text, fields }: { text: string; fields: Fields }, place: VolumePlace): Volume {
  const name = fields.get('source') ?? ''
  if (!isName(name)) refuse(text, 'the name of a volume as its source, or type=bind for a path')
  const access = fields.get('readonly') === 'true' ? 'ro' : 'rw'
  const options = fields.get('volume-nocopy') === 'true' ? `${access},nocopy` : access
  return namedVolumeOf(text, { name, destination: fields.get('target')!, options }, place)
}

function tmpfsOf({ fields }: { fields: Fields }): TmpfsMount {
  const [size, mode] = [fields.get('tmpfs-size'), fields.get('tmpfs-mode')]
  const options = [
    ...(size === undefined ? [] : [`size=${parseSize(size, '--mount tmpfs-size')}`]),
    ...(mode === undefined ? [] : [`mode=${mode}`]),
  ]
  const target = fields.get('target')!
  return parseTmpfs(options.length === 0 ? target : `${target}:${options.join(',')}`)
}

function refuse(value: string, allowed: string): never {
  throw new KataError('OPTION_INVALID', { option: '--mount', value, allowed })
}
