/**
 * Overlays for an unprivileged daemon. The kernel cannot idmap an overlay, but an overlay over idmapped layers behaves like one. The layers
 * are mounted in a scratch directory. The mounted overlay keeps its own copies and does not need it. Upper and work directory must be on
 * one mount, so their common parent is mounted.
 */
import { closeSync, mkdirSync, realpathSync, rmdirSync } from 'node:fs'
import { withFsIds } from '../../linux/files/fs-identity.ts'
import { unmount } from '../../linux/mounts/mount.ts'
import { type Idmap, mappedBind } from '../idmap.ts'
import { openDirectory } from '../source.ts'
import { overlayOptions, splitLayers } from './overlay.ts'

/** The options of an overlay with its layers at other paths. */
type MountOverlay = (data: string) => void
type OverlayOptions = readonly (readonly [key: string, value: string | undefined])[]

/**
 * Calls `mountIt` with the options of the overlay `data`, its layers replaced by idmapped copies.
 *
 * @param scratch a directory of our own on which nothing else is mounted.
 * @throws KataError SHARE_NOT_IDMAPPABLE; SyscallError; those of {@link openDirectory} for a layer; the errors of realpath(3).
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
    const fd = openDirectory(source, container)
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
    // The kernel makes files in the work directory as the mounting user, which needs an id on that disk.
    withFsIds(idmap.first, idmap.first, () => mountIt(mapped.join(',')))
  } finally {
    for (const target of mounted.reverse()) removeLayer(target)
  }
}

/** The directories of an overlay that must be idmapped, in no order. @throws the errors of realpath(3). */
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

/** The new paths of upper and work directory, by the name of their option. */
function mappedUpper(options: OverlayOptions, show: (source: string) => string): Record<string, string> {
  const directories = writableDirectories(options)
  if (directories.length === 0) return {}
  const parent = commonParent(directories.map(([, path]) => path))
  const shown = show(parent)
  const rest = (path: string) => path.slice(parent === '/' ? 0 : parent.length)
  return Object.fromEntries(directories.map(([key, path]) => [key, escapePath(`${shown}${rest(path)}`)]))
}

/** The deepest directory that contains all `paths`. */
function commonParent(paths: readonly string[]): string {
  const [first = [], ...others] = paths.map((path) => path.split('/'))
  let depth = 0
  while (depth < first.length - 1 && others.every((parts) => parts[depth] === first[depth])) depth++
  return first.slice(0, depth).join('/') || '/'
}

const unescapePath = (value: string): string => value.replace(/\\(.)/gs, '$1')
/** A path as a layer in the options of an overlay. */
export const escapePath = (path: string): string => path.replace(/[\\,:]/g, '\\$&')

function removeLayer(target: string): void {
  try {
    unmount(target)
  } catch {
    // Mounting it had failed.
  }
  rmdirSync(target)
}
