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
  bind: ['source', 'readonly'],
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

/** By docker's names, each once, and only those of its type. @throws KataError OPTION_INVALID. */
export function mountFields(text: string): Fields {
  const fields = new Map<string, string>()
  for (const [name, value] of text.split(',').map(fieldOf)) {
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

function fieldOf(text: string): [name: string, value: string] {
  const equals = text.indexOf('=')
  const [name, value] = equals < 0 ? [text, 'true'] : [text.slice(0, equals), text.slice(equals + 1)]
  return [synonyms[name] ?? name, value]
}

function bindOf({ text, fields }: { text: string; fields: Fields }): Volume {
  return volumeOf(text, {
    source: fields.get('source') ?? '',
    destination: fields.get('target')!,
    options: isTrue(text, fields, 'readonly') ? 'ro' : 'rw',
  })
}

function namedOf({ text, fields }: { text: string; fields: Fields }, place: VolumePlace): Volume {
  const name = fields.get('source') ?? ''
  if (!isName(name)) refuse(text, 'the name of a volume as its source, or type=bind for a path')
  const access = isTrue(text, fields, 'readonly') ? 'ro' : 'rw'
  const options = isTrue(text, fields, 'volume-nocopy') ? `${access},nocopy` : access
  return namedVolumeOf(text, { name, destination: fields.get('target')!, options }, place)
}

function isTrue(text: string, fields: Fields, name: string): boolean {
  const value = fields.get(name) ?? 'false'
  if (!['true', 'false', '1', '0'].includes(value)) refuse(text, `${name}, ${name}=true or ${name}=false`)
  return value === 'true' || value === '1'
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
