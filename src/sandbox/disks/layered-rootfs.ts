/**
 * Root file systems that come as layers, each an erofs in a file, with the recipe of an overlay over them: containerd's erofs
 * snapshotter hands them over so to a runtime that says it can take them. Here the recipe is read; nothing is touched.
 */
import { KataError } from '../../errors.ts'
import type { RootfsMount } from '../../sharing/share.ts'
import { isHostLabel } from './guest-disk.ts'

export interface LayerDisk extends RootfsMount {
  /** Where the guest mounts it. */
  readonly guestPath: string
  /** Files that its data is in, in the order of its table of devices: those of merged layers, whose own file tells of names and modes alone. */
  readonly devices: readonly string[]
  /** What containerd said of dm-verity for it, see {@link layerVerity}; nothing when absent. */
  readonly verity?: string
}

export interface LayeredRootfs {
  /** Disks in the order of the mounts. */
  readonly disks: readonly LayerDisk[]
  /** Options of the overlay, with paths in the guest; empty when the only disk is the root file system itself. */
  readonly overlay: readonly string[]
  /** The directory of the only disk that is the root file system in its place, still to be made: an image without layers. */
  readonly directory?: string
  /** Upper directory on the host, for whose files the guest has to get a disk. */
  readonly hostUpper?: string
}

export interface GuestPlaces {
  /** Where the guest mounts the disk of the mount with that index. */
  layer(index: number): string
  /** Where it mounts the disk that stands for an upper directory of the host: `upper` and `work` are paths on it. */
  readonly scratch: { readonly upper: string; readonly work: string }
}

const lastTypes = ['overlay', 'bind']
const transforms = ['format', 'mkdir']
/** An erofs with other files, in the words of snapshotters that leave it to a machine. */
const templated = 'format/erofs'
/** Options of overlay that mean the same in the guest. */
const kept = /^(ro|rw|volatile|(index|metacopy|redirect_dir|nfs_export|xino)=[a-z_]+)$/
const devicePrefix = 'device='
const isDevice = (word: string) => word.startsWith(devicePrefix)
const ofContainerd = 'X-containerd.'
const verityPrefix = `${ofContainerd}dmverity=`
/** mount(2) takes a page, with the final NUL. */
const maxDataBytes = 4095

/**
 * Whether these are layers and how to put them together, rather than mounts for the host to make. An erofs alone is a layer when it has
 * other files or is to be verified; else it is a disk like any other.
 */
export function hasLayers(mounts: readonly RootfsMount[]): boolean {
  const [first, ...others] = mounts
  if (others.length > 0)
    return mounts.some(({ type }) => type === 'erofs' || type.startsWith(`${transforms[0]}/`))
  const isOwn = (word: string) => isDevice(word) || word.startsWith(ofContainerd)
  return first?.type === templated || (first?.type === 'erofs' && first.options.some(isOwn))
}

/** Undefined for mounts of which none is a layer. @throws KataError ROOTFS_LAYERS. */
export function layeredRootfs(
  mounts: readonly RootfsMount[],
  container: string,
  places: GuestPlaces,
): LayeredRootfs | undefined {
  const last = mounts.at(-1)
  if (last === undefined || !hasLayers(mounts)) return undefined
  const refuse = (reason: string) => new KataError('ROOTFS_LAYERS', { container, reason })
  const disks = (mounts.length === 1 ? mounts : mounts.slice(0, -1)).map((mount, index) => ({
    ...checkedDisk(mount, refuse),
    guestPath: places.layer(index),
  }))
  if (mounts.length === 1) return { disks, overlay: [] }
  const type = baseType(last.type)
  if (type === undefined) throw refuse(`the last mount is of type ${last.type}, and not an overlay`)
  const paths = disks.map(({ guestPath }) => guestPath)
  const fill = (text: string) => filled(text, paths, refuse)
  if (type === 'bind') return { disks, overlay: [], ...shownOf(disks, fill(last.source), refuse) }
  const recipe = readRecipe(last.options.map(fill), refuse)
  return { disks, ...overlayOf(recipe, disks, places, refuse) }
}

type Refuse = (reason: string) => KataError

function baseType(type: string): string | undefined {
  const words = type.split('/')
  const base = words.pop() ?? ''
  return lastTypes.includes(base) && words.every((word) => transforms.includes(word)) ? base : undefined
}

function checkedDisk(mount: RootfsMount, refuse: Refuse): Omit<LayerDisk, 'guestPath'> {
  const { source, options } = mount
  const type = mount.type === templated ? 'erofs' : mount.type
  if (type !== 'erofs' && type !== 'ext4')
    throw refuse(`${source} is of type ${type}, and neither erofs nor ext4`)
  if (type === 'ext4' && options.includes('ro'))
    throw refuse(`${source} is for what is written, and may only be read`)
  const devices = options.filter(isDevice).map((word) => word.slice(devicePrefix.length))
  if (devices.some((path) => type !== 'erofs' || !path.startsWith('/')))
    throw refuse(`${source} has other files (device=), and only an erofs has some, by absolute paths`)
  const [verity, ...more] = options.filter((word) => word.startsWith(verityPrefix))
  const other = options.find((word) => word.startsWith(ofContainerd) && word !== verity)
  if (other !== undefined || more.length > 0 || (verity !== undefined && type !== 'erofs'))
    throw refuse(`${source} has the option ${other ?? verity}, which is not known`)
  const rest = options.filter((word) => !isDevice(word) && word !== verity)
  return {
    type,
    source,
    options: rest,
    devices,
    ...(verity !== undefined && { verity: verity.slice(verityPrefix.length) }),
  }
}

/** What containerd's mount manager would fill in: `{{ mount 0 }}`, `{{ overlay 0 2 }}`. */
function filled(text: string, paths: readonly string[], refuse: Refuse): string {
  return text.replace(/\{\{(.*?)\}\}/g, (whole, inner: string) => {
    const [name = '', ...numbers] = inner.trim().split(/\s+/)
    const indices = numbers.map((word) => (/^\d{1,4}$/.test(word) ? Number(word) : Number.NaN))
    const [from = Number.NaN, to = Number.NaN] = indices
    const known = indices.every((index) => index < paths.length)
    if (known && name === 'mount' && indices.length === 1) return paths[from]!
    if (!known || name !== 'overlay' || indices.length !== 2)
      throw refuse(`${whole} names no mount before it`)
    const range = paths.slice(Math.min(from, to), Math.max(from, to) + 1)
    return (from > to ? range.reverse() : range).join(':')
  })
}

/** What a bind shows: a layer, or a directory of the disk for what is written. */
function shownOf(
  [disk, ...others]: LayeredRootfs['disks'],
  shown: string,
  refuse: Refuse,
): Pick<LayeredRootfs, 'directory'> {
  const { type, guestPath } = disk!
  if (others.length === 0 && type === 'erofs' && shown === guestPath) return {}
  if (others.length === 0 && type === 'ext4' && isChild(shown, guestPath)) return { directory: shown }
  throw refuse('a bind shows one layer, or one directory of a disk for what is written')
}

interface Recipe {
  readonly lower: readonly string[]
  readonly upper: string | undefined
  readonly work: string | undefined
  readonly others: readonly string[]
}

function readRecipe(options: readonly string[], refuse: Refuse): Recipe {
  const valuesOf = (key: string) =>
    options.filter((word) => word.startsWith(`${key}=`)).map((word) => word.slice(key.length + 1))
  const one = (key: string) => {
    const values = valuesOf(key)
    if (values.length > 1) throw refuse(`${key} is there ${values.length} times`)
    return values[0]
  }
  const [upper, work] = [one('upperdir'), one('workdir')]
  if ((upper === undefined) !== (work === undefined)) throw refuse('upperdir and workdir come together')
  for (const wish of valuesOf('X-containerd.mkdir.path'))
    if (![upper, work].some((path) => wish === path || wish === `${path}:0755`))
      throw refuse(`the directory ${wish} is to be made, and only upperdir and workdir are, with mode 0755`)
  const ours = /^(lowerdir|upperdir|workdir|X-containerd\.mkdir\.path)=/
  const others = options.filter((word) => !ours.test(word) && !isHostLabel(word))
  const strange = others.find((word) => !kept.test(word))
  if (strange !== undefined) throw refuse(`the overlay has the option ${strange}`)
  return { lower: (one('lowerdir') ?? '').split(':'), upper, work, others }
}

function overlayOf(
  { lower, upper, work, others }: Recipe,
  disks: LayeredRootfs['disks'],
  { scratch }: GuestPlaces,
  refuse: Refuse,
): Pick<LayeredRootfs, 'overlay' | 'hostUpper'> {
  const layers = disks.filter(({ type }) => type === 'erofs').map(({ guestPath }) => guestPath)
  const foreign = lower.find((path) => !layers.includes(path))
  if (foreign !== undefined) throw refuse(`lowerdir names ${foreign || 'nothing'}, and not one of the layers`)
  const made = (up: string, down: string) =>
    options([`lowerdir=${lower.join(':')}`, `upperdir=${up}`, `workdir=${down}`, ...others], refuse)
  if (upper === undefined || work === undefined) {
    if (lower.length === 1) throw refuse('an overlay that is only read has two layers or more')
    return { overlay: options([`lowerdir=${lower.join(':')}`, ...others], refuse) }
  }
  const disk = disks.find(({ type, guestPath }) => type === 'ext4' && upper.startsWith(`${guestPath}/`))
  if (disk !== undefined) {
    for (const path of [upper, work])
      if (!isChild(path, disk.guestPath))
        throw refuse(`${path} is no directory at the top of the disk for what is written`)
    return { overlay: made(upper, work) }
  }
  if (!upper.startsWith('/')) throw refuse(`upperdir ${upper} is no absolute path`)
  return { overlay: made(scratch.upper, scratch.work), hostUpper: upper }
}

const isChild = (path: string, parent: string): boolean =>
  path.startsWith(`${parent}/`) && /^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(path.slice(parent.length + 1))

function options(words: readonly string[], refuse: Refuse): readonly string[] {
  if (words.join(',').length > maxDataBytes) throw refuse('these are more layers than one overlay takes')
  return words
}
