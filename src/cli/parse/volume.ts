/**
 * `-v SRC:DST[:OPTION,...]`: a host path shown in the container. Options are `ro`, `rw`, and the file system of a block
 * device or disk image (`ext4`), which the guest then mounts.
 */
import { posix, resolve } from 'node:path'
import { KataError } from '../../errors.ts'
import { lookAtOperatorPath } from '../../linux/files/operator-path.ts'
import { SyscallError } from '../../linux/libc.ts'

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
}

/** Reads one volume option. @throws KataError VOLUME_INVALID, VOLUME_SOURCE_MISSING, SOURCE_LINK. */
export function parseVolume(text: string): Volume {
  const refuse = (reason: string): never => {
    throw new KataError('VOLUME_INVALID', { volume: text, reason })
  }
  const parts = text.split(':')
  if (parts.length < 2 || parts.length > 3) refuse('it needs the form SRC:DST or SRC:DST:ro')
  const [source = '', destination = '', options = 'rw'] = parts
  return volumeOf(text, { source, destination, options })
}

/** The same of its parts; `text` is for messages. */
export function volumeOf(
  text: string,
  {
    source: asked,
    destination,
    options,
  }: { readonly source: string; readonly destination: string; readonly options: string },
): Volume {
  const refuse = (reason: string): never => {
    throw new KataError('VOLUME_INVALID', { volume: text, reason })
  }
  const source = isRelative(asked) ? resolve(asked) : asked
  if (!source.startsWith('/'))
    refuse(`the source ${source || '(empty)'} is not an absolute path${adviceOn(source)}`)
  if (!destination.startsWith('/'))
    refuse(`the destination ${destination || '(empty)'} is not an absolute path`)
  const words = options.split(',')
  const fsTypes = words.filter((word) => word !== 'ro' && word !== 'rw')
  const [fsType] = fsTypes
  if (fsTypes.length > 1 || (fsType !== undefined && !fileSystems.includes(fsType)))
    refuse(`the option ${fsTypes.at(-1) || '(empty)'} is none of ro, rw, ${fileSystems.join(', ')}`)
  const normal = posix.normalize(destination).replace(/(?<=.)\/$/, '')
  if (normal === '/') refuse('the destination may not be /: use --rootfs for that')
  const { path, stat } = lookAt(source, text)
  if (fsType !== undefined && !stat.isFile() && !stat.isBlockDevice())
    refuse(`${source} is neither a block device nor a disk image, so it has no ${fsType}`)
  return {
    source: path,
    destination: normal,
    readonly: words.includes('ro'),
    ...(fsType === undefined ? {} : { fsType }),
    ...(fsType !== undefined && stat.isFile() ? { isImage: true } : {}),
  }
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
  if (source === '') return ''
  return `, and there are no volumes by name; write ./${source} for one of the working directory`
}
