/**
 * A file or directory of the host while it is copied. Another pod or a local user may write to it at the same
 * time. Everything is opened from one descriptor, beneath it and through no link, and looked at before it is opened to read, so
 * that nothing but files of this tree is ever read, and no FIFO or device is waited for.
 */
import { closeSync, constants, fstatSync, openSync, readlinkSync, readSync, type Stats } from 'node:fs'
import { readEntries } from '../../linux/files/directory.ts'
import { identityOf } from '../../linux/files/file-identity.ts'
import { closing, O_PATH, openAt, resolve } from '../../linux/files/open-at.ts'
import { SyscallError } from '../../linux/libc.ts'

/** A directory, regular file or symbolic link. */
export interface TreeEntry {
  /** From the top, with a slash in front; empty for the top itself. */
  readonly path: string
  readonly stat: Stats
  /** Which file it is, see {@link identityOf}. */
  readonly identity: string
  /** The target of a link. */
  readonly linkTo?: string
}

export interface TreeLimits {
  readonly entries: number
  /** Sum of the sizes of all files, and the most that is read of them. */
  readonly bytes: number
}

const { O_RDONLY, O_NONBLOCK, O_NOFOLLOW, O_DIRECTORY } = constants
const pieceBytes = 1024 * 1024
/** Errors of a name that was just removed or replaced. */
const changed: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'EINVAL'])

export class SourceTree implements Disposable {
  readonly #top: number
  readonly #limits: TreeLimits
  readonly #refuse: () => never
  #bytesRead = 0

  /** Takes `top` over, an O_PATH descriptor. `refuse` is called when the tree has more than `limits`. */
  constructor(top: number, limits: TreeLimits, refuse: () => never) {
    this.#top = top
    this.#limits = limits
    this.#refuse = refuse
  }

  [Symbol.dispose](): void {
    closeSync(this.#top)
  }

  /** Everything in it, parents first. What is no file, directory or link is left out. */
  entries(): TreeEntry[] {
    const found: TreeEntry[] = []
    const pending = ['']
    let bytes = 0
    for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
      const entry = this.#look(path)
      if (entry === undefined) continue
      found.push(entry)
      bytes += entry.stat.isFile() ? entry.stat.size : 0
      if (bytes > this.#limits.bytes) this.#refuse()
      if (entry.stat.isDirectory())
        pending.push(
          ...this.#namesIn(path, found.length + pending.length)
            .sort()
            .reverse(),
        )
      if (found.length + pending.length > this.#limits.entries) this.#refuse()
    }
    return found
  }

  /** The content of a file; undefined when it is not that file any more. */
  read({ path, identity }: TreeEntry): Buffer | undefined {
    return this.#at(path, (location) => {
      if (!fstatSync(location).isFile() || identityOf(location) !== identity) return undefined
      // The same file, whatever its name leads to by now.
      return closing(openSync(`/proc/self/fd/${location}`, O_RDONLY | O_NONBLOCK), (fd) => this.#readAll(fd))
    })
  }

  #look(path: string): TreeEntry | undefined {
    return this.#at(path, (location) => {
      const stat = fstatSync(location)
      const identity = identityOf(location)
      if (stat.isFile() || stat.isDirectory()) return { path, stat, identity }
      if (!stat.isSymbolicLink()) return undefined
      const [, parent = '', name = ''] = /^(.*)\/([^/]+)$/.exec(path) ?? []
      return this.#at(parent, (fd) => ({
        path,
        stat,
        identity,
        linkTo: readlinkSync(`/proc/self/fd/${fd}/${name}`),
      }))
    })
  }

  /** Paths of what is in a directory. */
  #namesIn(path: string, known: number): string[] {
    const list = (fd: number) => {
      const paths: string[] = []
      for (let piece = readEntries(fd); piece !== undefined; piece = readEntries(fd)) {
        paths.push(...piece.map(({ name }) => `${path}/${name.toString('utf8')}`))
        if (known + paths.length > this.#limits.entries) this.#refuse()
      }
      return paths
    }
    return this.#at(path, (location) => closing(openAt(location, '.', O_RDONLY | O_DIRECTORY, 0), list)) ?? []
  }

  #readAll(fd: number): Buffer {
    const parts: Buffer[] = []
    for (;;) {
      const part = Buffer.alloc(pieceBytes)
      const count = readSync(fd, part, 0, pieceBytes, null)
      if (count === 0) return Buffer.concat(parts)
      parts.push(part.subarray(0, count))
      this.#bytesRead += count
      // It may have grown since it was looked at.
      if (this.#bytesRead > this.#limits.bytes) this.#refuse()
    }
  }

  /** Undefined when the path leads nowhere, out of the tree, or through a link. */
  #at<T>(path: string, work: (location: number) => T): T | undefined {
    if (path === '') return work(this.#top)
    try {
      const rules = resolve.beneath | resolve.noSymlinks
      return closing(openAt(this.#top, path.slice(1), O_PATH | O_NOFOLLOW, rules), work)
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException
      if (changed.has(error instanceof SyscallError ? error.errno : code)) return undefined
      throw error
    }
  }
}
