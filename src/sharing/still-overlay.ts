/**
 * Overlays of the host that do not change: containerd and CRI-O mount an image as an overlay for a container that has the image as a volume. The
 * kernel cannot idmap an overlay, so an unprivileged daemon gets a new overlay of the same layers.
 */
import { mkdirSync, readdirSync, readlinkSync, rmdirSync } from 'node:fs'
import { posix } from 'node:path'
import { KataError } from '../errors.ts'
import { closing, O_PATH, openAt, resolve } from '../linux/files/open-at.ts'
import { mountOf, mountsBelow, unescapeMountPath, unmount } from '../linux/mounts/mount.ts'
import { bindTree, mountAttributes, openLocation } from '../linux/mounts/mount-tree.ts'
import { type Idmap, mappedBind } from './idmap.ts'
import { escapePath } from './rootfs/mapped-overlay.ts'
import { splitLayers } from './rootfs/overlay.ts'
import { mountRootfs } from './rootfs/rootfs-mount.ts'

export interface StillOverlay {
  /** Directories of the host, the top layer first. */
  readonly layers: readonly string[]
  /** Further options that the new overlay needs to show the same content. */
  readonly options: readonly string[]
  /** Path within the overlay; `/` for all of it. */
  readonly path: string
}

/** Options that do not change what a reader sees, as mountinfo writes them. Any other option is unknown to us. */
const meaningless =
  /^(ro|rw|seclabel|volatile|fsync=volatile|metacopy=off|workdir=.*|(index|uuid|xino|nfs_export|redirect_dir)=\w+)$/

/** A label of SELinux stands in quotation marks where it has commas. */
export const optionsIn = (text: string): string[] => text.match(/context="[^"]*"|[^,]+/g) ?? []

/** Undefined if `location` is not on an overlay, the overlay may change, mounts are below it, or its layers cannot be found from here. */
export function stillOverlay(location: number): StillOverlay | undefined {
  const place = readlinkSync(`/proc/self/fd/${location}`)
  const mount = mountOf(location)
  if (mount?.type !== 'overlay' || mountsBelow(place).length > 0) return undefined
  const asked = optionsIn(mount.options).filter((option) => !meaningless.test(option))
  const valuesOf = (key: string) => {
    const prefix = `${key}=`
    return asked.filter((option) => option.startsWith(prefix)).map((option) => option.slice(prefix.length))
  }
  // Nothing that is written to a volatile overlay is kept.
  const isThrownAway = /(^|,)(fsync=)?volatile(,|$)/.test(mount.options)
  const uppers = valuesOf('upperdir').map(unescapeMountPath)
  if (uppers.length > 0 && !(isThrownAway && uppers.every(isEmpty))) return undefined
  const layers = [...valuesOf('lowerdir').flatMap(layersIn), ...valuesOf('lowerdir+').map(unescapeMountPath)]
  const options = asked.filter((option) => !/^(upperdir|lowerdir\+?)=/.test(option))
  // A relative layer belongs to a directory that the mount table does not name. An empty one stands for data-only layers, which have no files of
  // their own.
  const isUnknown = layers.length === 0 || layers.some((layer) => !layer.startsWith('/'))
  if (isUnknown || options.some((option) => option !== 'userxattr' && !option.startsWith('context=')))
    return undefined
  return { layers, options, path: posix.join(mount.root, posix.relative(mount.point, place)) }
}

/** Splits the layers. Two colons precede a data-only layer; the result is then a layer that is not absolute, which the caller rejects. */
function layersIn(value: string): string[] {
  const text = unescapeMountPath(value.replaceAll('\\072', '\\134:'))
  return text.includes('::') ? [''] : splitLayers(text)
}

function isEmpty(directory: string): boolean {
  try {
    return readdirSync(directory).length === 0
  } catch {
    return false
  }
}

export interface StillPlace {
  /** An existing directory or file, of the same kind as the source. */
  readonly target: string
  /** The path in the request, for errors. */
  readonly source: string
  readonly container: string
  readonly idmap: Idmap
  /** A directory of our own on which nothing else is mounted. */
  readonly scratch: string
}

/** Mounts the overlay on `target` for an unprivileged daemon, read-only. @throws KataError SHARE_NOT_IDMAPPABLE. */
export function showStill(overlay: StillOverlay, place: StillPlace): void {
  try {
    show(overlay, place)
  } catch (cause) {
    const { source, container } = place
    const { fields, code } = cause as { fields?: { errno?: unknown; reason?: unknown }; code?: unknown }
    const errno = `its layers: ${fields?.errno ?? fields?.reason ?? code ?? cause}`
    throw new KataError('SHARE_NOT_IDMAPPABLE', { source, container, what: 'it', errno }, { cause })
  }
}

function show({ layers, options, path }: StillOverlay, place: StillPlace): void {
  const { target, container, idmap, scratch, source } = place
  const attributes = mountAttributes.ro
  const within = (top: number, use: (fd: number) => void) =>
    closing(openAt(top, `.${path}`, O_PATH, resolve.beneath | resolve.noSymlinks), use)
  const [only = ''] = layers
  // The kernel mounts no overlay of a single read-only layer.
  if (layers.length === 1) {
    const bind = (fd: number) => mappedBind(fd, target, idmap, { source, container }, { attributes })
    closing(openLocation(only), (top) => within(top, bind))
    return
  }
  const whole = `${scratch}/whole`
  mkdirSync(whole)
  try {
    const lower = `lowerdir=${layers.map(escapePath).join(':')}`
    const overlay = { type: 'overlay', source: 'overlay', options: ['ro', lower, ...options] }
    mountRootfs(overlay, { target: whole, container, idmap, scratch })
    try {
      const nodev = mountAttributes.nodev
      closing(openLocation(whole), (top) =>
        within(top, (fd) => bindTree(fd, target, { attributes: attributes | nodev })),
      )
    } finally {
      unmount(whole)
    }
  } finally {
    rmdirSync(whole)
  }
}
