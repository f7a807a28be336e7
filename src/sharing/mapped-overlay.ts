/**
 * Overlays for an unprivileged daemon. The kernel idmaps no overlay, but one over idmapped layers behaves as one: the
 * layers are mounted in a scratch directory, which the overlay needs no longer once it is mounted (it keeps copies of
 * its own). Upper and work directory must be of one mount, so their common parent is what is mounted.
 */
import { closeSync, mkdirSync, realpathSync, rmdirSync } from 'node:fs'
import { withFsIds } from '../linux/files/fs-identity.ts'
import { unmount } from '../linux/mounts/mount.ts'
import { openLocation } from '../linux/mounts/mount-tree.ts'
import { type Idmap, mappedBind } from './idmap.ts'
import { overlayOptions, splitLayers } from './overlay.ts'

/** The options of an overlay with other layers: the same ones, shown elsewhere. */
type MountOverlay = (data: string) => void
type OverlayOptions = readonly (readonly [key: string, value: string | undefined])[]

/**
 * Calls `mountIt` with the options of the overlay `data`, its layers replaced by idmapped copies.
 *
 * @param scratch a directory of our own on which nothing else is mounted.
 * @throws KataError SHARE_NOT_IDMAPPABLE; SyscallError; the errors of realpath(3) and open(2) for a layer.
 */
export function withMappedLayers(
  data: string,
  idmap: Idmap,
  container: string,
  scratch: string,
  mountIt: MountOverlay,
): void {
  const options = overlayOptions(data)
  const mounted: string[] = []
  /** Mounts a copy of `source` and returns where. */
  const show = (source: string): string => {
    const target = `${scratch}/${mounted.length}`
    mkdirSync(target)
    mounted.push(target)
    const fd = openLocation(source)
    try {
      mappedBind(fd, target, idmap, { source, container })
    } finally {
      closeSync(fd)
    }
    return target
  }
  try {
    const upper = mappedUpper(options, show)
    const mapped = options.map(([key, value]) => {
      if (key === 'lowerdir') return `lowerdir=${splitLayers(value).map(show).join(':')}`
      if (key in upper) return `${key}=${upper[key]}`
      return value === undefined ? key : `${key}=${value}`
    })
    // The kernel makes files in the work directory as whoever mounts: who has no id on disk there cannot.
    withFsIds(idmap.first, idmap.first, () => mountIt(mapped.join(',')))
  } finally {
    for (const target of mounted.reverse()) removeLayer(target)
  }
}

/** The directories of an overlay that must be idmapped for it, in no order. @throws the errors of realpath(3). */
export function mappedDirectories(data: string): string[] {
  const options = overlayOptions(data)
  const lower = options.filter(([key]) => key === 'lowerdir').flatMap(([, value]) => splitLayers(value))
  const writable = writableDirectories(options)
  return writable.length === 0 ? lower : [...lower, commonParent(writable.map(([, path]) => path))]
}

/** Upper and work directory, by the name of their option. */
function writableDirectories(options: OverlayOptions): [string, string][] {
  return options
    .filter(([key]) => key === 'upperdir' || key === 'workdir')
    .map(([key, value = '']) => [key, realpathSync(unescapePath(value))])
}

/** Where upper and work directory are shown, by the name of their option. */
function mappedUpper(options: OverlayOptions, show: (source: string) => string): Record<string, string> {
  const directories = writableDirectories(options)
  if (directories.length === 0) return {}
  const parent = commonParent(directories.map(([, path]) => path))
  const shown = show(parent)
  const rest = (path: string) => path.slice(parent === '/' ? 0 : parent.length)
  return Object.fromEntries(directories.map(([key, path]) => [key, escapePath(`${shown}${rest(path)}`)]))
}

/** The deepest directory that all `paths` lie below, none of them itself unless it is the only one. */
function commonParent(paths: readonly string[]): string {
  const [first = [], ...others] = paths.map((path) => path.split('/'))
  let depth = 0
  while (depth < first.length - 1 && others.every((parts) => parts[depth] === first[depth])) depth++
  return first.slice(0, depth).join('/') || '/'
}

const unescapePath = (value: string): string => value.replace(/\\(.)/gs, '$1')
const escapePath = (path: string): string => path.replace(/[\\,:]/g, '\\$&')

function removeLayer(target: string): void {
  try {
    unmount(target)
  } catch {
    // Mounting it had failed.
  }
  rmdirSync(target)
}
