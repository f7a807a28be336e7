/**
 * Removes a directory tree that another user or a guest wrote. The tree may have any depth and width: open directories, lengths of paths and
 * memory are bounded. Every step uses one name in an open directory, so no link leads elsewhere, and nothing that is mounted in the tree is
 * removed.
 */
import { closeSync, constants, openSync, rmdirSync } from 'node:fs'
import { sleep } from '../../time.ts'
import { SyscallError } from '../libc.ts'
import {
  type DirectoryEntry,
  moveEntry,
  readEntries,
  removeDirectory,
  rewind,
  unlinkFile,
} from './directory.ts'
import { openDirectoryAt, shown } from './open-at.ts'

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants

/** Most levels that are open at a time. A deeper directory is moved to the top, and emptied from there. */
const openLevels = 64
/** How long signals and timers of this process wait at most, milliseconds. */
const stretchMs = 10
/** Removals between two readings of the clock. */
const clockEvery = 64

/**
 * Does nothing if `path` does not exist. Two callers may remove the same tree at once. After an abort, the rest stays.
 *
 * @throws SyscallError EXDEV or EBUSY where something is mounted, ENOTDIR when `path` is not a directory itself, EPERM at a file
 * that is immutable. @throws the signal's reason.
 */
export async function removeTree(path: string, signal?: AbortSignal, attempts = 10): Promise<void> {
  const top = unlessGone(() => openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW))
  if (top === undefined) return
  try {
    await emptyTree(top, signal)
  } finally {
    closeSync(top)
  }
  try {
    unlessGone(() => rmdirSync(path))
  } catch (error) {
    // The other one has just moved a directory up.
    if ((error as NodeJS.ErrnoException).code !== 'ENOTEMPTY' || attempts === 1) throw error
    await removeTree(path, signal, attempts - 1)
  }
}

/**
 * Removes the content of the open directory `top`, whatever its path is by now. The directory stays, and so does the descriptor, by which it must
 * not have been listed before.
 *
 * @throws as {@link removeTree}.
 */
export async function emptyTree(top: number, signal?: AbortSignal): Promise<void> {
  await new Removal(top, signal).run()
}

/** A directory that is being emptied. */
interface Level {
  readonly fd: number
  /** In the level above; undefined at the top. */
  readonly name?: Buffer
  /** The unused rest of the last piece of the listing. */
  pending: DirectoryEntry[]
  /** Whether anything went since the listing began. */
  progress: boolean
}

class Removal {
  readonly #signal: AbortSignal | undefined
  /** From the top down. */
  readonly #levels: Level[]
  /** The beginning of the names of moved directories. Nothing else in the tree has such a name. */
  readonly #prefix = `.kata-ts-${crypto.randomUUID()}-`
  #moved = 0
  #steps = 0
  #stretchEnd = performance.now() + stretchMs

  constructor(top: number, signal: AbortSignal | undefined) {
    this.#signal = signal
    this.#levels = [{ fd: top, pending: [], progress: false }]
  }

  /** Empties the top; its descriptor stays the caller's. */
  async run(): Promise<void> {
    try {
      while (this.#step()) {
        if (++this.#steps % clockEvery === 0) await this.#breathe()
      }
    } finally {
      for (const { fd } of this.#levels.slice(1)) closeSync(fd)
    }
  }

  /** One removal, or one listing. False when the top is empty. */
  #step(): boolean {
    const level = this.#levels.at(-1)!
    const entry = level.pending.pop()
    if (entry !== undefined) {
      this.#remove(level, entry)
      return true
    }
    const listed = readEntries(level.fd)
    if (listed === undefined) return this.#leave(level)
    level.pending = listed
    return true
  }

  #remove(level: Level, { name, isDirectory }: DirectoryEntry): void {
    level.progress = true
    if (!isDirectory && unlinkFile(level.fd, name) !== 'directory') return
    if (this.#levels.length < openLevels) {
      const fd = unlessGone(() => openDirectoryAt(level.fd, name))
      if (fd !== undefined) this.#levels.push({ fd, name, pending: [], progress: false })
    } else {
      const [top] = this.#levels
      unlessGone(() => moveEntry(level.fd, name, top!.fd, Buffer.from(`${this.#prefix}${this.#moved++}`)))
      top!.progress = true
    }
  }

  /** At the end of a listing. One may leave out names when others go meanwhile, so a level is left when it has gone itself. */
  #leave(level: Level): boolean {
    const above = this.#levels.at(-2)
    const { fd, name = Buffer.alloc(0), progress } = level
    if (above !== undefined && removeDirectory(above.fd, name) !== 'not empty') {
      this.#levels.pop()
      closeSync(fd)
      return true
    }
    if (progress) {
      level.progress = false
      rewind(fd)
      return true
    }
    if (above === undefined) return false
    throw new SyscallError(`removing ${shown(name)}`, 'ENOTEMPTY', 'somebody goes on writing there.')
  }

  /** Lets signals, timers and other work of this process have their turn. */
  async #breathe(): Promise<void> {
    this.#signal?.throwIfAborted()
    if (performance.now() < this.#stretchEnd) return
    await sleep(0)
    this.#stretchEnd = performance.now() + stretchMs
  }
}

/** Undefined when the name is not there any more: another removal of the same tree was faster. */
function unlessGone<T>(call: () => T): T | undefined {
  try {
    return call()
  } catch (error) {
    const errno = error instanceof SyscallError ? error.errno : (error as NodeJS.ErrnoException).code
    if (errno === 'ENOENT') return undefined
    throw error
  }
}
