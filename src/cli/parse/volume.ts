/**
 * `-v SRC:DST[:OPTION,...]`: a host path, or a volume by its name, shown in the container. Options are `ro`, `rw`, and the file system
 * of a block device or disk image (`ext4`), which the guest then mounts; and those of docker's that mean nothing here, or are refused.
 */
import { resolve } from 'node:path'
import { KataError } from '../../errors.ts'
import { lookAtOperatorPath } from '../../linux/files/operator-path.ts'
import { SyscallError } from '../../linux/libc.ts'
import { isName } from './name.ts'
import { destinationOf } from './place-in-container.ts'

/** File systems that the kernel of `kata-ts guest build` can mount, and those that an operator's kernel may. */
const fileSystems = ['ext4', 'ext3', 'ext2', 'xfs', 'btrfs', 'erofs', 'squashfs', 'vfat']

export interface Volume {
  /** Absolute host path with symlinks resolved, so that the runtime mounts what was looked at. */
  readonly source: string
  /** Absolute, normalised path in the container; never `/`. */
  readonly destination: string
  readonly readonly: boolean
  /** The file system of a disk. */
  readonly fsType?: string
  /** The disk is an image: a regular file. */
  readonly isImage?: true
  /** The name of a volume, whose files are at `source` once it was made. */
  readonly name?: string
  /** The volume is not filled from the image. */
  readonly noCopy?: true
}

/** Where the files of a volume are. */
export type VolumePlace = (name: string) => string

/**
 * What docker's words about access say on a host: a label of SELinux is for a container's processes, which are in a machine here; when the
 * host may cache a file is Docker Desktop's affair; and mounts made later do not show up in either direction, which is `rprivate`.
 */
const withoutEffect: ReadonlySet<string> = new Set([
  ...['z', 'Z', 'cached', 'delegated', 'consistent', 'private', 'rprivate'],
])
const refused: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    ['shared', 'rshared', 'slave', 'rslave'].map((word) => [word, 'mounts do not propagate into a machine']),
  ),
  U: 'owners of the host’s files are not changed; run chown yourself',
  copy: 'an empty volume is filled anyway',
}

/** Reads one volume option. @throws KataError VOLUME_INVALID, VOLUME_SOURCE_MISSING, SOURCE_LINK. */
export function parseVolume(text: string, place: VolumePlace): Volume {
  const parts = text.split(':')
  if (parts.length === 1 && text.startsWith('/'))
    refuse(text, 'every volume has a name here: write NAME:/path')
  if (parts.length < 2 || parts.length > 3) refuse(text, 'it needs the form SRC:DST or SRC:DST:ro')
  const [source = '', destination = '', options = 'rw'] = parts
  return isName(source)
    ? namedVolumeOf(text, { name: source, destination, options }, place)
    : volumeOf(text, { source, destination, options })
}

/** A volume by name; `text` is for messages. @throws KataError VOLUME_INVALID. */
export function namedVolumeOf(
  text: string,
  {
    name,
    destination,
    options,
  }: { readonly name: string; readonly destination: string; readonly options: string },
  place: VolumePlace,
): Volume {
  const words = wordsOf(text, options)
  const other = words.find((word) => !['ro', 'rw', 'nocopy'].includes(word))
  if (other !== undefined)
    refuse(text, `the option ${other || '(empty)'} of a volume by name is none of ro, rw, nocopy`)
  return {
    source: place(name),
    destination: destinationOf(text, destination, name),
    readonly: words.includes('ro'),
    name,
    ...(words.includes('nocopy') ? { noCopy: true } : {}),
  }
}

/** The same of its parts, with a host path; `text` is for messages. */
export function volumeOf(
  text: string,
  {
    source: asked,
    destination,
    options,
  }: { readonly source: string; readonly destination: string; readonly options: string },
): Volume {
  const source = isRelative(asked) ? resolve(asked) : asked
  if (!source.startsWith('/'))
    refuse(text, `the source ${source || '(empty)'} is not an absolute path${adviceOn(source)}`)
  const target = destinationOf(text, destination, source)
  const words = wordsOf(text, options)
  const fsTypes = words.filter((word) => word !== 'ro' && word !== 'rw')
  const [fsType] = fsTypes
  if (fsTypes.length > 1 || (fsType !== undefined && !fileSystems.includes(fsType)))
    refuse(text, `the option ${fsTypes.at(-1) || '(empty)'} is none of ro, rw, ${fileSystems.join(', ')}`)
  const { path, stat } = lookAt(source, text)
  if (fsType !== undefined && !stat.isFile() && !stat.isBlockDevice())
    refuse(text, `${source} is neither a block device nor a disk image, so it has no ${fsType}`)
  return {
    source: path,
    destination: target,
    readonly: words.includes('ro'),
    ...(fsType === undefined ? {} : { fsType }),
    ...(fsType !== undefined && stat.isFile() ? { isImage: true } : {}),
  }
}

/** The options that mean something. */
function wordsOf(text: string, options: string): string[] {
  const words = options.split(',').filter((word) => !withoutEffect.has(word))
  for (const word of words)
    if (Object.hasOwn(refused, word)) refuse(text, `the option ${word} is not taken: ${refused[word]}`)
  if (words.filter((word) => word === 'ro' || word === 'rw').length > 1)
    refuse(text, 'it names ro or rw more than once')
  return words
}

function refuse(volume: string, reason: string): never {
  throw new KataError('VOLUME_INVALID', { volume, reason })
}

function lookAt(source: string, volume: string) {
  try {
    return lookAtOperatorPath(source)
  } catch (cause) {
    if (!(cause instanceof SyscallError)) throw cause
    throw new KataError('VOLUME_SOURCE_MISSING', { source, volume }, { cause })
  }
}

/** As docker tells a path from the name of a volume. */
const isRelative = (source: string): boolean => /^\.{1,2}(\/|$)/.test(source)

function adviceOn(source: string): string {
  return source === '' ? '' : `, nor a name; write ./${source} for one of the working directory`
}
