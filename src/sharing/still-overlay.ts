/**
 * An overlay of the host's to which nobody writes: containerd and CRI-O mount an image as one, for a container that has it as a volume. The
 * kernel cannot idmap an overlay, so an unprivileged daemon gets another one, of the same layers.
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
  /** Directories of the host, the topmost first. */
  readonly layers: readonly string[]
  /** Other options that an overlay of the same content needs. */
  readonly options: readonly string[]
  /** What of it is meant; `/` for all. */
  readonly path: string
}

/** Say nothing about what a reader sees; in the form that mountinfo gives them. Any other option is one that we do not know. */
const meaningless =
  /^(ro|rw|seclabel|volatile|fsync=volatile|metacopy=off|workdir=.*|(index|uuid|xino|nfs_export|redirect_dir)=\w+)$/

/** A label of SELinux stands in quotation marks where it has commas. */
export const optionsIn = (text: string): string[] => text.match(/context="[^"]*"|[^,]+/g) ?? []

/** Undefined for what is none, may change, has mounts below it, or has layers that cannot be told from here. */
export function stillOverlay(location: number): StillOverlay | undefined {
  const place = readlinkSync(`/proc/self/fd/${location}`)
  const mount = mountOf(location)
  if (mount?.type !== 'overlay' || mountsBelow(place).length > 0) return undefined
  const asked = optionsIn(mount.options).filter((option) => !meaningless.test(option))
  const valuesOf = (key: string) => {
    const prefix = `${key}=`
    return asked.filter((option) => option.startsWith(prefix)).map((option) => option.slice(prefix.length))
  }
  // Who mounts it volatile keeps nothing of what is written to it.
  const isThrownAway = /(^|,)(fsync=)?volatile(,|$)/.test(mount.options)
  const uppers = valuesOf('upperdir').map(unescapeMountPath)
  if (uppers.length > 0 && !(isThrownAway && uppers.every(isEmpty))) return undefined
  const layers = [...valuesOf('lowerdir').flatMap(layersIn), ...valuesOf('lowerdir+').map(unescapeMountPath)]
  const options = asked.filter((option) => !/^(upperdir|lowerdir\+?)=/.test(option))
  // Relative to a directory that the mount table does not name; or data of other layers, which shows in none.
  const isUnknown = layers.length === 0 || layers.some((layer) => !layer.startsWith('/'))
  if (isUnknown || options.some((option) => option !== 'userxattr' && !option.startsWith('context=')))
    return undefined
  return { layers, options, path: posix.join(mount.root, posix.relative(mount.point, place)) }
}

/** Two colons are before a layer of data: what follows them is not absolute to us. */
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
  /** A directory or file of its kind. */
  readonly target: string
  /** For errors: the path by which it was asked for. */
  readonly source: string
  readonly container: string
  readonly idmap: Idmap
  /** A directory of our own on which nothing else is mounted. */
  readonly scratch: string
}

/** Shows it on `target` to an unprivileged daemon, which can only read it. @throws KataError SHARE_NOT_IDMAPPABLE. */
export function showStill(overlay: StillOverlay, place: StillPlace): void {
  try {
    show(overlay, place)
  } catch (cause) {
    const { source, container } = place
    const { fields, code } = cause as { fields?: { errno?: unknown }; code?: unknown }
    const errno = `its layers: ${fields?.errno ?? code ?? cause}`
    throw new KataError('SHARE_NOT_IDMAPPABLE', { source, container, what: 'it', errno }, { cause })
  }
}

function show({ layers, options, path }: StillOverlay, place: StillPlace): void {
  const { target, container, idmap, scratch, source } = place
  const attributes = mountAttributes.ro
  const within = (top: number, use: (fd: number) => void) =>
    closing(openAt(top, `.${path}`, O_PATH, resolve.beneath | resolve.noSymlinks), use)
  const [only = ''] = layers
  // The kernel makes no overlay of one layer.
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
