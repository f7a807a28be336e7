/**
 * The files of a container on the host, walked as an overlay shows them or as what the container has changed. A guest may be writing to
 * them, and we are root: every name is opened beneath its directory and through no link.
 */
import { closeSync, constants, fstatSync, openSync, readlinkSync, type Stats } from 'node:fs'
import { readEntries, rewind } from '../linux/files/directory.ts'
import { closing, O_PATH, openAt, resolve } from '../linux/files/open-at.ts'
import { SyscallError } from '../linux/libc.ts'
import { breather } from '../time.ts'
import { isOpaque } from './account-files.ts'
import { openLayerDirectory } from './layer-directory.ts'

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = constants
const beneath = resolve.beneath | resolve.noSymlinks | resolve.noXdev
/** Entries between two breaths. */
const breathEvery = 64
/** No path that tar or the kernel takes is longer. */
const mostPathBytes = 4096

export interface FoundEntry {
  /** From the root, without a slash before it; empty for the root. */
  readonly path: Buffer
  readonly stat: Stats
  /** An open directory, and the name in it. Good until the next entry. */
  readonly parent: number
  readonly name: Buffer
  /** It has this name in the topmost layer. */
  readonly isTopmost: boolean
  /** The layers below the topmost show something under this name. */
  readonly isBelow: boolean
}

/** `below`: also tell of what only lower layers have. `deeper`: a path whose content is left out. */
export interface WalkOptions {
  readonly below: boolean
  readonly isLeftOut?: (path: string) => boolean
  readonly signal: AbortSignal
}

/** A path that is too long to be walked. */
export class TreeTooDeep extends Error {}

/**
 * Every entry of the layers, topmost first, a directory before what is in it; the root itself comes first. Whiteouts of the topmost
 * layer come as such (a character device 0:0), those of the others hide.
 *
 * @throws TreeTooDeep, SyscallError; the signal's reason.
 */
export async function* walkFiles(
  layers: readonly string[],
  options: WalkOptions,
): AsyncGenerator<FoundEntry> {
  const roots: number[] = []
  try {
    for (const layer of layers) roots.push(openSync(layer, O_RDONLY | O_DIRECTORY | O_NOFOLLOW))
    const walk = new Walk(options)
    const [top = -1] = roots
    const root = { path: Buffer.alloc(0), name: Buffer.from('.'), parent: top, stat: fstatSync(top) }
    yield { ...root, isTopmost: true, isBelow: roots.length > 1 }
    yield* walk.directory(
      roots.map((fd, index) => ({ fd, isTopmost: index === 0 })),
      root.path,
    )
  } finally {
    for (const fd of roots) closeSync(fd)
  }
}

interface Source {
  readonly fd: number
  readonly isTopmost: boolean
}

class Walk {
  readonly #options: WalkOptions
  readonly #breathe: () => Promise<void>

  constructor(options: WalkOptions) {
    this.#options = options
    this.#breathe = breather(breathEvery, options.signal)
  }

  async *directory(sources: readonly Source[], path: Buffer): AsyncGenerator<FoundEntry> {
    const { below, isLeftOut } = this.#options
    const done = new Set<string>()
    for (const [index, { fd, isTopmost }] of sources.entries()) {
      if (!below && !isTopmost) return
      rewind(fd)
      // Names are kept for the listings that follow alone: a guest may have made millions in one directory.
      const isLast = !below || index === sources.length - 1
      for (let entries = readEntries(fd); entries !== undefined; entries = readEntries(fd)) {
        // The bytes of the listing are used again by the next piece.
        for (const name of entries.map((entry) => Buffer.from(entry.name))) {
          const key = name.toString('latin1')
          if (done.has(key)) continue
          if (!isLast) done.add(key)
          await this.#breathe()
          const inside = path.length === 0 ? name : Buffer.concat([path, Buffer.from('/'), name])
          if (inside.length > mostPathBytes) throw new TreeTooDeep()
          if (isLeftOut?.(inside.toString())) continue
          yield* this.#entry(sources.slice(index), name, inside)
        }
      }
    }
  }

  async *#entry(sources: readonly Source[], name: Buffer, path: Buffer): AsyncGenerator<FoundEntry> {
    const [{ fd: parent, isTopmost } = { fd: -1, isTopmost: false }, ...others] = sources
    const stat = statOf(parent, name)
    // It was removed meanwhile.
    if (stat === undefined) return
    if (isWhiteout(stat) && !isTopmost) return
    const isBelow =
      isTopmost && others.some(({ fd }) => statOf(fd, name) !== undefined) && shows(others, name)
    yield { path, stat, parent, name, isTopmost, isBelow }
    if (!stat.isDirectory()) return
    const opened: Source[] = []
    try {
      for (const source of sources) {
        const fd = openLayerDirectory(source.fd, name)
        if (fd === undefined) continue
        if (fd === 'other') break
        opened.push({ ...source, fd })
        if (isOpaque(fd)) break
      }
      yield* this.directory(opened, path)
    } finally {
      for (const { fd } of opened) closeSync(fd)
    }
  }
}

/** The first of the layers that knows the name decides. */
function shows(sources: readonly Source[], name: Buffer): boolean {
  for (const { fd } of sources) {
    const stat = statOf(fd, name)
    if (stat !== undefined) return !isWhiteout(stat)
  }
  return false
}

export const isWhiteout = (stat: Stats): boolean => stat.isCharacterDevice() && stat.rdev === 0

function statOf(parent: number, name: Buffer): Stats | undefined {
  return unlessGone(() => closing(openAt(parent, name, O_PATH | O_NOFOLLOW, beneath), (fd) => fstatSync(fd)))
}

/** A descriptor to read the file that was found; undefined when it is none any more. The caller closes it. */
export function openFound({ parent, name }: FoundEntry): number | undefined {
  const fd = unlessGone(() => openAt(parent, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, beneath))
  if (fd === undefined || fstatSync(fd).isFile()) return fd
  closeSync(fd)
  return undefined
}

/** What a link says; undefined when it is none any more. */
export function linkOf({ parent, name }: FoundEntry): Buffer | undefined {
  const path = Buffer.concat([Buffer.from(`/proc/self/fd/${parent}/`), name])
  try {
    return readlinkSync(path, { encoding: 'buffer' })
  } catch {
    return undefined
  }
}

/** Whether a directory that was found hides those of the layers below. */
export function isOpaqueFound({ parent, name }: FoundEntry): boolean {
  const fd = openLayerDirectory(parent, name)
  return typeof fd === 'number' && closing(fd, isOpaque)
}

function unlessGone<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch (error) {
    if (error instanceof SyscallError && ['ENOENT', 'ELOOP', 'ENXIO', 'ENOTDIR'].includes(error.errno))
      return undefined
    throw error
  }
}
